// What an operator may tell the director while it films, and what is told back.
//
// Both ways go through queues that never wait: commands to the pacing thread, one status per frame
// shown from it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>

#include "pipeline/director.hpp"
#include "pipeline/queue.hpp"

namespace gantry {

struct ControlCommand {
  enum class Kind {
    steer,    // by hand: to the angles that are given, the others stay; none: stand still
    release,  // from the hand back to the director
    direct,   // by this director from now on
  };
  Kind kind = Kind::release;
  std::optional<double> yaw, pitch, field_of_view;  // steer: radians, panorama frame
  // steer: seconds after which the director has the camera back; 0: when it is released; none: as
  // configured.
  std::optional<double> hold_s;
  DirectorConfig::Kind director = DirectorConfig::Kind::follow;  // direct
};

struct ControlStatus {
  std::int64_t capture_ns = 0;  // of the frame shown; 0: none yet
  CameraPose pose;
  DirectorConfig::Kind director = DirectorConfig::Kind::follow;
  bool manual = false;
  double hand_back_s = 0;  // manual: seconds until then; 0: when it is released
  Reason reason = Reason::nothing;
  double ball_confidence = 0;  // 0: no ball is known
};

using ControlCommands = Queue<ControlCommand, 16, Policy::drop_newest>;
using ControlStatuses = Queue<ControlStatus, 1, Policy::drop_oldest>;

}  // namespace gantry
