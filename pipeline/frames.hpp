// What the stages hand on: pairs, panoramas, views. All carry the instant of their capture.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "hal/camera/camera.hpp"
#include "hal/camera/rig.hpp"

namespace gantry {

// One picture of each camera, taken within half a frame. A camera that is missing has an empty
// surface: the stitcher then leaves its part as it is told to.
struct FramePair {
  std::array<CameraFrame, Rig::kMostCameras> cameras;
  std::int64_t capture_ns = 0;  // of the first camera present
  std::uint64_t number = 0;
};

struct PanoramaFrame {
  SurfaceRef surface;
  cl::Event ready;
  std::int64_t capture_ns = 0;
  std::uint64_t number = 0;  // without gaps: counts panoramas that exist
};

// Where the virtual camera looks, radians, panorama frame; field of view is horizontal.
struct CameraPose {
  double yaw = 0, pitch = 0, field_of_view = 0;
};

struct ViewFrame {
  SurfaceRef surface;
  cl::Event ready;
  std::int64_t capture_ns = 0;       // of the panorama it was cut from
  std::int64_t presentation_ns = 0;  // when it is due
  std::uint64_t number = 0;
  CameraPose pose;
  bool slate = false;   // nothing to show yet
  SurfaceRef panorama;  // for a display that shows it too; else empty
};

}  // namespace gantry
