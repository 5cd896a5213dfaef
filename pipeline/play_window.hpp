// What is known of play around the frame shown: the ball, who is on the field, and where they go.
//
// Detections may come with any time stamps: one that is a little older than the newest is left out;
// one that is far from it is believed once the next one goes on from there, and play begins anew.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "pipeline/ball_tracker.hpp"
#include "pipeline/person_tracker.hpp"

namespace gantry {

// Where the players are and go, radians of the panorama frame; trust 0 … 1.
struct PlayersState {
  double yaw = 0, pitch = 0, trust = 0;
  double spread = 0;  // yaw within which most of them stand, from side to side
};

class PlayWindow {
 public:
  // Set-up. Allocates the window.
  PlayWindow(const BallTrackerConfig& ball, double person_confidence,
             const PanoramaGeometry& panorama, const Ground& ground);

  // All: no allocation.
  void observe(const Detections& found) noexcept;
  void forget_before(std::int64_t capture_ns) noexcept;

  BallState ball_at(std::int64_t instant_ns) const noexcept { return ball_.at(instant_ns); }
  LastSight last_sight(std::int64_t instant_ns) const noexcept {
    return ball_.last_sight(instant_ns);
  }
  PlayersState players_at(std::int64_t instant_ns) const noexcept;
  void tracks_at(std::int64_t instant_ns, Tracks& out) const noexcept;
  // The newest instant observed; INT64_MIN if there is none.
  std::int64_t newest_ns() const noexcept;

 private:
  static constexpr std::size_t kInstants = BallTracker::kInstants;
  struct Instant {
    std::int64_t capture_ns = 0;
    PlayersState players;
    std::uint32_t count = 0;
    std::array<PersonState, Tracks::kPersons> people;
  };

  bool believe(std::int64_t capture_ns) noexcept;
  Instant& instant(std::size_t i) noexcept { return ring_[(head_ + i) % kInstants]; }
  const Instant& instant(std::size_t i) const noexcept { return ring_[(head_ + i) % kInstants]; }
  std::size_t first_after(std::int64_t instant_ns) const noexcept;
  PlayersState measure() const noexcept;

  BallTracker ball_;
  PersonTracker persons_;
  Ground ground_;
  std::vector<Instant> ring_;
  std::size_t head_ = 0, count_ = 0;
  bool doubted_ = false;
  std::int64_t doubted_ns_ = 0;
};

}  // namespace gantry
