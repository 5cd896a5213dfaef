// Lens models against an independent model in long double, OpenCV's values and their own inverses.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/lens.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace gantry {
namespace {

using Real = long double;
constexpr double kDegree = std::numbers::pi / 180;

// The same formulas by another road: by angles, in long double.
struct PlainModel {
  const Lens& lens;

  Real radius(Real angle) const {
    const auto& k = lens.distortion;
    const bool fisheye = lens.model == Lens::Model::fisheye;
    const Real r = fisheye ? angle : std::tan(angle);
    const Real r2 = r * r, r4 = r2 * r2, r6 = r4 * r2, r8 = r4 * r4;
    if (fisheye) return r + r * k[0] * r2 + r * k[1] * r4 + r * k[2] * r6 + r * k[3] * r8;
    return r * (1 + k[0] * r2 + k[1] * r4 + k[4] * r6) / (1 + k[5] * r2 + k[6] * r4 + k[7] * r6);
  }
  Pixel pixel(Real angle, Real around) const {
    Real x = radius(angle) * std::cos(around), y = radius(angle) * std::sin(around);
    if (lens.model == Lens::Model::pinhole) {
      const Real p1 = lens.distortion[2], p2 = lens.distortion[3], r = std::tan(angle);
      const Real a = r * std::cos(around), b = r * std::sin(around);
      x += 2 * p1 * a * b + p2 * (r * r + 2 * a * a);
      y += p1 * (r * r + 2 * b * b) + 2 * p2 * a * b;
    }
    return {static_cast<double>(lens.fx * x + lens.cx), static_cast<double>(lens.fy * y + lens.cy)};
  }
  // First angle at which the radius falls, by steps of `step`.
  double fold(double step, double end) const {
    Real before = 0;
    for (double a = step; a < end; a += step) {
      const Real here = radius(a);
      if (!(here > before)) return a - step;
      before = here;
    }
    return end;
  }
};

Vector3 direction(double angle, double around) {
  return {std::sin(angle) * std::cos(around), std::sin(angle) * std::sin(around), std::cos(angle)};
}

double angle_between(const Vector3& a, const Vector3& b) {
  const double x = a.y * b.z - a.z * b.y, y = a.z * b.x - a.x * b.z, z = a.x * b.y - a.y * b.x;
  return std::atan2(std::hypot(x, y, z), a.x * b.x + a.y * b.y + a.z * b.z);
}

Lens lens(Lens::Model model, std::array<double, 8> distortion) {
  return {model, 3840, 2160, 2229.62, 2229.52, 1971.27, 1042.00, distortion};
}

// Every model: none, radial, full Brown–Conrady, rational, and fisheyes narrow and very wide.
std::vector<Lens> lenses() {
  using enum Lens::Model;
  return {lens(pinhole, {}),
          lens(pinhole, {-0.28, 0.07}),
          lens(pinhole, {-0.32715, 0.13131, -0.00024, -0.00066, -0.02726}),
          lens(pinhole, {0.12, 0.05, 0.0004, 0.0008, 0.01}),
          lens(pinhole, {0.31, -0.12, 0.0012, -0.0007, 0.03, 0.62, -0.05, 0.011}),
          lens(pinhole, {7.1, 4.2, 0.0002, -0.0001, 0.15, 7.4, 5.9, 0.9}),
          lens(fisheye, {}),
          lens(fisheye, {-0.0084, -0.01387}),
          lens(fisheye, {-0.0084, -0.01387, 0.003, -0.0007}),
          lens(fisheye, {0.05, -0.02, 0.01, -0.004})};
}

TEST(Lens, AgreesWithThePlainModelAndItsInverse) {
  std::mt19937 random(1);
  for (const Lens& l : lenses()) {
    const LensProjection projection(l);
    const PlainModel plain{l};
    // Up to where the pixels are still near a picture; a bare pinhole goes on to infinity.
    const double widest = std::min(0.97 * projection.largest_angle(),
                                   l.model == Lens::Model::pinhole ? 70 * kDegree : 179 * kDegree);
    std::uniform_real_distribution<double> any_angle(0, widest), any_around(-3.14159, 3.14159);
    for (int i = 0; i < 5000; ++i) {
      const double angle = any_angle(random), around = any_around(random);
      Vector3 d = direction(angle, around);
      const auto pixel = projection.project({3 * d.x, 3 * d.y, 3 * d.z});
      ASSERT_TRUE(pixel) << angle;
      const Pixel expected = plain.pixel(angle, around);
      ASSERT_NEAR(pixel->x, expected.x, 1e-8);
      ASSERT_NEAR(pixel->y, expected.y, 1e-8);
      const auto back = projection.unproject(*pixel);
      ASSERT_TRUE(back) << "angle " << angle << ", around " << around << ", k1 " << l.distortion[0];
      ASSERT_NEAR(std::hypot(back->x, back->y, back->z), 1, 1e-12);
      ASSERT_LT(angle_between(d, *back), 1e-10) << angle;
    }
  }
}

TEST(Lens, LargestAngleIsWhereTheNumericSlopeTurns) {
  std::mt19937 random(2);
  std::uniform_real_distribution<double> spread(-1, 1);
  int folded = 0;
  for (int i = 0; i < 150; ++i) {
    Lens l = lens(i % 2 ? Lens::Model::fisheye : Lens::Model::pinhole, {});
    for (int k = 0; k < (i % 2 ? 4 : 8); ++k)
      l.distortion[k] = (k == 2 || k == 3) && i % 2 == 0 ? 0 : 0.4 * spread(random);
    const double end = i % 2 ? std::numbers::pi : 89.9 * kDegree;
    const double fold = PlainModel{l}.fold(2e-4, end);
    EXPECT_NEAR(l.largest_angle(), fold, 6e-4) << "lens " << i;
    folded += fold < end;
  }
  EXPECT_GT(folded, 50);  // the test has seen folds
  EXPECT_LT(folded, 150);
}

// Computed from the calibration's published coefficients: 55.9° and 55.2°.
TEST(Lens, CalibratedFiveCoefficientLensesFoldWhereTheyAreKnownTo) {
  using enum Lens::Model;
  EXPECT_NEAR(lens(pinhole, {-0.32715, 0.13131, -0.00024, -0.00066, -0.02726}).largest_angle(),
              55.9 * kDegree, 0.1 * kDegree);
  EXPECT_NEAR(lens(pinhole, {-0.33029, 0.13858, 0.00029, -0.00040, -0.03094}).largest_angle(),
              55.2 * kDegree, 0.1 * kDegree);
  EXPECT_DOUBLE_EQ(lens(fisheye, {}).largest_angle(), std::numbers::pi);
  EXPECT_NEAR(lens(pinhole, {}).largest_angle(), 89.9 * kDegree, 1e-12);
}

// cv::projectPoints and cv::fisheye::projectPoints of OpenCV 4.6 on the same numbers.
TEST(Lens, AgreesWithOpenCv) {
  using enum Lens::Model;
  const std::vector<Vector3> points{
      {0.1, -0.2, 1}, {0.7, 0.3, 1}, {-0.9, 0.5, 1.1}, {1.0, -0.6, 0.9}, {0, 0, 2}};
  const struct {
    Lens lens;
    std::vector<Pixel> pixels;
  } cases[] = {{lens(pinhole, {-0.32715, 0.13131, -0.00024, -0.00066, -0.02726}),
                {{2190.5757281005, 603.2343132663},
                 {3293.9796942121, 1608.9055779687},
                 {516.5903692449, 1848.9342032707},
                 {3679.9312913668, 14.4684089040},
                 {1971.27, 1042}}},
               {lens(pinhole, {0.31, -0.12, 0.0012, -0.0007, 0.03, 0.62, -0.05, 0.011}),
                {{2190.6259898362, 603.2854016634},
                 {3299.0176028084, 1612.9488477184},
                 {518.6007145630, 1850.5865037334},
                 {3641.3404183091, 42.9225367548},
                 {1971.27, 1042}}},
               {lens(fisheye, {-0.0084, -0.01387, 0.003, -0.0007}),
                {{2190.5273925172, 603.5048826571},
                 {3297.3330605417, 1610.2872510125},
                 {517.7360511688, 1849.4826426821},
                 {3691.1592072436, 10.1127585866},
                 {1971.27, 1042}}}};
  for (const auto& c : cases)
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto pixel = c.lens.project(points[i]);
      ASSERT_TRUE(pixel);
      EXPECT_NEAR(pixel->x, c.pixels[i].x, 1e-8);
      EXPECT_NEAR(pixel->y, c.pixels[i].y, 1e-8);
    }
}

