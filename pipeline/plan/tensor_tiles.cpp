// The table of tiles, and where a step's arguments say what it is.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/tensor_tiles.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr std::uint64_t kWarp = 32;
constexpr std::string_view kTileOptions =
    " -DFX=";  // the first of the tile's own, which end the list
// Of `conv` in kernels/nn_tensor.cl.
enum Place { k_blocks = 7, images = 19, height, width, outputs, fragments };

std::int64_t rounded_up(std::int64_t n, std::int64_t to) {
  return (n + to - 1) / to;
}

// Warps that the whole launch has.
std::int64_t warps(const TensorWork& w, const TensorTile& t) {
  const std::int64_t tiles =
      w.pointwise ? rounded_up(w.images * w.height * w.width, t.across * 16)
                  : w.images * rounded_up(w.height, t.down) * rounded_up(w.width, t.across * 16);
  return tiles * (w.fragments / t.channels);
}

std::int64_t largest_channels(const TensorWork& w, std::int64_t most) {
  for (std::int64_t n = most; n > 0; --n)
    if (n % w.group == 0 && w.fragments % n == 0) return n;
  return w.group;
}

}  // namespace

std::optional<TensorWork> tensor_work(const Plan::Step& step) {
  if (step.family != "nn_tensor" || step.kernel != "conv" ||
      step.arguments.size() <= static_cast<std::size_t>(Place::fragments))
    return std::nullopt;
  const auto at = [&](Place p) -> std::int64_t {
    return step.arguments[static_cast<std::size_t>(p)].integer;
  };
  TensorWork w;
  w.pointwise = step.options.find("-DPOINTWISE") != std::string::npos;
  const auto group = step.options.find("-DGROUP=");
  w.group = group == std::string::npos ? 0 : step.options[group + 8] - '0';
  w.images = at(Place::images), w.height = at(Place::height), w.width = at(Place::width);
  w.fragments = at(Place::fragments), w.k_blocks = at(Place::k_blocks);
  const bool sound = (w.group == 1 || w.group == 2 || w.group == 4) && w.images > 0 &&
                     w.height > 0 && w.width > 0 && w.fragments > 0 && w.fragments % w.group == 0;
  return sound ? std::optional(w) : std::nullopt;
}

bool fits(const TensorWork& w, const TensorTile& t) {
  const auto within = [](std::int64_t n, std::int64_t most) { return n >= 1 && n <= most; };
  return within(t.across, 4) && within(t.down, 4) && within(t.channels, 16) &&
         within(t.warps_m, 8) && within(t.warps_n, 8) && t.warps_m * t.warps_n <= 8 &&
         t.channels % w.group == 0 && w.fragments % (t.channels * t.warps_n) == 0 &&
         t.across * t.down * t.channels <= 32 && (!w.pointwise || t.down == 1);
}

std::string own_options(const Plan::Step& step) {
  return step.options.substr(0, step.options.find(kTileOptions));
}

TensorTile usual_tile(const TensorWork& w) {
  constexpr std::int64_t kEnoughWarps = 132 * 8;  // of the largest devices that there are
  TensorTile t;
  t.channels = largest_channels(w, 10);
  // Few channels leave a warp little to do with a pixel: more warps hide the loads better.
  t.across = w.pointwise || t.channels > 4 ? 2 : 1;
  if (warps(w, t) < kEnoughWarps) t.across = 1;
  if (warps(w, t) < kEnoughWarps && t.channels > 4) t.channels = largest_channels(w, 4);
  t.warps_m = 4;
  t.prefetch = t.across * t.channels <= 8;
  return t;
}

std::vector<TensorTile> possible_tiles(const TensorWork& w) {
  std::vector<TensorTile> tiles{usual_tile(w)};
  const auto add = [&](const TensorTile& t) {
    if (fits(w, t) && std::ranges::find(tiles, t) == tiles.end()) tiles.push_back(t);
  };
  for (const std::int64_t most : {4, 8, 10, 16})
    for (const auto& [across, down] : {std::pair{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}})
      for (const bool prefetch : {false, true}) {
        const std::int64_t channels = largest_channels(w, most);
        if (prefetch && across * down * channels > 16) continue;  // registers
        add({across, down, channels, 4, 1, prefetch});
        add({across, down, channels, 2, 2, prefetch});
      }
  return tiles;
}

void cut(Plan::Step& step, const TensorWork& w, const TensorTile& t) {
  step.options = own_options(step);
  step.options +=
      fmt::format("{}{} -DFY={} -DN_FRAGS={} -DWARPS_M={} -DWARPS_N={}{}", kTileOptions, t.across,
                  t.down, t.channels, t.warps_m, t.warps_n, t.prefetch ? " -DPREFETCH" : "");
  const std::int64_t blocks = w.fragments / (t.channels * t.warps_n);
  std::array<std::int64_t, 3> groups{1, 1, 1};
  if (w.pointwise) {
    groups[0] = blocks * rounded_up(w.images * w.height * w.width, t.across * 16 * t.warps_m);
  } else {
    groups[0] = blocks * rounded_up(w.width, t.across * 16);
    groups[1] = rounded_up(w.height, t.down * t.warps_m);
    groups[2] = w.images;
  }
  step.dimensions = 3;
  step.local = {kWarp, static_cast<std::uint64_t>(t.warps_m * t.warps_n), 1};
  for (std::size_t d = 0; d < 3; ++d)
    step.global[d] = static_cast<std::uint64_t>(groups[d]) * step.local[d];
}

}  // namespace gantry
