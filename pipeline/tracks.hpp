// What is known of play at one instant: where the ball is, and who moves where on the field.
//
// Directions are radians of the panorama frame (hal/camera/rig.hpp), sizes radians too, speeds
// radians per second. Values of fixed size; nothing here allocates.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>

namespace gantry {

struct BallState {
  bool known = false;         // false: nothing below means anything
  bool interpolated = false;  // between two sights, or shortly beyond the last one: not seen itself
  double yaw = 0, pitch = 0;
  double yaw_speed = 0, pitch_speed = 0;
  double diameter = 0;
  double confidence = 0;  // 0 … 1: the probability that the ball is there
  // Of the sights before and after it; the same instant where it was seen, or known of one side only.
  std::int64_t seen_before_ns = 0, seen_after_ns = 0;
  double track = 0;  // 0 … 1: the probability that those sights are of the ball
};

struct PersonState {
  std::uint32_t identity = 0;   // the same person as long as it is followed; never 0, never reused
  bool seen = false;            // at this very instant; otherwise where it will have gone
  float yaw = 0, pitch = 0;     // of the box's centre
  float width = 0, height = 0;  // of the box
  float yaw_speed = 0, pitch_speed = 0;
  float confidence = 0;  // 0 … 1
};

// What the tracker says of one instant.
struct Tracks {
  static constexpr std::size_t kPersons = 64;
  std::int64_t capture_ns = 0;
  BallState ball;
  std::uint32_t person_count = 0;
  std::array<PersonState, kPersons> persons;

  std::span<const PersonState> people() const { return {persons.data(), person_count}; }
};

}  // namespace gantry
