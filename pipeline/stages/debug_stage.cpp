// The debug recording's loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/debug_stage.hpp"

#include "hal/log/log.hpp"

namespace gantry {

bool DebugStage::step() noexcept {
  RenderJob job;
  if (!in_.pop_wait(job)) {
    out_.close();
    return false;
  }
  SurfaceRef surface = acquire(surfaces_, wait_for_surface_);
  ViewFrame picture;
  Status s = surface ? picture_.make(job.panorama, job.decision, std::move(surface), picture)
                     : Status::dropped;
  // The panorama is given back when the device has read it.
  if (s == Status::ok) s = gpu::wait(picture.ready);
  if (s != Status::ok) {
    if (s == Status::device_lost && telemetry_.debug_dropped.read() == 0)
      log::error("debug recording: the device refuses kernels; pictures are missing from now on");
    telemetry_.debug_dropped.add();
    return true;
  }
  picture.presentation_ns = job.presentation_ns;
  picture.number = job.number;
  out_.push(std::move(picture));
  return true;
}

}  // namespace gantry
