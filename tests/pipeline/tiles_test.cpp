// The tile plan: coverage, overlap, flush edges, the mask's share, the reference's preset.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/tiles.hpp"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;

PanoramaGeometry panorama(int width, int height) {
  return {width, height, -90 * kDegree, 90 * kDegree, 27 * kDegree, -27 * kDegree};
}

std::vector<int> columns(const TilePlan& plan) {
  std::vector<int> xs;
  for (const Tile& t : plan.tiles) xs.push_back(t.x);
  return xs;
}

TEST(Tiles, CoverAnyPanoramaWithTheOverlapThatWasAsked) {
  for (const int width : {950, 1024, 1026, 2048, 4096, 5700, 6528})
    for (const int height : {316, 1024, 1080, 1900})
      for (const int network : {416, 640, 1024})
        for (const double scale : {0.5, 0.8, 1.0, 2.0})
          for (const double overlap : {0.0, 40.0, 133.0}) {
            // Beyond a half tile, or beyond the most tiles, plans are refused.
            if (overlap > network / scale / 2 || (scale == 2 && network < 1024)) continue;
            const auto g = panorama(width, height);
            const TilePlan plan =
                plan_tiles(g, network, network, {TileLayout::spread, scale, overlap}, {});
            const double tile = network / scale;
            const double least = overlap > 0 ? overlap : std::min(largest_ball_px(g), tile / 2);
            SCOPED_TRACE(testing::Message() << width << "x" << height << " network " << network
                                            << " scale " << scale << " overlap " << overlap);
            double right = 0;
            const int top = plan.tiles.front().y;
            ASSERT_LE(plan.tiles.front().x, 0);
            ASSERT_LE(top, 0);
            for (const Tile& t : plan.tiles) {
              ASSERT_EQ(t.x % 2, 0);
              ASSERT_EQ(t.y % 2, 0);
              if (t.y != top) break;
              if (t.x > 0) {
                ASSERT_GE(right - t.x, least);
              }
              right = t.x + tile;
            }
            ASSERT_GE(right, width);
            if (width > tile) {
              ASSERT_LT(right, width + 2) << "the last is flush with the edge";
            }
            ASSERT_GE(plan.tiles.back().y + tile, height);
            const auto n = static_cast<std::size_t>(
                width <= tile ? 1 : std::ceil((width - least - 2) / (tile - least - 2)));
            const auto rows = static_cast<std::size_t>(
                height <= tile ? 1 : std::ceil((height - least - 2) / (tile - least - 2)));
            ASSERT_EQ(plan.tiles.size(), n * rows) << "no tile more than needed";
          }
}

TEST(Tiles, TheFullPanoramaTakesSixInARow) {
  const auto g = panorama(5700, 1900);
  // The pitch of the replaced system: rows 438 … 1454.
  const std::vector<MaskPoint> pitch{{-85 * kDegree, g.pitch_of(437.5)},
                                     {85 * kDegree, g.pitch_of(437.5)},
                                     {85 * kDegree, g.pitch_of(1453.5)},
                                     {-85 * kDegree, g.pitch_of(1453.5)}};
  const TilePlan plan = plan_tiles(g, 1024, 1024, {}, FieldMask(pitch, g));
  ASSERT_EQ(plan.tiles.size(), 6u);
  for (const Tile& t : plan.tiles) EXPECT_EQ(t.y, 430) << "flush with the mask, the room above";
  EXPECT_LE(plan.tiles.front().x, g.x_of(-85 * kDegree) + 0.5);
  EXPECT_GE(plan.tiles.back().x + 1024, g.x_of(85 * kDegree) + 0.5);
  EXPECT_GE(plan.overlap_x, largest_ball_px(g));
  EXPECT_EQ(plan.overlap_y, 0);
}

TEST(Tiles, SmallPanoramasLieInTheMiddleOfATile) {
  const TilePlan one = plan_tiles(panorama(950, 316), 1024, 1024, {}, {});
  ASSERT_EQ(one.tiles.size(), 1u);
  EXPECT_EQ(one.tiles[0].x, -38);  // (1024 - 950) / 2 = 37, to even
  EXPECT_EQ(one.tiles[0].y, -354);
  const TilePlan two = plan_tiles(panorama(950, 316), 640, 640, {}, {});
  EXPECT_EQ(columns(two), (std::vector<int>{0, 310}));
}

TEST(Tiles, FitShowsAllInOne) {
  const TilePlan plan = plan_tiles(panorama(810, 1080), 640, 640, {TileLayout::fit, 1, 0}, {});
  ASSERT_EQ(plan.tiles.size(), 1u);
  EXPECT_NEAR(plan.scale, 640.0 / 1080, 1e-12);
  EXPECT_EQ(plan.tiles[0].y, 0);
  EXPECT_EQ(plan.tiles[0].x, -136);  // (1080 - 810) / 2 = 135, to even
}

