// What a director decided for one frame shown, and what it knew: for the overlay and the log.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string_view>

#include "pipeline/frames.hpp"
#include "pipeline/tracks.hpp"

namespace gantry {

// Why the camera looks where it does.
enum class Reason : std::uint8_t {
  set,      // told to: a fixed place, a sweep, a hand on the control
  ball,     // the ball is trusted, and seen at this instant or just before and after
  gap,      // the ball is trusted between two sights that are farther apart
  players,  // the ball is not trusted: where the players are and go
  nothing,  // nobody is seen: on the way to the home pose, or there
};

constexpr std::string_view name_of(Reason reason) {
  constexpr std::string_view names[] = {"set", "ball", "gap", "players", "nothing"};
  return names[static_cast<int>(reason)];
}

struct Decision {
  std::int64_t capture_ns = 0;  // of the frame shown
  CameraPose pose;              // what is shown: fits the limits
  CameraPose aim;               // where play is, before it was smoothed and limited
  Reason reason = Reason::nothing;
  double ball_share = 0;  // 0 … 1: the part of the aim that the ball has; the rest is the players'
  Tracks tracks;          // at the instant of the frame
};

}  // namespace gantry
