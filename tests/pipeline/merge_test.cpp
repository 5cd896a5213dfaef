// The merge and the tile borders: every object once, in any order, and no change the second time.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/merge.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include <gtest/gtest.h>

#include "pipeline/detect_filter.hpp"

namespace gantry {
namespace {

const std::array<MergeLimits, kObjectClasses> kLimits{MergeLimits{0.2f, 0.5f}, MergeLimits{},
                                                      MergeLimits{}, MergeLimits{}};

Candidate box(float left, float top, float width, float height, float confidence,
              ObjectClass object = ObjectClass::person, std::uint8_t cut = 0,
              std::uint16_t tile = 0) {
  return {left, top, left + width, top + height, confidence, object, cut, tile};
}

std::vector<Candidate> merged(std::vector<Candidate> candidates) {
  CandidateMerge merge(5700, kLimits);
  const auto result = merge.merge(candidates);
  return {result.kept.begin(), result.kept.end()};
}

bool equal(const std::vector<Candidate>& a, const std::vector<Candidate>& b) {
  return std::ranges::equal(a, b, [](const Candidate& x, const Candidate& y) {
    return x.left == y.left && x.top == y.top && x.right == y.right && x.bottom == y.bottom &&
           x.confidence == y.confidence && x.object == y.object && x.cut == y.cut &&
           x.tile == y.tile;
  });
}

TEST(Merge, KeepsTheStrongestOfWhatOverlaps) {
  const auto kept = merged({box(100, 100, 40, 80, 0.6f), box(104, 102, 40, 80, 0.9f),
                            box(99, 98, 42, 82, 0.7f), box(300, 100, 40, 80, 0.5f)});
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].confidence, 0.9f);
  EXPECT_EQ(kept[0].left, 104);
  EXPECT_EQ(kept[1].confidence, 0.5f);
}

TEST(Merge, ClassesDoNotSuppressEachOther) {
  EXPECT_EQ(merged({box(100, 100, 20, 20, 0.6f, ObjectClass::ball),
                    box(100, 100, 20, 20, 0.9f, ObjectClass::person)})
                .size(),
            2u);
}

TEST(Merge, APlayerInFrontOfAnotherStaysOne) {
  // The far one's box lies inside of the near one's: seen so by one tile, or by two, it is an
  // object.
  const auto near = box(100, 100, 60, 180, 0.9f), far = box(110, 110, 25, 70, 0.8f);
  EXPECT_EQ(merged({near, far}).size(), 2u);
  auto near2 = near, far2 = far;
  near2.tile = far2.tile = 1;
  EXPECT_EQ(merged({near, far, near2, far2}).size(), 2u);
}

TEST(Merge, SmallBallsMayDisagreeByAPixel) {
  EXPECT_EQ(merged({box(100, 100, 5, 5, 0.6f, ObjectClass::ball),
                    box(101.5f, 101.5f, 5, 5, 0.9f, ObjectClass::ball, 0, 1)})
                .size(),
            1u);
}

TEST(Merge, PiecesOnBothSidesOfABorderBecomeOne) {
  // 120 px wide, 40 px of overlap: neither tile sees it whole.
  const auto kept = merged({box(900, 100, 124, 60, 0.7f, ObjectClass::person, kCutRight, 0),
                            box(984, 102, 90, 60, 0.8f, ObjectClass::person, kCutLeft, 1)});
  // Their intersection is below half of the smaller: two objects.
  EXPECT_EQ(kept.size(), 2u);
  const auto joined = merged({box(950, 100, 74, 60, 0.7f, ObjectClass::person, kCutRight, 0),
                              box(984, 102, 70, 60, 0.8f, ObjectClass::person, kCutLeft, 1)});
  ASSERT_EQ(joined.size(), 1u);
  EXPECT_EQ(joined[0].left, 950);
  EXPECT_EQ(joined[0].right, 1054);
  EXPECT_EQ(joined[0].top, 100);
  EXPECT_EQ(joined[0].bottom, 162);
  EXPECT_EQ(joined[0].confidence, 0.8f);
  EXPECT_EQ(joined[0].cut, 0) << "whole now";
}

TEST(Merge, PiecesThatMeetAtABorderWithoutOverlapBecomeOne) {
  const auto kept = merged({box(1000, 100, 15, 60, 0.7f, ObjectClass::person, kCutRight, 0),
                            box(1017, 101, 20, 58, 0.8f, ObjectClass::person, kCutLeft, 1),
                            box(1017, 300, 20, 58, 0.6f, ObjectClass::person, kCutLeft, 1)});
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].left, 1000);
  EXPECT_EQ(kept[0].right, 1037);
}

