// The no-black limits, against every border pixel of random views.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/view_limits.hpp"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr double kDegree = 3.14159265358979323846 / 180;
const PanoramaGeometry kReference{1140,         380,          -90 * kDegree,
                                  90 * kDegree, 27 * kDegree, -27 * kDegree};

// Calls `visit(yaw, pitch)` for the outer border of a view, by the rig's own geometry.
template <typename Visit>
void along_border(const CameraPose& pose, int width, int height, Visit&& visit) {
  const double f = width / 2.0 / std::tan(pose.field_of_view / 2);
  const auto ray = [&](double x, double y) {
    const Vector3 d = apply_inverse(camera_from_panorama({0, pose.pitch, 0}),
                                    {x - width / 2.0, y - height / 2.0, f});
    visit(pose.yaw + yaw_of(d), pitch_of(d));
  };
  for (int x = 0; x <= width; ++x) ray(x, 0), ray(x, height);
  for (int y = 0; y <= height; ++y) ray(0, y), ray(width, y);
}

// How far the view sticks out of the extents, radians; negative inside.
double beyond(const PanoramaGeometry& g, const CameraPose& pose, int width, int height) {
  double most = -10;
  along_border(pose, width, height, [&](double yaw, double pitch) {
    most = std::max(
        {most, g.yaw_left - yaw, yaw - g.yaw_right, pitch - g.pitch_top, g.pitch_bottom - pitch});
  });
  return most;
}

CameraPose random_pose(std::mt19937& random, double scale = 1) {
  std::uniform_real_distribution<double> u(-1, 1);
  return {2.2 * scale * u(random), 0.9 * scale * u(random), (60 + 50 * u(random)) * kDegree};
}

TEST(ViewLimits, NoBorderPixelOfAClampedPoseIsOutside) {
  std::mt19937 random(7);
  for (const auto& [width, height] :
       {std::pair{192, 108}, std::pair{108, 192}, std::pair{120, 120}}) {
    const ViewLimits limits(kReference, width, height);
    for (int i = 0; i < 1500; ++i) {
      const CameraPose wanted = random_pose(random), pose = limits.clamp(wanted);
      ASSERT_LE(beyond(kReference, pose, width, height), 1e-9)
          << wanted.yaw << " " << wanted.pitch << " " << wanted.field_of_view;
      ASSERT_TRUE(limits.fits(pose));
      const CameraPose again = limits.clamp(pose);
      ASSERT_EQ(again.yaw, pose.yaw);
      ASSERT_EQ(again.pitch, pose.pitch);
    }
  }
}

// fits() says yes exactly where the border is inside: nothing is frozen without need.
TEST(ViewLimits, AreExact) {
  std::mt19937 random(8);
  const ViewLimits limits(kReference, 192, 108);
  int inside = 0;
  for (int i = 0; i < 3000; ++i) {
    const CameraPose pose = random_pose(random, 0.5);
    const double out = beyond(kReference, pose, 192, 108);
    if (std::abs(out) < 1e-6) continue;
    ASSERT_EQ(limits.fits(pose), out < 0)
        << pose.yaw << " " << pose.pitch << " " << pose.field_of_view;
    inside += out < 0;
  }
  EXPECT_GT(inside, 500);
}

// Figures of section 13.4 of the reference's description: what its renderer could have allowed.
TEST(ViewLimits, MatchTheKnownFiguresOfTheReferenceRig) {
  const ViewLimits limits(kReference, 1920, 1080);
  for (const auto& [fov, pitch, yaw] :
       {std::tuple{55.0, 10.5, 62.5}, std::tuple{68.0, 6.0, 56.0}}) {
    EXPECT_NEAR(limits.clamp({0, 1, fov * kDegree}).pitch / kDegree, pitch, 0.3);
    EXPECT_NEAR(limits.clamp({0, -1, fov * kDegree}).pitch / kDegree, -pitch, 0.3);
    EXPECT_NEAR(limits.clamp({2, 0, fov * kDegree}).yaw / kDegree, yaw, 0.3);
    EXPECT_NEAR(limits.clamp({-2, 0, fov * kDegree}).yaw / kDegree, -yaw, 0.3);
  }
  // tan(27°)·16/9: the height is what limits the widest view.
  EXPECT_NEAR(limits.home().field_of_view, 2 * std::atan(std::tan(27 * kDegree) * 16 / 9), 1e-6);
  EXPECT_NEAR(limits.home().yaw, 0, 1e-12);
  EXPECT_NEAR(limits.home().pitch, 0, 1e-12);
}

