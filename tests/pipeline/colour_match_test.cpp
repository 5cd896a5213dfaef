// The colour match leaves no step at the seam, leaves bad light out, and switches off once.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/colour_match.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/pipeline/side_by_side.hpp"

namespace gantry {
namespace {

using test::Exposure;

// Sums over a set of colours as two cameras with these gains would store them.
OverlapSums sums_of(const ColourFormat& format, const Exposure& first, const Exposure& second) {
  OverlapSums s;
  for (int n = 0; n < 500; ++n) {
    const auto colour = test::scene_colour(n);
    const auto a = test::encode(format, first, colour), b = test::encode(format, second, colour);
    ++s.count;
    for (std::size_t k = 0; k < 3; ++k) s.first[k] += a[k], s.second[k] += b[k];
  }
  return s;
}

// What the stitch kernel makes of a stored colour.
std::array<double, 3> corrected(const KernelColour& k, const std::array<std::uint8_t, 3>& c,
                                double black) {
  const double y = c[0] * (k[0] / 16384.0) + k[1] / 32.0;
  const double cb = c[1] - 128.0, cr = c[2] - 128.0;
  return {y, 128 + (cb * k[2] + cr * k[3] + (y - black) * k[6]) / 8192.0,
          128 + (cb * k[4] + cr * k[5] + (y - black) * k[7]) / 8192.0};
}

struct Difference {
  Exposure first, second;
  double worst_luma;  // of any one colour: what the model leaves out grows with the white balance
};
constexpr Difference kDifferences[] = {
    {{1.1, 1.1, 1.1}, {0.92, 0.92, 0.92}, 1.5},  // about half a stop
    {{1.05, 1, 0.95}, {0.95, 1, 1.06}, 3},       // white balance
    {{1.2, 1.1, 1.0}, {0.8, 0.85, 0.95}, 4.2},   // both
};

TEST(ColourMatch, LeavesNoStepInLumaOrChroma) {
  const std::array<CameraPair, 1> pairs{{{0, 1}}};
  for (const auto matrix : {ColourMatrix::bt709, ColourMatrix::bt601})
    for (const auto range : {ColourRange::limited, ColourRange::full})
      for (const Difference& d : kDifferences) {
        const ColourFormat format{matrix, range};
        const double black = range == ColourRange::limited ? 16 : 0;
        ColourMatch match(format, {}, pairs);
        const std::array sums{sums_of(format, d.first, d.second)};
        for (int n = 0; n < 40; ++n) ASSERT_TRUE(match.add(sums));
        std::array<double, 3> mean{}, worst{};
        for (int n = 0; n < 500; ++n) {
          const auto colour = test::scene_colour(n);
          const auto a = corrected(kernel_colour(match.gains(0), format),
                                   test::encode(format, d.first, colour), black);
          const auto b = corrected(kernel_colour(match.gains(1), format),
                                   test::encode(format, d.second, colour), black);
          for (std::size_t k = 0; k < 3; ++k) {
            mean[k] += (a[k] - b[k]) / 500;
            worst[k] = std::max(worst[k], std::abs(a[k] - b[k]));
          }
        }
        EXPECT_LE(std::abs(mean[0]), 0.25);
        EXPECT_LE(std::abs(mean[1]), 0.25);
        EXPECT_LE(std::abs(mean[2]), 0.25);
        // The part of luma that comes from chroma is left out; see kernels/stitch.cl.
        EXPECT_LE(worst[0], d.worst_luma);
        EXPECT_LE(worst[1], 1.2);
        EXPECT_LE(worst[2], 1.2);
      }
}

TEST(ColourMatch, BrightensTheDarkerCameraInLumaToo) {
  const std::array<CameraPair, 1> pairs{{{0, 1}}};
  ColourMatch match({}, {}, pairs);
  const std::array sums{sums_of({}, {0.8, 0.8, 0.8}, {1, 1, 1})};
  ASSERT_TRUE(match.add(sums));
  const ColourGains dark = match.gains(0), bright = match.gains(1);
  EXPECT_GT(dark.luma, 1.05);
  EXPECT_LT(bright.luma, 0.95);
  EXPECT_NEAR(dark.luma / bright.luma, 1 / 0.8, 0.02);
  EXPECT_NEAR(dark.green / bright.green, 1 / 0.8, 0.02);
  EXPECT_NEAR(dark.luma * bright.luma, 1, 0.02) << "they meet half-way";
}

TEST(ColourMatch, SmoothsExponentiallyAndKeepsToTheLimits) {
  const std::array<CameraPair, 1> pairs{{{0, 1}}};
  ColourMatch match({}, {}, pairs);
  const std::array same{sums_of({}, {0.8, 0.8, 0.8}, {0.8, 0.8, 0.8})};
  for (int n = 0; n < 10; ++n) match.add(same);
  EXPECT_NEAR(match.gains(0).luma, 1, 1e-3);
  const std::array changed{sums_of({}, {0.5, 0.5, 0.5}, {1, 1, 1})};
  match.add(changed);
  const double target = std::sqrt(2.0);
  EXPECT_NEAR(match.gains(0).green, 1 + ColourMatch::kSmoothing * (target - 1), 0.01);
  OverlapSums extreme{1000, {20'000, 128'000, 128'000}, {220'000, 128'000, 128'000}};
  for (int n = 0; n < 100; ++n) match.add({&extreme, 1});
  EXPECT_NEAR(match.gains(0).green, 2, 1e-3);
  EXPECT_NEAR(match.gains(0).luma, 2, 1e-3);
  EXPECT_NEAR(match.gains(1).green, 0.5, 1e-3);
}

TEST(ColourMatch, AgreesAlongAChainOfCameras) {
  const std::array<CameraPair, 3> pairs{{{0, 1}, {1, 2}, {2, 3}}};
  const Exposure exposures[] = {{1.2, 1.2, 1.2}, {1.05, 1, 1}, {0.9, 0.9, 0.95}, {0.8, 0.8, 0.8}};
  ColourMatch match({}, {}, pairs);
  std::array<OverlapSums, 3> sums;
  for (std::size_t p = 0; p < 3; ++p) sums[p] = sums_of({}, exposures[p], exposures[p + 1]);
  ASSERT_TRUE(match.add(sums));
  for (std::size_t c = 1; c < 4; ++c)
    EXPECT_NEAR(match.gains(c).red * exposures[c].red / (match.gains(0).red * exposures[0].red), 1,
                0.02);
}

TEST(ColourMatch, ThreeFailuresInARowSwitchItOffAndKeepTheGains) {
  const std::array<CameraPair, 1> pairs{{{0, 1}}};
  ColourMatch match({}, {}, pairs);
  const std::array good{sums_of({}, {0.9, 0.9, 0.9}, {1, 1, 1})};
  const std::array<OverlapSums, 1> too_few{{{ColourMatch::kFewestPoints - 1, {}, {}}}};
  const std::array<OverlapSums, 1> black{
      {{1000, {16'000, 128'000, 128'000}, {90'000, 128'000, 128'000}}}};
  EXPECT_TRUE(match.add(good));
  const double gain = match.gains(0).luma;
  EXPECT_FALSE(match.add(too_few));
  EXPECT_FALSE(match.add(black));
  EXPECT_TRUE(match.add(good)) << "two failures are forgiven";
  EXPECT_FALSE(match.add(too_few));
  EXPECT_FALSE(match.add(black));
  EXPECT_FALSE(match.off());
  EXPECT_FALSE(match.add(too_few));
  EXPECT_TRUE(match.off());
  EXPECT_FALSE(match.add(good)) << "off is off";
  EXPECT_DOUBLE_EQ(match.gains(0).luma, gain);
}

}  // namespace
}  // namespace gantry