std::vector<Candidate> random_scene(unsigned seed, int objects, int per_object) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(0, 1);
  std::vector<Candidate> all;
  for (int i = 0; i < objects; ++i) {
    const float x = unit(random) * 5500, y = unit(random) * 1800;
    const float w = 5 + unit(random) * 60, h = w * (1 + unit(random));
    const auto object = static_cast<ObjectClass>(random() % 3);
    for (int k = 0; k < per_object; ++k) {
      const float wobble = w * 0.3f;
      all.push_back(box(x + unit(random) * wobble, y + unit(random) * wobble,
                        w * (0.7f + unit(random) * 0.5f), h * (0.7f + unit(random) * 0.5f),
                        std::round(unit(random) * 20) / 20, object,
                        random() % 3 ? 0 : static_cast<std::uint8_t>(random() % 16),
                        static_cast<std::uint16_t>(random() % 6)));
    }
  }
  return all;
}

TEST(Merge, DoesNotDependOnTheOrderAndChangesNothingTheSecondTime) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    auto scene = random_scene(seed, 40, 12);
    const auto once = merged(scene);
    EXPECT_GE(once.size(), 30u);
    std::mt19937 random(seed);
    for (int i = 0; i < 3; ++i) {
      std::shuffle(scene.begin(), scene.end(), random);
      ASSERT_TRUE(equal(merged(scene), once)) << "seed " << seed;
    }
    ASSERT_TRUE(equal(merged(once), once)) << "seed " << seed;
  }
}

float shared_area(const Candidate& a, const Candidate& b) {
  return std::max(0.0f, std::min(a.right, b.right) - std::max(a.left, b.left)) *
         std::max(0.0f, std::min(a.bottom, b.bottom) - std::max(a.top, b.top));
}

float area(const Candidate& c) {
  return (c.right - c.left) * (c.bottom - c.top);
}

TEST(Merge, ComparesAllNeighboursWhereverTheyLie) {
  // Small and large ones, beyond the panorama's edges too, against every box compared with each.
  std::mt19937 random(11);
  std::uniform_real_distribution<float> place(-200, 6500), size(3, 9);
  std::vector<Candidate> all;
  for (int i = 0; i < 400; ++i) {
    const float x = place(random), y = place(random), w = std::exp(size(random) * 0.75f);
    for (int k = 0; k < 3; ++k)
      all.push_back(box(x + 0.003f * static_cast<float>(random() % 100) * w,
                        y + 0.003f * static_cast<float>(random() % 100) * w, w, w, 0));
  }
  std::shuffle(all.begin(), all.end(), random);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].confidence = static_cast<float>(i + 1) / static_cast<float>(all.size());
  std::vector<Candidate> sorted = all, want;
  std::ranges::sort(sorted, std::greater<>(), &Candidate::confidence);
  const float iou = kLimits[static_cast<std::size_t>(ObjectClass::person)].iou;
  for (const Candidate& c : sorted)
    if (std::ranges::none_of(want, [&](const Candidate& k) {
          const float shared = shared_area(k, c);
          return shared > 0 && shared >= iou * (area(k) + area(c) - shared);
        }))
      want.push_back(c);
  ASSERT_GT(want.size(), 200u);
  ASSERT_LT(want.size(), Detections::kCapacity);
  EXPECT_TRUE(equal(merged(all), want));
}

TEST(Merge, WhatDoesNotHoldNeitherStaysNorDropsOthers) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    auto scene = random_scene(seed, 40, 12);
    std::vector<Candidate> sound;
    for (std::size_t i = 0; i < scene.size(); ++i) {
      scene[i].tile = 0, scene[i].anchor = static_cast<std::uint32_t>(i);
      if (i % 3) sound.push_back(scene[i]);
    }
    std::size_t asked = 0;
    CandidateMerge merge(5700, kLimits);
    const std::size_t count = merge.thin(scene, [&](const Candidate& c) {
      ++asked;
      return c.anchor % 3 != 0;
    });
    EXPECT_LT(asked, scene.size());
    scene.resize(count);
    ASSERT_TRUE(equal(merged(scene), merged(sound))) << "seed " << seed;
  }
}

