// The field mask: what it lets through, and what it refuses with a reason.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/field_mask.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;
// 10 pixels to the degree.
constexpr PanoramaGeometry kPanorama{1800,         600,          -90 * kDegree,
                                     90 * kDegree, 30 * kDegree, -30 * kDegree};

std::vector<MaskPoint> degrees(std::initializer_list<std::pair<double, double>> points) {
  std::vector<MaskPoint> polygon;
  for (const auto& [yaw, pitch] : points) polygon.push_back({yaw * kDegree, pitch * kDegree});
  return polygon;
}

std::string refusal(const std::vector<MaskPoint>& polygon) {
  try {
    FieldMask mask(polygon, kPanorama);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "accepted";
}

TEST(FieldMask, LiesWhereItsAnglesAre) {
  const FieldMask mask(degrees({{-45, 10}, {45, 10}, {45, -20}, {-45, -20}}), kPanorama);
  const PixelRect r = mask.bounds(kPanorama);
  EXPECT_NEAR(r.left, 450, 1e-6);
  EXPECT_NEAR(r.right, 1350, 1e-6);
  EXPECT_NEAR(r.top, 200, 1e-6);
  EXPECT_NEAR(r.bottom, 500, 1e-6);
  // The pixel with centre 450 covers 450 … 451 from the left edge.
  EXPECT_TRUE(mask.contains(450, 300));
  EXPECT_FALSE(mask.contains(449, 300));
  EXPECT_TRUE(mask.contains(900, 499));
  EXPECT_FALSE(mask.contains(900, 500));
}

TEST(FieldMask, AConcaveMaskAgreesWithATrapezoidAndATriangleByHand) {
  // A square whose top is dented down to the middle.
  const FieldMask mask(degrees({{-30, 20}, {0, -10}, {30, 20}, {30, -20}, {-30, -20}}), kPanorama);
  std::mt19937 random(1);
  std::uniform_real_distribution<double> yaw(-40, 40), pitch(-29, 29);
  for (int i = 0; i < 10'000; ++i) {
    const double a = yaw(random), p = pitch(random);
    const bool want = std::abs(a) < 30 && p > -20 && p < -10 + std::abs(a);
    if (std::abs(p - (-10 + std::abs(a))) < 1e-3) continue;
    ASSERT_EQ(mask.contains(kPanorama.x_of(a * kDegree), kPanorama.y_of(p * kDegree)), want)
        << a << ", " << p;
  }
}

TEST(FieldMask, WithoutPointsEverythingCounts) {
  const FieldMask mask;
  EXPECT_TRUE(mask.contains(-5, 1e6));
  EXPECT_TRUE(mask.touches({0, 0, 1, 1}));
  EXPECT_EQ(mask.bounds(kPanorama).right, 1800);
}

TEST(FieldMask, TouchesRectanglesThatItOverlapsInAnyWay) {
  const FieldMask mask(degrees({{-45, 10}, {45, 10}, {45, -20}, {-45, -20}}), kPanorama);
  EXPECT_TRUE(mask.touches({0, 0, 1800, 600})) << "the mask inside of the rectangle";
  EXPECT_TRUE(mask.touches({800, 300, 820, 310})) << "the rectangle inside of the mask";
  EXPECT_TRUE(mask.touches({600, 0, 700, 600})) << "crossing without a corner in the other";
  EXPECT_FALSE(mask.touches({0, 0, 440, 600}));
  EXPECT_FALSE(mask.touches({0, 510, 1800, 600}));
}

TEST(FieldMask, NamesWhatIsWrong) {
  EXPECT_EQ(refusal(degrees({{0, 0}, {10, 0}})).rfind("field mask: 2 points", 0), 0u);
  EXPECT_NE(refusal({}).find("0 points"), std::string::npos);
  auto polygon = degrees({{0, 0}, {10, 0}, {10, -10}});
  polygon[1].yaw = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(refusal(polygon).find("point 2 is [nan, 0]"), std::string::npos) << refusal(polygon);
  EXPECT_NE(refusal(degrees({{0, 0}, {10, 0}, {10, -91}})).find("point 3"), std::string::npos);
  EXPECT_NE(refusal(degrees({{0, 0}, {1e9, 0}, {10, -9}})).find("point 2"), std::string::npos);
  const auto bow = refusal(degrees({{0, 0}, {10, -10}, {10, 0}, {0, -10}}));
  EXPECT_NE(bow.find("edge from point 1 to 2 crosses or touches the one from 3 to 4"),
            std::string::npos)
      << bow;
  EXPECT_NE(
      refusal(degrees({{0, 0}, {10, 0}, {10, 0}, {5, -10}})).find("points 2 and 3 are the same"),
      std::string::npos);
  EXPECT_NE(refusal(degrees({{0, 0}, {10, 0}, {5, 0}, {5, -10}})).find("lie on each other"),
            std::string::npos);
  EXPECT_NE(refusal(degrees({{0, 0}, {10, 0}, {20, 0}})).find("area is 0"), std::string::npos);
  EXPECT_NE(refusal(degrees({{100, 0}, {120, 0}, {110, -10}})).find("no part of it"),
            std::string::npos);
}

}  // namespace
}  // namespace gantry
