// One camera's loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/capture_stage.hpp"

#include "hal/log/log.hpp"

namespace gantry {

bool CaptureStage::step() noexcept {
  CameraFrame frame;
  switch (camera_.capture(pool_, frame)) {
    case Status::ok:
      if (frame.capture_ns >= end_ns_) break;
      counts_.captured.add();
      telemetry_.bytes_moved.add(frame.host_bytes_written);
      out_.push(std::move(frame));
      return true;
    case Status::dropped:
      counts_.pool_dropped.add();
      return true;
    case Status::end:
      break;
    default:
      log::error("camera {}: lost; the others go on", camera_.name());
  }
  out_.close();
  return false;
}

}  // namespace gantry
