// Gains from overlap statistics: a small least-squares problem in the logarithm, and its smoothing.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/colour_match.hpp"

#include <algorithm>
#include <cmath>

#include "hal/log/log.hpp"

namespace gantry {
namespace {

constexpr std::size_t kMost = Rig::kMostCameras;

// R = Y + red·Cr, B = Y + blue·Cb in the units of Y; Y = weight · (R, G, B).
struct Transform {
  double weight[3];
  double red, blue;
  double black;
};

Transform transform_of(const ColourFormat& format) {
  const bool limited = format.range == ColourRange::limited;
  const double kr = format.matrix == ColourMatrix::bt709 ? 0.2126 : 0.299;
  const double kb = format.matrix == ColourMatrix::bt709 ? 0.0722 : 0.114;
  const double scale = limited ? 219.0 / 224.0 : 1.0;
  return {{kr, 1 - kr - kb, kb}, 2 * (1 - kr) * scale, 2 * (1 - kb) * scale, limited ? 16.0 : 0.0};
}

using Colour = std::array<double, 3>;  // red, green, blue, black at 0

Colour mean_colour(const Transform& t, const std::array<std::int64_t, 3>& sum, std::int64_t count) {
  const double n = static_cast<double>(count);
  const double y = static_cast<double>(sum[0]) / n - t.black;
  const double cb = static_cast<double>(sum[1]) / n - 128,
               cr = static_cast<double>(sum[2]) / n - 128;
  const double r = y + t.red * cr, b = y + t.blue * cb;
  return {r, (y - t.weight[0] * r - t.weight[2] * b) / t.weight[1], b};
}

// Solves m·x = v for symmetric positive definite m, by elimination.
std::array<double, kMost> solve(double (&m)[kMost][kMost], std::array<double, kMost> v) {
  constexpr std::size_t n = kMost;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = i + 1; k < n; ++k) {
      const double f = m[k][i] / m[i][i];
      for (std::size_t j = i; j < n; ++j) m[k][j] -= f * m[i][j];
      v[k] -= f * v[i];
    }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = i + 1; j < n; ++j) v[i] -= m[i][j] * v[j];
    v[i] /= m[i][i];
  }
  return v;
}

// Kernels multiply 16 bits.
std::int32_t fixed(double v, double scale) {
  return static_cast<std::int32_t>(std::lrint(std::clamp(v * scale, -32768.0, 32767.0)));
}

}  // namespace

KernelColour kernel_colour(const ColourGains& g, const ColourFormat& format) {
  const Transform t = transform_of(format);
  const double kr = t.weight[0], kg = t.weight[1], kb = t.weight[2];
  const double grey = kr * g.red + kg * g.green + kb * g.blue;
  // Cr = (R − Y) / red and Cb = (B − Y) / blue after the gains, with R, B and Y written in the
  // uncorrected Y, Cb, Cr; the kernel knows the corrected Y, hence the division by its gain.
  const double red_of_cr = g.red - kr * (g.red - g.green);
  const double blue_of_cb = g.blue - kb * (g.blue - g.green);
  const double red_of_cb = -kb * t.blue * (g.blue - g.green) / t.red;
  const double blue_of_cr = -kr * t.red * (g.red - g.green) / t.blue;
  return {static_cast<std::int32_t>(std::lrint(std::clamp(g.luma, 0.0, 3.99) * 16384)),
          fixed(t.black * (1 - g.luma), 32),
          fixed(blue_of_cb, 8192),
          fixed(blue_of_cr, 8192),
          fixed(red_of_cb, 8192),
          fixed(red_of_cr, 8192),
          fixed((g.blue - grey) / (t.blue * g.luma), 8192),
          fixed((g.red - grey) / (t.red * g.luma), 8192)};
}

ColourMatch::ColourMatch(const ColourFormat& format, const std::array<GainLimits, kMost>& limits,
                         std::span<const CameraPair> pairs)
    : pairs_(pairs.begin(), pairs.end()), format_(format), limits_(limits) {}

bool ColourMatch::measure(std::span<const OverlapSums> sums,
                          std::array<ColourGains, kMost>& out) const noexcept {
  const Transform t = transform_of(format_);
  std::array<Colour, kMost> total{};  // means times their counts, for luma
  std::array<std::array<double, kMost>, 3> ratios{};
  double share[kMost][kMost] = {};
  bool any = false;
  for (std::size_t p = 0; p < pairs_.size(); ++p) {
    if (sums[p].count < kFewestPoints) continue;
    const auto [a, b] = pairs_[p];
    const double n = static_cast<double>(sums[p].count);
    const Colour first = mean_colour(t, sums[p].first, sums[p].count);
    const Colour second = mean_colour(t, sums[p].second, sums[p].count);
    for (int k = 0; k < 3; ++k) {
      if (!(first[k] > 1 && second[k] > 1)) return false;
      const double r = n * std::log(second[k] / first[k]);
      ratios[k][a] += r;
      ratios[k][b] -= r;
      total[a][k] += n * first[k];
      total[b][k] += n * second[k];
    }
    share[a][a] += n, share[b][b] += n, share[a][b] -= n, share[b][a] -= n;
    any = true;
  }
  if (!any) return false;
  for (int k = 0; k < 3; ++k) {
    double m[kMost][kMost];
    for (std::size_t i = 0; i < kMost; ++i)
      for (std::size_t j = 0; j < kMost; ++j) m[i][j] = share[i][j] + (i == j ? 1e-6 : 0.0);
    const auto logs = solve(m, ratios[k]);
    for (std::size_t c = 0; c < kMost; ++c)
      (k == 0   ? out[c].red
       : k == 1 ? out[c].green
                : out[c].blue) = std::clamp(std::exp(logs[c]), limits_[c].low, limits_[c].high);
  }
  for (std::size_t c = 0; c < kMost; ++c) {
    const Colour& m = total[c];
    const double before = t.weight[0] * m[0] + t.weight[1] * m[1] + t.weight[2] * m[2];
    const double after = t.weight[0] * m[0] * out[c].red + t.weight[1] * m[1] * out[c].green +
                         t.weight[2] * m[2] * out[c].blue;
    out[c].luma = before > 0 ? std::clamp(after / before, limits_[c].low, limits_[c].high) : 1;
  }
  return true;
}

bool ColourMatch::add(std::span<const OverlapSums> sums) noexcept {
  if (off()) return false;
  std::array<ColourGains, kMost> measured{};
  if (!measure(sums, measured)) {
    if (++failures_ == kMostFailures)
      log::warning(
          "colour match: {} measurements in a row were of no use (too dark, too bright or "
          "too few points in the overlap); it is off, the last gains stay",
          failures_);
    return false;
  }
  failures_ = 0;
  // The first measurements count as their mean, so that a start does not crawl from gain 1.
  const double weight = std::max(kSmoothing, 1.0 / ++measurements_);
  for (std::size_t c = 0; c < kMost; ++c)
    for (const auto gain :
         {&ColourGains::red, &ColourGains::green, &ColourGains::blue, &ColourGains::luma})
      gains_[c].*gain += weight * (measured[c].*gain - gains_[c].*gain);
  return true;
}

}  // namespace gantry
