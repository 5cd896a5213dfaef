// Rigs that tests of geometry, stitching and views share.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <numbers>
#include <random>
#include <string>

#include "hal/camera/rig.hpp"

namespace gantry::test {

inline constexpr double kDegree = std::numbers::pi / 180;

inline Lens parity_lens(int width, int height) {
  const Lens lens{Lens::Model::fisheye, 3840, 2160, 2229.62, 2229.52, 1963.27, 1032.0,
                  {-0.0084, -0.01387}};
  return lens.scaled_to(width, height);
}

// The two-camera rig of 100° lenses, 85° apart and 15° down; the panorama is wholly covered.
inline Rig parity_rig(int panorama_width, int panorama_height, int camera_width,
                      int camera_height) {
  Rig rig;
  for (const double side : {-1.0, 1.0})
    rig.cameras.push_back({side < 0 ? "left" : "right",
                           parity_lens(camera_width, camera_height),
                           {side * 44.4 * kDegree, -15 * kDegree, 0}});
  rig.panorama = {panorama_width, panorama_height, -89 * kDegree,
                  89 * kDegree,   10 * kDegree,    -35 * kDegree};
  rig.feather = 4 * kDegree;
  return rig;
}

// Any sensible rig: `count` cameras side by side that overlap, lens models and mountings at random.
inline Rig random_rig(unsigned seed, std::size_t count) {
  std::mt19937 random(seed);
  const auto any = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  Rig rig;
  for (std::size_t c = 0; c < count; ++c) {
    Lens lens{
        any(0, 1) < 0.5 ? Lens::Model::fisheye : Lens::Model::pinhole, 640, 360, 0, 0, 0, 0, {}};
    const bool fisheye = lens.model == Lens::Model::fisheye;
    lens.fx = lens.fy = any(300, 400);
    lens.cx = 319.5 + any(-15, 15);
    lens.cy = 179.5 + any(-15, 15);
    lens.distortion = {any(-0.05, 0.05), any(-0.02, 0.02), fisheye ? 0 : any(-1e-3, 1e-3),
                       fisheye ? 0 : any(-1e-3, 1e-3)};
    const double yaw = (static_cast<double>(c) - 0.5 * static_cast<double>(count - 1)) * 55;
    rig.cameras.push_back(
        {"camera " + std::to_string(c),
         lens,
         {(yaw + any(-4, 4)) * kDegree, any(-15, -5) * kDegree, any(-5, 5) * kDegree}});
  }
  const double side = 27.5 * static_cast<double>(count - 1) + 30;
  rig.panorama = {static_cast<int>(side) * 16 + 2 * static_cast<int>(any(0, 9)),
                  302,
                  -side * kDegree,
                  side * kDegree,
                  15 * kDegree,
                  -40 * kDegree};
  rig.feather = any(0.5, 12) * kDegree;
  return rig;
}

}  // namespace gantry::test