TEST(Tiles, ReferencePresetIsTheReplacedSystems) {
  const TilePlan plan =
      plan_tiles(panorama(5700, 1900), 1024, 1024, {TileLayout::reference, 1, 0}, {});
  EXPECT_EQ(columns(plan), (std::vector<int>{192, 1216, 2240, 3264, 4288, 5312}));
  for (const Tile& t : plan.tiles) EXPECT_EQ(t.y, 434);
  EXPECT_THROW(plan_tiles(panorama(5700, 1900), 640, 640, {TileLayout::reference, 1, 0}, {}),
               std::invalid_argument);
  EXPECT_THROW(plan_tiles(panorama(950, 316), 1024, 1024, {TileLayout::reference, 1, 0}, {}),
               std::invalid_argument);
}

TEST(Tiles, ThoseWithoutPitchAreLeftOut) {
  const auto g = panorama(4096, 2048);
  // A triangle: the upper outer tiles of 4x2 have nothing of it.
  const std::vector<MaskPoint> triangle{
      {0, 27 * kDegree}, {90 * kDegree, -27 * kDegree}, {-90 * kDegree, -27 * kDegree}};
  const FieldMask mask(triangle, g);
  const TilePlan plan = plan_tiles(g, 640, 640, {}, mask);
  const TilePlan all = plan_tiles(g, 640, 640, {}, {});
  EXPECT_LT(plan.tiles.size(), all.tiles.size());
  for (const Tile& t : plan.tiles) EXPECT_TRUE(mask.touches(plan.rect(t)));
  // Every pixel of the mask is still in a tile.
  for (int y = 0; y < g.height; y += 16)
    for (int x = 0; x < g.width; x += 16) {
      if (!mask.contains(x, y)) continue;
      bool seen = false;
      for (const Tile& t : plan.tiles)
        seen = seen || (x >= t.x && x < t.x + 640 && y >= t.y && y < t.y + 640);
      ASSERT_TRUE(seen) << x << ", " << y;
    }
}

TEST(Tiles, ThoseAboveTheHorizonOrWithoutACameraAreLeftOut) {
  // 48 degrees of sky over 6 of ground: the upper rows of tiles show sky alone.
  const PanoramaGeometry g{4096, 2160, -90 * kDegree, 90 * kDegree, 48 * kDegree, -6 * kDegree};
  const int horizon = 1920;
  std::vector<int> top(4096, 0), bottom(4096, 2160);
  const auto plan = [&] { return plan_tiles(g, 640, 640, {}, {}, ground_rows(g, top, bottom)); };
  const auto all = plan_tiles(g, 640, 640, {}, {}).tiles.size();
  const TilePlan below = plan();
  EXPECT_EQ(below.tiles.size(), all / 4);
  for (const Tile& t : below.tiles) EXPECT_GT(t.y + 640, horizon);
  // No camera sees the right half of the ground.
  for (std::size_t x = 2048; x < 4096; ++x) bottom[x] = horizon;
  for (const Tile& t : plan().tiles) EXPECT_LT(t.x, 2048);
  EXPECT_LT(plan().tiles.size(), below.tiles.size());
  for (std::size_t x = 2048; x < 4096; ++x) top[x] = bottom[x] = 0;
  for (const Tile& t : plan().tiles) EXPECT_LT(t.x, 2048);
  // Where the mesh says nothing all is covered.
  top.clear(), bottom.clear();
  EXPECT_EQ(plan().tiles.size(), below.tiles.size());
  top.assign(4096, 0), bottom.assign(4096, 0);
  EXPECT_THROW(plan(), std::invalid_argument);
}

TEST(Tiles, RefuseOptionsOutOfRangeByName) {
  const auto g = panorama(5700, 1900);
  const auto refusal = [&](const TileOptions& options) -> std::string {
    try {
      plan_tiles(g, 1024, 1024, options, {});
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_NE(refusal({TileLayout::spread, std::nan(""), 0}).find("scale"), std::string::npos);
  EXPECT_NE(refusal({TileLayout::spread, 17, 0}).find("scale"), std::string::npos);
  EXPECT_NE(refusal({TileLayout::spread, 1, 513}).find("overlap"), std::string::npos);
  EXPECT_NE(refusal({TileLayout::spread, 1, -1}).find("overlap"), std::string::npos);
  EXPECT_NE(refusal({TileLayout::spread, 16, 0}).find("at most 256"), std::string::npos);
}

}  // namespace
}  // namespace gantry
