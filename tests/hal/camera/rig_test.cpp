// Rotations and panorama coordinates against what their definitions say.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/rig.hpp"

#include <cmath>
#include <numbers>
#include <random>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;

void expect_near(const Vector3& a, const Vector3& b) {
  EXPECT_NEAR(a.x, b.x, 1e-12);
  EXPECT_NEAR(a.y, b.y, 1e-12);
  EXPECT_NEAR(a.z, b.z, 1e-12);
}

TEST(Rig, DirectionsPointWhereYawAndPitchSay) {
  expect_near(direction_of(0, 0), {0, 0, 1});
  expect_near(direction_of(90 * kDegree, 0), {1, 0, 0});   // to the right
  expect_near(direction_of(0, 90 * kDegree), {0, -1, 0});  // up is −y
  std::mt19937 random(3);
  std::uniform_real_distribution<double> yaw(-3.1, 3.1), pitch(-1.5, 1.5);
  for (int i = 0; i < 1000; ++i) {
    const double a = yaw(random), b = pitch(random);
    EXPECT_NEAR(yaw_of(direction_of(a, b)), a, 1e-12);
    EXPECT_NEAR(pitch_of(direction_of(a, b)), b, 1e-9);
  }
}

TEST(Rig, RotationsTakeTheAxisToZAndKeepLengths) {
  std::mt19937 random(4);
  std::uniform_real_distribution<double> yaw(-3.1, 3.1), pitch(-1.5, 1.5), any(-1, 1);
  for (int i = 0; i < 1000; ++i) {
    const Mounting m{yaw(random), pitch(random), yaw(random)};
    const Rotation r = camera_from_panorama(m);
    expect_near(apply(r, direction_of(m.yaw, m.pitch)), {0, 0, 1});
    const Vector3 v{any(random), any(random), any(random)};
    expect_near(apply_inverse(r, apply(r, v)), v);
    const double determinant = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
                               r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
                               r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
    EXPECT_NEAR(determinant, 1, 1e-12);
  }
}

// A level camera sees what is to its right on the right; a camera rolled clockwise by 90° has its
// right side down, so that what is below appears on the right.
TEST(Rig, RollTurnsTheCameraClockwise) {
  const Rotation level = camera_from_panorama({0.4, -0.2, 0});
  EXPECT_GT(apply(level, direction_of(0.5, -0.2)).x, 0.05);
  EXPECT_GT(apply(level, direction_of(0.4, -0.3)).y, 0.05);
  const Rotation rolled = camera_from_panorama({0.4, -0.2, 90 * kDegree});
  EXPECT_GT(apply(rolled, direction_of(0.4, -0.3)).x, 0.05);
  EXPECT_LT(apply(rolled, direction_of(0.5, -0.2)).y, -0.05);
}

// 88.8° of yaw between two axes that look 15° down are 85° on the sphere.
TEST(Rig, ParityAxesAre85DegreesApart) {
  const Vector3 a = direction_of(-44.4 * kDegree, -15 * kDegree);
  const Vector3 b = direction_of(44.4 * kDegree, -15 * kDegree);
  EXPECT_NEAR(std::acos(a.x * b.x + a.y * b.y + a.z * b.z) / kDegree, 85, 0.05);
}

TEST(Rig, PanoramaEdgesLieOnTheExtents) {
  const PanoramaGeometry p{5700, 1900, -90 * kDegree, 90 * kDegree, 11 * kDegree, -37 * kDegree};
  EXPECT_NEAR(p.yaw_of(-0.5), -90 * kDegree, 1e-12);
  EXPECT_NEAR(p.yaw_of(5699.5), 90 * kDegree, 1e-12);
  EXPECT_NEAR(p.pitch_of(-0.5), 11 * kDegree, 1e-12);
  EXPECT_NEAR(p.pitch_of(1899.5), -37 * kDegree, 1e-12);
  for (double x = -3; x < 5703; x += 17.3) EXPECT_NEAR(p.x_of(p.yaw_of(x)), x, 1e-9);
  for (double y = -3; y < 1903; y += 17.3) EXPECT_NEAR(p.y_of(p.pitch_of(y)), y, 1e-9);
}

}  // namespace
}  // namespace gantry
