// A rig: the cameras on the mast, how they look, and the panorama that they make together.
//
// Panorama frame (levelled by gravity): x right, y down, z towards yaw 0. Yaw grows to the right,
// pitch upwards, radians. The panorama is equirectangular: columns are yaw, rows are pitch, and the
// picture's edges (not the pixel centres) lie on the extents.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <string>
#include <vector>

#include "hal/camera/lens.hpp"

namespace gantry {

enum class ColourMatrix { bt601, bt709 };
enum class ColourRange { limited, full };

struct Mounting {
  double yaw = 0, pitch = 0, roll = 0;  // of the optical axis; roll clockwise as seen by the camera
};

struct RigCamera {
  std::string name;
  Lens lens;
  Mounting mounting;
  double gain_limit_low = 0.5, gain_limit_high = 2.0;  // for the colour match
};

struct PanoramaGeometry {
  int width = 0, height = 0;  // pixels, even
  double yaw_left = 0, yaw_right = 0, pitch_top = 0, pitch_bottom = 0;

  double yaw_of(double x) const { return yaw_left + (x + 0.5) * (yaw_right - yaw_left) / width; }
  double pitch_of(double y) const {
    return pitch_top + (y + 0.5) * (pitch_bottom - pitch_top) / height;
  }
  double x_of(double yaw) const { return (yaw - yaw_left) * width / (yaw_right - yaw_left) - 0.5; }
  double y_of(double pitch) const {
    return (pitch - pitch_top) * height / (pitch_bottom - pitch_top) - 0.5;
  }
};

struct Rig {
  static constexpr std::size_t kMostCameras = 4;
  std::vector<RigCamera> cameras;  // one to four, any order
  PanoramaGeometry panorama;
  ColourMatrix matrix = ColourMatrix::bt709;
  ColourRange range = ColourRange::limited;
  double feather = 0;  // radians over which neighbours are blended
};

// Rows of the rotation from the panorama frame to a camera's frame.
struct Rotation {
  std::array<std::array<double, 3>, 3> rows{};
  const std::array<double, 3>& operator[](std::size_t i) const { return rows[i]; }
};
Rotation camera_from_panorama(const Mounting& mounting);
Vector3 apply(const Rotation& rotation, const Vector3& v);
Vector3 apply_inverse(const Rotation& rotation, const Vector3& v);
Vector3 direction_of(double yaw, double pitch);
double yaw_of(const Vector3& direction);
double pitch_of(const Vector3& direction);

}  // namespace gantry
