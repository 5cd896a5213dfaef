// One list per view.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/view_overlay.hpp"

namespace gantry {

ViewOverlay::ViewOverlay(gpu::Device& device, const Nv12Layout& view,
                         const OverlaySceneConfig& scene)
    : queue_(device.make_queue()),
      overlay_(device, view),
      scene_(scene),
      list_(view.width, view.height) {}

Status ViewOverlay::paint(const Decision& decision, ViewFrame& view) noexcept {
  scene_.on_view(decision, view.pose, list_);
  cl::Event drawn;
  Status s = overlay_.draw(queue_, *view.surface, list_, {view.ready()}, &drawn);
  if (s == Status::ok)
    s = gpu::download(queue_, view.surface->memory, view.surface->layout.bytes(), {drawn()},
                      &view.ready);
  return s == Status::ok ? gpu::flush(queue_) : s;
}

}  // namespace gantry
