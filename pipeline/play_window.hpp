// What is known of play around the frame shown: the ball's path and the players' middle over time.
//
// How: detections become directions and are kept in the order of their capture. A ball is accepted
// when it lies where the last accepted one can have gone; another candidate must be seen at three
// instants in a row, each within reach of the one before, before it takes the path over. In between
// its sights the ball's place is interpolated; how far it is trusted falls with the time to the
// nearest sight.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "pipeline/director.hpp"

namespace gantry {

// Directions in radians of the panorama frame; trust 0 … 1.
struct BallEstimate {
  double yaw = 0, pitch = 0, trust = 0;
};
struct PlayersEstimate {
  double yaw = 0, pitch = 0, trust = 0;
  double spread = 0;  // yaw within which four of five players stand
};

class PlayWindow {
 public:
  PlayWindow(const FollowConfig& config, const PanoramaGeometry& panorama);

  // No allocation. Keeps the newest kCapacity instants; a second set of detections of one instant
  // is left out.
  void observe(const Detections& found) noexcept;
  // Forgets instants before this one.
  void forget_before(std::int64_t capture_ns) noexcept;

  BallEstimate ball_at(std::int64_t instant_ns) const noexcept;
  PlayersEstimate players_at(std::int64_t instant_ns) const noexcept;
  // The newest instant observed; INT64_MIN if there is none.
  std::int64_t newest_ns() const noexcept;

 private:
  static constexpr std::size_t kCapacity = 1024;  // 20 s and more of delay at 30 Hz
  static constexpr int kConfirm = 3;              // sights that make a new path

  struct Sight {
    std::int64_t capture_ns = 0;
    double yaw = 0, pitch = 0, confidence = 0;
  };
  struct Instant {
    std::int64_t capture_ns = 0;
    bool has_ball = false, has_players = false;
    Sight ball;
    PlayersEstimate players;
  };

  Instant& instant(std::size_t i) noexcept { return ring_[(head_ + i) % kCapacity]; }
  const Instant& instant(std::size_t i) const noexcept { return ring_[(head_ + i) % kCapacity]; }
  Instant* insert(std::int64_t capture_ns) noexcept;
  std::size_t first_after(std::int64_t capture_ns) const noexcept;
  void follow_ball(const Detections& found, Instant& at) noexcept;
  bool within_reach(const Sight& from, const Sight& to) const noexcept;
  void challenge(const Sight& sight, Instant& at) noexcept;
  void measure_players(const Detections& found, Instant& at) noexcept;
  double trust_after(std::int64_t gap_ns) const noexcept;
  template <typename Has>
  std::pair<const Instant*, const Instant*> neighbours(std::int64_t instant_ns,
                                                       Has&& has) const noexcept;

  FollowConfig config_;
  PanoramaGeometry panorama_;
  std::vector<Instant> ring_;
  std::size_t head_ = 0, count_ = 0;
  bool tracking_ = false;
  Sight last_;  // the last accepted one
  std::array<Sight, kConfirm> challenger_{};
  int challenger_count_ = 0;
  struct Weighted {
    double yaw, pitch, weight;
  };
  std::array<Weighted, Detections::kCapacity> persons_{};
};

}  // namespace gantry
