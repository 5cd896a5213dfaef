// Who moves where: detections of persons joined over time into identities.
//
// How: each track expects its person where its speed leads; detections go to the nearest
// expectation, the closest pairs first; what is left begins new tracks. Good enough for motion: two
// who cross may swap.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <utility>

#include "hal/camera/rig.hpp"
#include "pipeline/detections.hpp"
#include "pipeline/ground.hpp"
#include "pipeline/tracks.hpp"

namespace gantry {

class PersonTracker {
 public:
  PersonTracker(double confidence, const PanoramaGeometry& panorama, const Ground& ground)
      : confidence_(confidence), panorama_(panorama), ground_(ground) {}

  // No allocation. Instants must grow. At most Tracks::kPersons are followed.
  void observe(const Detections& found) noexcept;
  std::span<const PersonState> people() const noexcept { return {tracks_.data(), count_}; }
  void clear() noexcept { count_ = 0, started_ = false; }

 private:
  void predict(double dt) noexcept;
  std::size_t take_candidates(const Detections& found) noexcept;
  void match(std::size_t candidates, double dt) noexcept;
  double metres(const PersonState& a, const PersonState& b) const noexcept;

  static constexpr std::size_t kMost = Tracks::kPersons;
  double confidence_;
  PanoramaGeometry panorama_;
  Ground ground_;
  bool started_ = false;
  std::int64_t last_ns_ = 0;
  std::uint32_t identities_ = 0;
  std::size_t count_ = 0;
  std::array<PersonState, kMost> tracks_{};
  std::array<float, kMost> unseen_s_{};
  std::array<PersonState, kMost> candidates_{};
  std::array<bool, kMost> taken_{};
  struct Pair {
    float distance;
    std::uint8_t track, candidate;
  };
  std::array<Pair, kMost * kMost> pairs_{};
};

}  // namespace gantry