TEST(ViewLimits, TheWidestViewOfADirectionTouchesTheBorder) {
  const ViewLimits limits(kReference, 192, 108);
  for (const auto& [yaw, pitch] :
       {std::pair{0.0, 0.1}, std::pair{1.0, -0.05}, std::pair{-1.2, 0.2}}) {
    const double widest = limits.widest_at(yaw, pitch);
    EXPECT_NEAR(beyond(kReference, {yaw, pitch, widest}, 192, 108), 0, 1e-6) << yaw;
  }
}

TEST(ViewLimits, ClampIsContinuous) {
  std::mt19937 random(9);
  const ViewLimits limits(kReference, 192, 108);
  std::uniform_real_distribution<double> small(-1e-4, 1e-4);
  for (int i = 0; i < 2000; ++i) {
    const CameraPose a = random_pose(random);
    const CameraPose b{a.yaw + small(random), a.pitch + small(random),
                       a.field_of_view + small(random)};
    const CameraPose p = limits.clamp(a), q = limits.clamp(b);
    ASSERT_LT(std::abs(p.yaw - q.yaw) + std::abs(p.pitch - q.pitch) +
                  std::abs(p.field_of_view - q.field_of_view),
              2e-3);
  }
}

// Two cameras that look down: their upper edges sag between them.
TEST(ViewLimits, HoldForACoverageThatIsNoRectangle) {
  std::vector<int> top, bottom;
  const PanoramaGeometry& g = kReference;
  for (int x = 0; x < g.width; ++x) {
    const double yaw = g.yaw_of(x) / kDegree, off = std::abs(std::abs(yaw) - 42);
    top.push_back(static_cast<int>(8 + off * off * 0.05));
    bottom.push_back(g.height - static_cast<int>(off * off * 0.03));
  }
  const ViewLimits limits(g, 192, 108, top, bottom);
  std::mt19937 random(10);
  int moved = 0;
  for (int i = 0; i < 1500; ++i) {
    const CameraPose pose = limits.clamp(random_pose(random, 0.6));
    ASSERT_TRUE(limits.fits(pose));
    moved += std::abs(pose.yaw) > 0.3;
    along_border(pose, 192, 108, [&](double yaw, double pitch) {
      const auto x =
          static_cast<std::size_t>(std::clamp<long>(std::lround(g.x_of(yaw)), 0, g.width - 1));
      const double y = g.y_of(pitch);
      ASSERT_GE(y, top[x] - 0.5) << pose.yaw << " " << pose.pitch;
      ASSERT_LE(y, bottom[x] - 0.5) << pose.yaw << " " << pose.pitch;
    });
  }
  EXPECT_GT(moved, 300) << "the coverage leaves room to turn";
  EXPECT_LT(limits.home().field_of_view, ViewLimits(g, 192, 108).home().field_of_view);
}

TEST(ViewLimits, BadNumbersBecomeTheHomePose) {
  const ViewLimits limits(kReference, 192, 108);
  const CameraPose pose = limits.clamp({NAN, INFINITY, NAN});
  EXPECT_EQ(pose.yaw, limits.home().yaw);
  EXPECT_EQ(pose.pitch, limits.home().pitch);
  EXPECT_TRUE(limits.fits(pose));
}

TEST(ViewLimits, APanoramaThatIsTooSmallIsRefused) {
  const PanoramaGeometry strip{1000, 100, -kDegree * 45, kDegree * 45, kDegree * 5, -kDegree * 5};
  EXPECT_THROW(ViewLimits(strip, 1920, 1080), std::invalid_argument);
  EXPECT_THROW(ViewLimits(kReference, 192, 108, {1, 2}, {3, 4}), std::invalid_argument);
}

}  // namespace
}  // namespace gantry
