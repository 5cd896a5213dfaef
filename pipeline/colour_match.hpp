// Makes neighbouring cameras agree in brightness and white balance, from what both see.
//
// Model: a camera's picture becomes its neighbour's by one gain each for red, green and blue
// (exposure and white balance are gains in linear light, and stay gains under a power-law
// transfer). For each pair of neighbours the ratio of their means over the overlap is measured on
// uncorrected pictures, so there is no loop to swing; the gains that fit all ratios best, in the
// logarithm, and change the cameras the least are smoothed exponentially. Luma has a gain of its
// own, the one by which the red, green and blue gains change the overlap's mean luma: above 1 for
// the darker camera.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "hal/camera/rig.hpp"

namespace gantry {

// What the two cameras of a pair showed at `count` points of their overlap: sums of stored bytes.
struct OverlapSums {
  std::int64_t count = 0;
  std::array<std::int64_t, 3> first{}, second{};  // Y, Cb, Cr
};

struct CameraPair {
  std::size_t first = 0, second = 0;
};

struct ColourFormat {
  ColourMatrix matrix = ColourMatrix::bt709;
  ColourRange range = ColourRange::limited;
};

struct GainLimits {
  double low = 0.5, high = 2.0;
};

struct ColourGains {
  double red = 1, green = 1, blue = 1;
  double luma = 1;
};

// The gains as the stitch kernel takes them: luma gain (1/2^14), luma offset (1/32 code value), the
// 2×2 matrix of Cb and Cr by rows and then what the panorama's luma adds to each (1/2^13).
using KernelColour = std::array<std::int32_t, 8>;

// ITU-R BT.601-7 and BT.709-6; in full range (JFIF) black is 0 and chroma spans as much as luma.
KernelColour kernel_colour(const ColourGains& gains, const ColourFormat& format);

// One thread at a time; no allocation after construction.
class ColourMatch {
 public:
  // `pairs`: the neighbours that overlap.
  ColourMatch(const ColourFormat& format, const std::array<GainLimits, Rig::kMostCameras>& limits,
              std::span<const CameraPair> pairs);

  // One measurement, a sum for each pair in order; those with a count below `fewest_points` are
  // left out. False if none is left or a mean makes no sense: after the third failure in a row the
  // match switches itself off for good, keeps its gains, and says so in the log once.
  bool add(std::span<const OverlapSums> sums) noexcept;

  const ColourGains& gains(std::size_t camera) const { return gains_[camera]; }
  bool off() const { return failures_ >= kMostFailures; }

  static constexpr double kSmoothing = 0.15;
  static constexpr int kMostFailures = 3;
  static constexpr std::int64_t kFewestPoints = 64;

 private:
  bool measure(std::span<const OverlapSums> sums,
               std::array<ColourGains, Rig::kMostCameras>& out) const noexcept;

  std::vector<CameraPair> pairs_;
  ColourFormat format_;
  std::array<GainLimits, Rig::kMostCameras> limits_;
  std::array<ColourGains, Rig::kMostCameras> gains_{};
  int failures_ = 0, measurements_ = 0;
};

}  // namespace gantry