TEST(Merge, ManyObjectsOverflowCountedTheWeakestFirst) {
  std::vector<Candidate> grid;
  for (int i = 0; i < 3000; ++i)
    grid.push_back(box(static_cast<float>(i % 75) * 70, static_cast<float>(i / 75) * 40, 20, 30,
                       static_cast<float>(i + 1) / 3001));
  CandidateMerge merge(5700, kLimits);
  const auto result = merge.merge(grid);
  EXPECT_EQ(result.kept.size(), Detections::kCapacity);
  EXPECT_EQ(result.overflowed, 3000 - Detections::kCapacity);
  EXPECT_NEAR(result.kept.back().confidence, (3000.0f - 511) / 3001, 1e-6f);
  EXPECT_TRUE(merge.merge({}).kept.empty());
}

TEST(Merge, RefusesSharesOutOfRange) {
  auto limits = kLimits;
  limits[1].iou = 0;
  EXPECT_THROW(CandidateMerge(5700, limits), std::invalid_argument);
  limits[1].iou = std::nanf("");
  EXPECT_THROW(CandidateMerge(5700, limits), std::invalid_argument);
}

// --- with tiles
// ------------------------------------------------------------------------------------

constexpr double kDegree = std::numbers::pi / 180;
const PanoramaGeometry kPanorama{5700,         1900,         -90 * kDegree,
                                 90 * kDegree, 27 * kDegree, -27 * kDegree};

LimitsPerClass limits() {
  const ClassLimits person{0.4f, 5, 20, 250, 400, 0.1f, 2.5f};
  return {ClassLimits{0.3f, 4, 4, 60, 60, 0.5f, 2}, person, person, ClassLimits{}};
}

// What every tile's network would see of an object: its part inside of the tile, if enough is left.
std::vector<Detection> seen_by_tiles(const TilePlan& plan, const std::vector<Candidate>& objects) {
  const DetectFilter filter(plan, kPanorama, limits(), {});
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < plan.tiles.size(); ++i)
    for (const Candidate& o : objects) {
      const PixelRect t = plan.rect(plan.tiles[i]);
      const double left = std::max<double>(o.left, t.left),
                   right = std::min<double>(o.right, t.right);
      const double top = std::max<double>(o.top, t.top),
                   bottom = std::min<double>(o.bottom, t.bottom);
      if (right - left < 3 || bottom - top < 3) continue;
      const NetworkBox b{static_cast<float>(((left + right) / 2 - t.left) * plan.scale),
                         static_cast<float>(((top + bottom) / 2 - t.top) * plan.scale),
                         static_cast<float>((right - left) * plan.scale),
                         static_cast<float>((bottom - top) * plan.scale),
                         o.confidence,
                         o.object};
      if (Candidate c; filter.candidate(b, i, c)) candidates.push_back(c);
    }
  CandidateMerge merge(kPanorama.width, kLimits);
  std::vector<Detection> found;
  for (const Candidate& c : merge.merge(candidates).kept)
    if (Detection d; filter.detection(c, d)) found.push_back(d);
  return found;
}

TEST(Borders, ObjectsOnEveryBorderOfEveryPlanCountOnce) {
  for (const double scale : {1.0, 0.8})
    for (const double overlap : {40.0, 90.0, 200.0}) {
      const TilePlan plan =
          plan_tiles(kPanorama, 1024, 1024, {TileLayout::spread, scale, overlap}, {});
      ASSERT_GE(plan.tiles.size(), 10u);
      for (const auto& [w, h, object] : {std::tuple{60.0f, 150.0f, ObjectClass::person},
                                         {12.0f, 40.0f, ObjectClass::person},
                                         {36.0f, 36.0f, ObjectClass::ball},
                                         {6.0f, 6.0f, ObjectClass::ball}})
        for (const Tile& t : plan.tiles)
          for (float shift = -1.5f; shift <= 1.5f; shift += 0.125f) {
            // Across the left border, across the top border, and on the corner.
            const auto x = static_cast<float>(t.x), y = static_cast<float>(t.y);
            for (const auto& [cx, cy] : {std::pair{x + shift * w, y + 400},
                                         {x + 400, y + shift * h},
                                         {x + shift * w, y + shift * h}}) {
              const Candidate o = box(cx - w / 2, cy - h / 2, w, h, 0.8f, object);
              if (o.left < 0 || o.top < 0 || o.right > 5700 || o.bottom > 1900) continue;
              // What no overlap can hold is in pieces that may be told apart no more.
              if (w > plan.overlap_x || h > plan.overlap_y) continue;
              const auto found = seen_by_tiles(plan, {o});
              ASSERT_EQ(found.size(), 1u) << "at " << cx << ", " << cy << " size " << w << "x" << h;
              ASSERT_NEAR(found[0].x, cx - 0.5f, 0.01f);
              ASSERT_NEAR(found[0].y, cy - 0.5f, 0.01f);
              ASSERT_NEAR(found[0].width, w, 0.02f);
              ASSERT_NEAR(found[0].height, h, 0.02f);
            }
          }
    }
}

