// The stitching loop, and the watch on its results.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/stitch_stage.hpp"

#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {

bool StitchStage::step() noexcept {
  FramePair pair;
  if (!in_.pop_wait(pair)) {
    stitcher_.drain();
    close();
    return false;
  }
  SurfaceRef surface = acquire(panoramas_, wait_for_surface_);
  if (!surface) {
    telemetry_.panorama_pool_dropped.add();
    return true;
  }
  PanoramaFrame panorama;
  Status status = stitcher_.stitch(std::move(pair), std::move(surface), panorama);
  while (status == Status::again) {  // the device is this far behind: wait for its oldest
    stitcher_.wait_oldest();
    status = stitcher_.stitch(std::move(pair), std::move(surface), panorama);
  }
  if (status != Status::ok) {
    if (status == Status::device_lost && !telemetry_.device_lost.exchange(true))
      log::error("stitch: the OpenCL device refuses kernels");
    telemetry_.stitch_failed.add();
    return true;
  }
  if (wait_for_surface_ && stitcher_.measuring()) stitcher_.drain();  // the same film every time
  panorama.number = number_++;
  telemetry_.stitched.add();
  telemetry_.bytes_moved.add(stitcher_.bytes_per_panorama());
  telemetry_.bytes_floor.add(stitcher_.bytes_floor());
  // The detector first: a film that is made fast waits for it at the ring.
  if (readers_.analysis) readers_.analysis->push(share(panorama));
  if (readers_.output) readers_.output->push(share(panorama));
  readers_.completion->push(share(panorama));
  readers_.ring->push(std::move(panorama));
  return true;
}

void StitchStage::close() noexcept {
  if (readers_.analysis) readers_.analysis->close();
  if (readers_.output) readers_.output->close();
  readers_.completion->close();
  readers_.ring->close();
}

bool CompletionStage::step() noexcept {
  PanoramaFrame panorama;
  if (!in_.pop_wait(panorama)) return false;
  if (gpu::wait(panorama.ready) != Status::ok && !telemetry_.device_lost.exchange(true))
    log::error("stitch: the OpenCL device gave up on a panorama");
  telemetry_.first.panorama.mark(clock::now_ns());
  if (live_) telemetry_.capture_to_panorama.add(clock::now_ns() - panorama.capture_ns);
  telemetry_.stitch.add(gpu::duration_ns(panorama.ready));
  return true;
}

}  // namespace gantry
