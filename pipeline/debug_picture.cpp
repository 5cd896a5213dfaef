// Reduces, draws, and brings to the host.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/debug_picture.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {

int debug_height(const PanoramaGeometry& panorama, int width) {
  return std::max(
      2, 2 * static_cast<int>(std::lround(0.5 * width * panorama.height / panorama.width)));
}

DebugPicture::DebugPicture(gpu::Device& device, const Nv12Layout& panorama,
                           const Nv12Layout& picture, const OverlaySceneConfig& scene)
    : queue_(device.make_queue()),
      program_(device.build_family("reduce")),
      luma_(make_plane("reduce_luma", 1, panorama, picture)),
      chroma_(make_plane("reduce_chroma", 2, panorama, picture)),
      overlay_(device, picture),
      scene_(scene),
      list_(picture.width, picture.height) {}

DebugPicture::Plane DebugPicture::make_plane(const char* kernel, int divisor,
                                             const Nv12Layout& panorama,
                                             const Nv12Layout& picture) const {
  const auto format = [&](const Nv12Layout& l) {
    return cl_int4{{l.width / divisor, l.height / divisor, l.pitch,
                    divisor == 1 ? 0 : static_cast<cl_int>(l.chroma_offset())}};
  };
  Plane plane{cl::Kernel(program_, kernel),
              gpu::Range(static_cast<std::size_t>(picture.width / divisor),
                         static_cast<std::size_t>(picture.height / divisor))};
  plane.kernel.setArg(1, format(panorama));
  plane.kernel.setArg(3, format(picture));
  return plane;
}

Status DebugPicture::make(const PanoramaFrame& panorama, const Decision& decision,
                          SurfaceRef output, ViewFrame& out) noexcept {
  scene_.on_panorama(decision, list_);
  Status s = Status::ok;
  for (Plane* plane : {&luma_, &chroma_})
    for (const Status next :
         {gpu::set_argument(plane->kernel, 0, panorama.surface->memory.buffer),
          gpu::set_argument(plane->kernel, 2, output->memory.buffer),
          gpu::launch(queue_, plane->kernel, plane->global, nullptr, {panorama.ready()}, nullptr)})
      if (s == Status::ok) s = next;
  if (s == Status::ok) s = overlay_.draw(queue_, *output, list_, {}, nullptr);
  if (s == Status::ok)
    s = gpu::download(queue_, output->memory, output->layout.bytes(), {}, &out.ready);
  if (s == Status::ok) s = gpu::flush(queue_);
  if (s != Status::ok) return s;
  out.surface = std::move(output);
  out.capture_ns = panorama.capture_ns;
  out.pose = decision.pose;
  out.slate = false;
  return Status::ok;
}

}  // namespace gantry
