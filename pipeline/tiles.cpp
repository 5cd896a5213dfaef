// Spreads tiles over what must be covered.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/tiles.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr std::size_t kMostTiles = 256;

// Chroma is shared by 2x2 pixels: tiles begin on a whole one.
int even_floor(double v) {
  return static_cast<int>(std::floor(v / 2)) * 2;
}

struct Spread {
  std::vector<int> origins;
  double overlap = 0;
};

// Tiles of `tile` pixels over [from, to) of a picture of `size` pixels. `slack` places a lone tile
// that is larger than the range: the share of the spare room that lies before it.
Spread spread(double from, double to, int size, double tile, double overlap, double slack) {
  if (size <= tile) return {{even_floor((size - tile) / 2)}, 0};
  if (to - from <= tile) {
    const double origin = from - (tile - (to - from)) * slack;
    return {{even_floor(std::clamp(origin, 0.0, size - tile))}, 0};
  }
  const double asked = overlap + 2;  // the rounding to even origins may take two pixels
  const auto count = static_cast<std::size_t>(std::ceil((to - from - asked) / (tile - asked)));
  if (count > kMostTiles)
    throw std::invalid_argument(fmt::format(
        "tiles: {} in a row; at most {} are analysed: lower scale or overlap", count, kMostTiles));
  Spread s;
  const double step = (to - from - tile) / static_cast<double>(count - 1);
  // The last is rounded up: flush with the edge, never short of it.
  for (std::size_t i = 0; i + 1 < count; ++i)
    s.origins.push_back(even_floor(from + step * static_cast<double>(i)));
  s.origins.push_back(-even_floor(-(to - tile)));
  s.overlap = tile;
  for (std::size_t i = 1; i < count; ++i)
    s.overlap = std::min(s.overlap, s.origins[i - 1] + tile - s.origins[i]);
  return s;
}

bool has_ground(const GroundRows& ground, const PixelRect& r) {
  if (ground.top.empty()) return true;
  const auto from = static_cast<std::size_t>(std::max(r.left, 0.0));
  const auto to =
      static_cast<std::size_t>(std::clamp(r.right, 0.0, static_cast<double>(ground.top.size())));
  for (std::size_t x = from; x < to; ++x)
    if (std::max<double>(ground.top[x], r.top) < std::min<double>(ground.bottom[x], r.bottom))
      return true;
  return false;
}

TilePlan reference_tiles(const PanoramaGeometry& geometry, TilePlan plan, const FieldMask& mask) {
  if (plan.network_width != 1024 || plan.network_height != 1024)
    throw std::invalid_argument(
        fmt::format("tiles: layout \"reference\" needs a network of 1024x1024; this one is {}x{}: "
                    "use \"spread\"",
                    plan.network_width, plan.network_height));
  if (geometry.width <= 192 || geometry.height <= 434)
    throw std::invalid_argument(fmt::format(
        "tiles: layout \"reference\" begins at pixel (192, 434), outside of the {}x{} panorama",
        geometry.width, geometry.height));
  for (int x = 192; x < std::min(geometry.width, 192 + 6 * 1024); x += 1024)
    if (mask.touches(plan.rect({x, 434}))) plan.tiles.push_back({x, 434});
  return plan;
}

void check(const PanoramaGeometry& geometry, int width, int height, const TileOptions& options) {
  if (width < 1 || height < 1 || geometry.width < 1 || geometry.height < 1)
    throw std::invalid_argument(fmt::format("tiles: network {}x{} on a panorama of {}x{}", width,
                                            height, geometry.width, geometry.height));
  if (!(options.scale >= 1.0 / 16 && options.scale <= 16))
    throw std::invalid_argument(
        fmt::format("tiles: scale is {}; it must be from 0.0625 to 16", options.scale));
  const double least = std::min(width, height) / options.scale;
  if (!(options.overlap >= 0 && options.overlap <= least / 2))
    throw std::invalid_argument(fmt::format(
        "tiles: overlap is {}; it must be from 0 to half a tile, {:.0f} panorama pixels",
        options.overlap, least / 2));
}

}  // namespace

double largest_ball_px(const PanoramaGeometry& geometry) {
  constexpr double kDiameter = 0.22, kDistance = 10;  // metres
  const double pixels_per_radian =
      geometry.width / std::abs(geometry.yaw_right - geometry.yaw_left);
  const double diameter = kDiameter / kDistance * pixels_per_radian;
  return std::isfinite(diameter) ? std::max(diameter, 16.0) : 16.0;
}

GroundRows ground_rows(const PanoramaGeometry& geometry, const std::vector<int>& covered_top,
                       const std::vector<int>& covered_bottom) {
  const int horizon =
      static_cast<int>(std::clamp(std::floor(geometry.y_of(0) + 0.5), 0.0, 1.0 * geometry.height));
  GroundRows ground{covered_top, covered_bottom};
  ground.top.resize(static_cast<std::size_t>(geometry.width), 0);
  ground.bottom.resize(static_cast<std::size_t>(geometry.width), geometry.height);
  for (int& top : ground.top) top = std::max(top, horizon);
  return ground;
}

TilePlan plan_tiles(const PanoramaGeometry& geometry, int network_width, int network_height,
                    const TileOptions& options, const FieldMask& mask, const GroundRows& ground) {
  check(geometry, network_width, network_height, options);
  TilePlan plan{network_width, network_height, options.scale, 0, 0, {}};
  if (options.layout == TileLayout::fit)
    plan.scale = std::min(static_cast<double>(network_width) / geometry.width,
                          static_cast<double>(network_height) / geometry.height);
  if (options.layout == TileLayout::reference) {
    plan.scale = 1;
    plan = reference_tiles(geometry, plan, mask);
  } else {
    const PixelRect need = mask.bounds(geometry);
    const double least = std::min(plan.source_width(), plan.source_height());
    const double overlap =
        options.overlap > 0 ? options.overlap : std::min(largest_ball_px(geometry), least / 2);
    const Spread columns =
        spread(need.left, need.right, geometry.width, plan.source_width(), overlap, 0.5);
    const Spread rows =
        spread(need.top, need.bottom, geometry.height, plan.source_height(), overlap, 1);
    plan.overlap_x = columns.overlap;
    plan.overlap_y = rows.overlap;
    for (const int y : rows.origins)
      for (const int x : columns.origins)
        if (mask.touches(plan.rect({x, y}))) plan.tiles.push_back({x, y});
  }
  std::erase_if(plan.tiles, [&](const Tile& t) { return !has_ground(ground, plan.rect(t)); });
  if (plan.tiles.empty())
    throw std::invalid_argument(
        "tiles: none has any of the field mask and of the ground that cameras see in it");
  if (plan.tiles.size() > kMostTiles)
    throw std::invalid_argument(
        fmt::format("tiles: {}; at most {} are analysed: lower scale or overlap", plan.tiles.size(),
                    kMostTiles));
  return plan;
}

}  // namespace gantry
