// Rotations and directions of the rig's geometry.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/rig.hpp"

#include <cmath>

namespace gantry {
namespace {

Rotation product(const Rotation& a, const Rotation& b) {
  Rotation r{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) r.rows[i][j] += a[i][k] * b[k][j];
  return r;
}

}  // namespace

// Yaw about the vertical first, then pitch, then roll: each brings the axis closer to (0, 0, 1).
Rotation camera_from_panorama(const Mounting& m) {
  const double cy = std::cos(m.yaw), sy = std::sin(m.yaw);
  const double cp = std::cos(m.pitch), sp = std::sin(m.pitch);
  const double cr = std::cos(m.roll), sr = std::sin(m.roll);
  const Rotation yaw{{{{cy, 0, -sy}, {0, 1, 0}, {sy, 0, cy}}}};
  const Rotation pitch{{{{1, 0, 0}, {0, cp, sp}, {0, -sp, cp}}}};
  const Rotation roll{{{{cr, sr, 0}, {-sr, cr, 0}, {0, 0, 1}}}};
  return product(roll, product(pitch, yaw));
}

Vector3 apply(const Rotation& r, const Vector3& v) {
  return {r[0][0] * v.x + r[0][1] * v.y + r[0][2] * v.z,
          r[1][0] * v.x + r[1][1] * v.y + r[1][2] * v.z,
          r[2][0] * v.x + r[2][1] * v.y + r[2][2] * v.z};
}

Vector3 apply_inverse(const Rotation& r, const Vector3& v) {
  return {r[0][0] * v.x + r[1][0] * v.y + r[2][0] * v.z,
          r[0][1] * v.x + r[1][1] * v.y + r[2][1] * v.z,
          r[0][2] * v.x + r[1][2] * v.y + r[2][2] * v.z};
}

Vector3 direction_of(double yaw, double pitch) {
  return {std::sin(yaw) * std::cos(pitch), -std::sin(pitch), std::cos(yaw) * std::cos(pitch)};
}

double yaw_of(const Vector3& d) {
  return std::atan2(d.x, d.z);
}
double pitch_of(const Vector3& d) {
  return std::atan2(-d.y, std::hypot(d.x, d.z));
}

}  // namespace gantry