TEST(Lens, SeesNothingBehindItOrBeyondItsFold) {
  for (const Lens& l : lenses()) {
    const LensProjection projection(l);
    const double limit = projection.largest_angle();
    EXPECT_TRUE(projection.project(direction(limit - 1e-6, 1)));
    if (limit < 3.1) {
      EXPECT_FALSE(projection.project(direction(limit + 1e-6, 1)));
    }
    if (l.model == Lens::Model::pinhole) {
      EXPECT_FALSE(projection.project({0.1, 0.1, -1}));
      EXPECT_FALSE(projection.project({1, 0, 0}));
    }
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_FALSE(projection.project({nan, 0, 1}));
    EXPECT_FALSE(projection.project({0, 0, nan}));
    EXPECT_FALSE(projection.unproject({nan, 0}));
    EXPECT_FALSE(projection.unproject({0, std::numeric_limits<double>::infinity()}));
  }
}

TEST(Lens, NoDirectionForPixelsThatNoneProjectsTo) {
  const Lens l = lens(Lens::Model::pinhole, {-0.32715, 0.13131, 0, 0, -0.02726});
  const LensProjection projection(l);
  const double edge = l.fx * static_cast<double>(PlainModel{l}.radius(projection.largest_angle()));
  EXPECT_TRUE(projection.unproject({l.cx + edge - 0.01, l.cy}));
  EXPECT_FALSE(projection.unproject({l.cx + edge + 0.01, l.cy}));
  EXPECT_FALSE(projection.unproject({l.cx + 1e6, l.cy - 1e6}));
}

// Corners of the picture are half a pixel outside of the outermost centres, at any size.
TEST(Lens, ScalingKeepsTheEdgesOfThePicture) {
  for (const Lens& l : lenses()) {
    const Lens half = l.scaled_to(1280, 1440);
    EXPECT_EQ(half.width, 1280);
    EXPECT_EQ(half.height, 1440);
    for (const Vector3& d : {Vector3{0.2, 0.3, 1}, {-0.7, 0.1, 1}, {0, 0, 1}}) {
      const auto big = l.project(d), small = half.project(d);
      ASSERT_TRUE(big && small);
      EXPECT_NEAR((small->x + 0.5) / 1280, (big->x + 0.5) / 3840, 1e-12);
      EXPECT_NEAR((small->y + 0.5) / 1440, (big->y + 0.5) / 2160, 1e-12);
    }
  }
}

}  // namespace
}  // namespace gantry
