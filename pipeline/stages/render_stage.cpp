// The rendering loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/render_stage.hpp"

#include "hal/log/log.hpp"

namespace gantry {

bool RenderStage::step() noexcept {
  RenderJob job;
  if (!in_.pop_wait(job)) {
    camera_.drain();
    out_.close();
    return false;
  }
  SurfaceRef surface = acquire(views_, wait_for_surface_);
  if (!surface) {
    telemetry_.view_pool_dropped.add();
    return true;
  }
  ViewFrame view;
  const Status status = draw(job, std::move(surface), view);
  if (status != Status::ok) {
    if (status == Status::device_lost && !telemetry_.device_lost.exchange(true))
      log::error("render: the OpenCL device refuses kernels");
    telemetry_.render_failed.add();
    return true;
  }
  view.presentation_ns = job.presentation_ns;
  view.number = job.number;
  if (with_panorama_) view.panorama = std::move(job.panorama.surface);
  out_.push(std::move(view));
  return true;
}

Status RenderStage::draw(const RenderJob& job, SurfaceRef surface, ViewFrame& view) noexcept {
  if (!job.panorama.surface) {
    Slate::Text text;
    view.slate = true;
    return slate_.render(Slate::waiting_text(job.slate_s, job.delay_s, text), std::move(surface),
                         view);
  }
  Status status = camera_.render(job.panorama, job.decision.pose, std::move(surface), view);
  if (status == Status::dropped) {  // too much is in flight: wait for the device, the link drops
    camera_.drain();
    surface = acquire(views_, wait_for_surface_);
    if (surface) status = camera_.render(job.panorama, job.decision.pose, std::move(surface), view);
  }
  if (status == Status::ok && overlay_) status = overlay_->paint(job.decision, view);
  if (status != Status::ok) return status;
  if (const auto duration_ns = camera_.last_duration_ns()) telemetry_.render.add(duration_ns);
  const auto& traffic = camera_.traffic();
  telemetry_.bytes_moved.add(traffic.panorama_read + traffic.view_written + traffic.view_copied);
  telemetry_.bytes_floor.add(traffic.panorama_read + traffic.view_written);
  return Status::ok;
}

}  // namespace gantry
