// The debug picture: the panorama made smaller, with the overlay. The panorama stays as it is.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/overlay.hpp"
#include "pipeline/overlay_scene.hpp"

namespace gantry {

// Of a picture of this width with the panorama's shape, even.
int debug_height(const PanoramaGeometry& panorama, int width);

class DebugPicture {
 public:
  // Set-up. `panorama`, `picture`: the layouts of all panoramas and of all debug pictures.
  DebugPicture(gpu::Device& device, const Nv12Layout& panorama, const Nv12Layout& picture,
               const OverlaySceneConfig& scene);

  // Enqueues the picture, host copy included; fills `out` but for its presentation instant and its
  // number. The panorama must live until `out.ready`. A submission thread; no allocation of ours.
  Status make(const PanoramaFrame& panorama, const Decision& decision, SurfaceRef output,
              ViewFrame& out) noexcept;

 private:
  struct Plane {
    cl::Kernel kernel;
    gpu::Range global;
  };
  Plane make_plane(const char* kernel, int divisor, const Nv12Layout& panorama,
                   const Nv12Layout& picture) const;

  cl::CommandQueue queue_;
  cl::Program program_;
  Plane luma_, chroma_;
  Overlay overlay_;
  OverlayScene scene_;
  OverlayList list_;
};

}  // namespace gantry
