// Chooses the tiles that an analysis looks at: those where play is, and the rest in turn.
//
// How: every tile remembers when it was looked at last. An analysis takes, in this order,
//   1. the tiles that would be unseen for longer than the bound if they were left out now, and so
//      many of the longest unseen that all of them come round within the bound without a rush;
//   2. the tile where the ball most likely is, whatever the number of tiles;
//   3. up to that number: tiles that a ball seen lately may have reached, tiles with players in them
//      by how many they are, then the longest unseen;
//   4. as many more as the network's last batch has room for, since they cost nothing.
// The interval between analyses is measured, its longest of late counts. A device that is too slow
// to keep the bound looks at all tiles each time.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/detections.hpp"
#include "pipeline/tiles.hpp"

namespace gantry {

struct TileScheduleConfig {
  int most = 0;             // tiles per analysis; 0: all of them
  double seen_every_s = 1;  // every tile at least this often, above 0; it goes before `most`
};

class TileSchedule {
 public:
  // Set-up. `batch`: tiles that the network takes at once, at least 1. Throws std::invalid_argument.
  TileSchedule(const TilePlan& plan, const PanoramaGeometry& geometry,
               const TileScheduleConfig& config, std::size_t batch);

  // One thread at a time, no allocation. The same calls give the same tiles. ---

  // The tiles for a panorama captured at this instant, ascending; valid until the next call.
  // Instants that run backwards start anew with all tiles.
  std::span<const std::uint16_t> choose(std::int64_t capture_ns) noexcept;
  // What was found in the tiles chosen last.
  void observe(const Detections& found) noexcept;

  // The longest that any tile was unseen between two analyses, so far.
  std::int64_t longest_unseen_ns() const noexcept { return longest_unseen_ns_; }
  // The part of the panorama for which a tile is the one to look at: all of it but what lies beyond
  // the middle of the overlap with its neighbours. Together the parts cover what the tiles do.
  const PixelArea& share(std::size_t tile) const noexcept { return shares_[tile]; }

 private:
  static constexpr std::size_t kIntervals = 8, kBalls = 32;
  struct Ball {
    float x = 0, y = 0, confidence = 0;
    std::int64_t seen_ns = 0;
  };
  void measure_interval(std::int64_t capture_ns) noexcept;
  void rate(std::int64_t capture_ns) noexcept;
  void take(std::size_t tile) noexcept;
  void take_unseen(std::int64_t capture_ns) noexcept;
  template <typename Wanted, typename Better>
  bool take_best(Wanted wanted, Better better) noexcept;
  void remember(const Ball& ball, std::size_t known) noexcept;

  TileScheduleConfig config_;
  std::int64_t bound_ns_;
  std::size_t batch_;
  std::vector<PixelArea> shares_;
  float reach_;  // panorama pixels that a ball may move in a second

  // By tile.
  std::vector<std::int64_t> seen_ns_;
  std::vector<float> ball_;             // how likely a ball is in it
  std::vector<std::uint16_t> persons_;  // found when it was looked at last
  std::vector<bool> taken_;

  std::vector<std::uint16_t> chosen_;
  std::array<Ball, kBalls> balls_;  // seen of late
  std::size_t ball_count_ = 0;
  std::array<std::int64_t, kIntervals> intervals_ns_{};
  std::size_t interval_count_ = 0;
  std::int64_t last_ns_ = 0, longest_unseen_ns_ = 0;
  bool started_ = false;
};

}  // namespace gantry
