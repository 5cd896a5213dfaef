// What a camera of a rig would film if the world were a given panorama.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/camera/rig.hpp"
#include "tests/pipeline/nv12_picture.hpp"

namespace gantry::test {

// Bicubic, in double precision. Beyond the panorama's edges the edge goes on; pixels that the lens
// model gives no direction for are black (limited range).
inline Nv12Picture inverse_warp(const Nv12Picture& world, const PanoramaGeometry& geometry,
                                const RigCamera& camera) {
  const LensProjection lens(camera.lens);
  const Rotation rotation = camera_from_panorama(camera.mounting);
  Nv12Picture out(camera.lens.width, camera.lens.height);
  for (int plane = 0; plane < 2; ++plane) {  // Cr goes along with Cb: they share positions
    for (int j = 0; j < out.rows(plane); ++j)
      for (int i = 0; i < out.columns(plane); ++i) {
        const auto seen = lens.unproject({luma_x(plane, i), luma_y(plane, j)});
        for (int p = plane; p <= 2 * plane; ++p) {
          out.at(p, i, j) = p ? 128 : 16;
          if (!seen) continue;
          const Vector3 direction = apply_inverse(rotation, *seen);
          const double x = geometry.x_of(yaw_of(direction)), y = geometry.y_of(pitch_of(direction));
          out.at(p, i, j) = rounded(bicubic(world, p, plane_x(p, x), plane_y(p, y)));
        }
      }
  }
  return out;
}

}  // namespace gantry::test
