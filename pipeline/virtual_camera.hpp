// The virtual camera: cuts the view that a pose asks for out of a panorama, on the device.
//
// How: kernels/view.cl, one launch for luma and one for chroma, on an in-order queue of its own;
// every frame is made anew for its exact pose. The panorama's and the view's surfaces are held
// until the device is done with them.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/frames.hpp"

namespace gantry {

struct VirtualCameraConfig {
  std::uint32_t in_flight = 4;  // views that the device may be working on
  bool host_reads = true;       // an encoder reads the view's host bytes: copied there where needed
  bool profile = false;         // keep the device's time stamps, for last_duration_ns()
};

class VirtualCamera {
 public:
  // Set-up. Surfaces given to render() must have these layouts. Throws std::invalid_argument on a
  // panorama below 64×64 or of another size than its geometry, std::runtime_error from the device.
  VirtualCamera(gpu::Device& device, const PanoramaGeometry& geometry, const Nv12Layout& panorama,
                const Nv12Layout& view, const VirtualCameraConfig& config = {});

  // Submission thread. Enqueues one view into `output` and fills `out` (surface, ready, capture_ns,
  // number, pose; presentation_ns is the caller's). The pose's field of view is brought to 20 …
  // 100° and its pitch to where the whole view is below the zenith; what lies outside of the
  // panorama repeats its edge. Does not wait.
  //   dropped  as many views as allowed are in flight, or the pose is not finite; `out` is
  //   unchanged
  Status render(const PanoramaFrame& panorama, const CameraPose& pose, SurfaceRef output,
                ViewFrame& out) noexcept;
  // Set-up: renders a view of the middle, waits and forgets, for drivers compile a kernel when it
  // first runs.
  Status rehearse(const PanoramaFrame& panorama, SurfaceRef output, ViewFrame& out) noexcept;
  // Lets go of the surfaces of finished views; render() does it too. Submission thread.
  void retire() noexcept;
  // Waits for all views. Set-up and tear-down.
  void drain() noexcept;

  struct Traffic {
    std::uint64_t panorama_read = 0;  // bytes of the panorama under the view, each once
    std::uint64_t view_written = 0;
    std::uint64_t view_copied = 0;  // to the host, where that is a copy
  };
  // Of the last view.
  const Traffic& traffic() const noexcept { return traffic_; }
  // Time on the device of the newest finished view; needs `profile`, else 0.
  std::int64_t last_duration_ns() const noexcept { return last_duration_ns_; }

 private:
  struct Plane {
    cl::Kernel kernel;
    gpu::Range global, local;
  };
  struct InFlight {
    SurfaceRef panorama, view;
    cl::Event luma, chroma, done;
  };
  Plane make_plane(const char* kernel, int divisor) const;
  Status enqueue(Plane& plane, double divisor, const Surface& panorama, const Surface& view,
                 const CameraPose& pose, const gpu::Wait& wait, cl::Event* done) noexcept;
  std::uint64_t panorama_bytes_under(const CameraPose& pose) const noexcept;

  PanoramaGeometry geometry_;
  Nv12Layout panorama_, view_;
  VirtualCameraConfig config_;
  bool per_pixel_;
  double columns_per_radian_, lines_per_radian_;
  cl::Program program_;
  Plane luma_, chroma_;
  cl::CommandQueue queue_;
  std::vector<InFlight> in_flight_;
  Traffic traffic_;
  std::int64_t last_duration_ns_ = 0;
};

}  // namespace gantry
