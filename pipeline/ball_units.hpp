// Time and distance as the parts of the ball's tracker count them.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>

namespace gantry {

inline constexpr double kDegree = 3.14159265358979323846 / 180;
inline constexpr double kSameBall = 2 * kDegree;  // nearer candidates speak of the same ball

inline double seconds_of(std::int64_t ns) {
  return 1e-9 * static_cast<double>(ns);
}

// Between directions that are near each other; radians.
inline double distance_between(double yaw, double pitch, double cosine_of_pitch, double other_yaw,
                               double other_pitch) {
  const double across = (other_yaw - yaw) * cosine_of_pitch, up = other_pitch - pitch;
  return std::sqrt(across * across + up * up);
}
inline double distance_between(double yaw, double pitch, double other_yaw, double other_pitch) {
  return distance_between(yaw, pitch, std::cos(pitch), other_yaw, other_pitch);
}

}  // namespace gantry
