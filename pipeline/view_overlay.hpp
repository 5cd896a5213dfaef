// Draws the overlay over the views of the virtual camera.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/overlay.hpp"
#include "pipeline/overlay_scene.hpp"

namespace gantry {

class ViewOverlay {
 public:
  // Set-up. `view`: the layout of every view.
  ViewOverlay(gpu::Device& device, const Nv12Layout& view, const OverlaySceneConfig& scene);

  // Enqueues the drawing after `view.ready`, and the copy to the host where an encoder needs one;
  // `view.ready` then is the end of that. A submission thread; no allocation of ours.
  Status paint(const Decision& decision, ViewFrame& view) noexcept;

 private:
  cl::CommandQueue queue_;
  Overlay overlay_;
  OverlayScene scene_;
  OverlayList list_;
};

}  // namespace gantry