TEST(Borders, ObjectsLargerThanTheOverlapAreJoined) {
  const TilePlan plan = plan_tiles(kPanorama, 1024, 1024, {TileLayout::spread, 1, 40}, {});
  const float border = static_cast<float>(plan.tiles[1].x);
  for (float shift = -80; shift <= 160; shift += 4) {
    const Candidate o = box(border + shift - 70, 500, 140, 300, 0.8f);
    const auto found = seen_by_tiles(plan, {o});
    ASSERT_EQ(found.size(), 1u) << "shift " << shift;
    EXPECT_NEAR(found[0].width, 140, 6) << "shift " << shift;
  }
}

TEST(Borders, TheReferencePresetHasNoBlindStrips) {
  const TilePlan plan = plan_tiles(kPanorama, 1024, 1024, {TileLayout::reference, 1, 0}, {});
  for (float x = 1150; x < 1280; x += 3) {
    const auto found = seen_by_tiles(plan, {box(x, 700, 40, 100, 0.8f)});
    ASSERT_EQ(found.size(), 1u) << x;
    EXPECT_NEAR(found[0].width, 40, 4) << x;
  }
}

TEST(Borders, ThePanoramasEdgeCutsNothing) {
  const TilePlan plan = plan_tiles(kPanorama, 1024, 1024, {}, {});
  EXPECT_EQ(seen_by_tiles(plan, {box(0, 600, 40, 100, 0.8f)}).size(), 1u);
  EXPECT_EQ(seen_by_tiles(plan, {box(5660, 1800, 40, 100, 0.8f)}).size(), 1u);
}

TEST(Filter, LimitsPerClassAndMaskByFootPoint) {
  const TilePlan plan = plan_tiles(kPanorama, 1024, 1024, {}, {});
  const std::vector<MaskPoint> polygon{{-45 * kDegree, kPanorama.pitch_of(799.5)},
                                       {45 * kDegree, kPanorama.pitch_of(799.5)},
                                       {45 * kDegree, kPanorama.pitch_of(1499.5)},
                                       {-45 * kDegree, kPanorama.pitch_of(1499.5)}};
  const DetectFilter filter(plan, kPanorama, limits(), FieldMask(polygon, kPanorama));
  Detection d;
  // Feet on row 810, head far above the mask.
  EXPECT_TRUE(filter.detection(box(2800, 700, 40, 110, 0.8f), d));
  EXPECT_FALSE(filter.detection(box(2800, 680, 40, 110, 0.8f), d)) << "feet above the mask";
  EXPECT_TRUE(filter.detection(box(2800, 790, 20, 22, 0.8f, ObjectClass::ball), d));
  EXPECT_FALSE(filter.detection(box(2800, 780, 20, 22, 0.8f, ObjectClass::ball), d))
      << "centre above the mask";
  EXPECT_FALSE(filter.detection(box(2800, 900, 61, 61, 0.8f, ObjectClass::ball), d)) << "too wide";
  EXPECT_FALSE(filter.detection(box(2800, 900, 3, 5, 0.8f, ObjectClass::ball), d)) << "too small";
  EXPECT_FALSE(filter.detection(box(2800, 900, 30, 14, 0.8f, ObjectClass::ball), d)) << "too flat";
  EXPECT_TRUE(filter.detection(box(2800, 900, 30, 16, 0.8f, ObjectClass::ball), d));
}

TEST(Filter, NamesTheLimitThatIsWrong) {
  const TilePlan plan = plan_tiles(kPanorama, 1024, 1024, {}, {});
  const auto refusal = [&](auto change) -> std::string {
    LimitsPerClass l = limits();
    change(l);
    try {
      DetectFilter filter(plan, kPanorama, l, {});
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_NE(refusal([](auto& l) { l[0].min_width = 100; }).find("ball: width from 100 to 60"),
            std::string::npos);
  EXPECT_NE(refusal([](auto& l) { l[1].max_aspect = std::nanf(""); }).find("person: aspect"),
            std::string::npos);
  EXPECT_NE(refusal([](auto& l) { l[2].confidence = 0; }).find("referee: confidence"),
            std::string::npos);
}

}  // namespace
}  // namespace gantry
