// Which tiles are looked at when: the bound, the ball, the players, and no tile starved.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/tile_schedule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;
constexpr std::int64_t kMillisecond_ns = 1'000'000, kSecond_ns = 1'000'000'000;

PanoramaGeometry panorama(int width = 5700, int height = 1900) {
  return {width, height, -90 * kDegree, 90 * kDegree, 27 * kDegree, -27 * kDegree};
}
// 10 × 4 tiles of 640 pixels.
TilePlan forty_tiles() {
  const TilePlan plan = plan_tiles(panorama(), 640, 640, {}, {});
  EXPECT_EQ(plan.tiles.size(), 40u);
  return plan;
}

Detection object(ObjectClass c, double x, double y, double confidence = 0.8) {
  Detection d;
  d.x = static_cast<float>(x), d.y = static_cast<float>(y);
  d.confidence = static_cast<float>(confidence);
  d.object = c;
  return d;
}

Detection anywhere(ObjectClass c, std::mt19937& random) {
  return object(c, static_cast<double>(random() % 5700), static_cast<double>(random() % 1900), 0.9);
}

// A schedule with the memory of when each tile was looked at.
class Watch {
 public:
  Watch(const TilePlan& plan, const TileScheduleConfig& config, std::size_t batch = 1)
      : schedule(plan, panorama(), config, batch), seen_ns_(plan.tiles.size(), INT64_MIN) {}

  std::vector<std::uint16_t> look(std::int64_t capture_ns,
                                  const std::vector<Detection>& objects = {}) {
    const auto chosen = schedule.choose(capture_ns);
    const std::vector<std::uint16_t> tiles(chosen.begin(), chosen.end());
    EXPECT_TRUE(std::is_sorted(tiles.begin(), tiles.end()));
    EXPECT_EQ(std::set(tiles.begin(), tiles.end()).size(), tiles.size()) << "one tile twice";
    for (const auto t : tiles) {
      if (seen_ns_.at(t) != INT64_MIN) longest_ns = std::max(longest_ns, capture_ns - seen_ns_[t]);
      seen_ns_[t] = capture_ns;
    }
    auto found = std::make_unique<Detections>();
    for (const Detection& d : objects)
      if (std::ranges::any_of(tiles, [&](auto t) { return in_share(t, d); })) found->add(d);
    schedule.observe(*found);
    return tiles;
  }
  bool in_share(std::size_t tile, const Detection& d) const {
    const PixelArea& a = schedule.share(tile);
    return d.x + 0.5f >= a.left && d.x + 0.5f < a.right && d.y + 0.5f >= a.top &&
           d.y + 0.5f < a.bottom;
  }
  bool looks_at(const std::vector<std::uint16_t>& tiles, const Detection& d) const {
    return std::ranges::any_of(tiles, [&](auto t) { return in_share(t, d); });
  }

  TileSchedule schedule;
  std::int64_t longest_ns = 0;

 private:
  std::vector<std::int64_t> seen_ns_;
};

TEST(TileSchedule, SharesCoverThePanoramaOnceAndLieInTheirTiles) {
  for (const double overlap : {0.0, 40.0, 133.0}) {
    const auto g = panorama();
    const TilePlan plan = plan_tiles(g, 640, 640, {TileLayout::spread, 1, overlap}, {});
    const TileSchedule schedule(plan, g, {}, 1);
    for (int y = 3; y < g.height; y += 7)
      for (int x = 5; x < g.width; x += 11) {
        int tiles = 0;
        for (std::size_t i = 0; i < plan.tiles.size(); ++i) {
          const PixelArea& a = schedule.share(i);
          if (x < a.left || x >= a.right || y < a.top || y >= a.bottom) continue;
          ++tiles;
          const PixelRect r = plan.rect(plan.tiles[i]);
          EXPECT_TRUE(x >= r.left && x < r.right && y >= r.top && y < r.bottom);
        }
        ASSERT_EQ(tiles, 1) << x << ", " << y << " with overlap " << overlap;
      }
  }
}

TEST(TileSchedule, AtTheEdgesOfTheTilesNothingIsBetweenThem) {
  // An object not larger than the overlap whose centre is in a share is whole in that tile.
  const auto g = panorama();
  const TilePlan plan = plan_tiles(g, 640, 640, {TileLayout::spread, 1, 60}, {});
  const TileSchedule schedule(plan, g, {}, 1);
  for (std::size_t i = 0; i < plan.tiles.size(); ++i) {
    const PixelArea& a = schedule.share(i);
    const PixelRect r = plan.rect(plan.tiles[i]);
    EXPECT_TRUE(r.left <= 0 || a.left - r.left >= 29) << i;
    EXPECT_TRUE(r.right >= g.width || r.right - a.right >= 29) << i;
    EXPECT_TRUE(r.top <= 0 || a.top - r.top >= 29) << i;
    EXPECT_TRUE(r.bottom >= g.height || r.bottom - a.bottom >= 29) << i;
  }
}

TEST(TileSchedule, AllTilesAtFirstAndWhereNothingElseIsAsked) {
  Watch all(forty_tiles(), {});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(all.look(i * 33 * kMillisecond_ns).size(), 40u);
  Watch few(forty_tiles(), {8, 1});
  EXPECT_EQ(few.look(0).size(), 40u) << "nothing is known before";
  EXPECT_EQ(few.look(33 * kMillisecond_ns).size(), 8u);
}

TEST(TileSchedule, NoTileIsUnseenForLongerThanTheBound) {
  for (const double bound_s : {0.5, 1.0, 3.0})
    for (const std::int64_t interval_ms : {16, 33, 77, 166, 240, 490})
      for (const int most : {1, 4, 8, 39})
        for (const std::size_t batch : {1u, 3u, 6u}) {
          SCOPED_TRACE(testing::Message() << bound_s << " s, every " << interval_ms << " ms, "
                                          << most << " tiles, batch " << batch);
          Watch w(forty_tiles(), {most, bound_s}, batch);
          // A ball and players that hold on to their tiles with all their might.
          std::vector<Detection> objects{object(ObjectClass::ball, 300, 300, 1)};
          for (int i = 0; i < 60; ++i)
            objects.push_back(object(ObjectClass::person, 200 + 40 * i, 300 + 10 * i, 1));
          std::size_t tiles = 0;
          int analyses = 0;
          for (std::int64_t t = 0; t < 8 * kSecond_ns; t += interval_ms * kMillisecond_ns) {
            const auto chosen = w.look(t, objects);
            if (t == 0) continue;
            tiles += chosen.size(), ++analyses;
            ASSERT_TRUE(w.looks_at(chosen, objects[0])) << "the ball's tile, each time";
          }
          EXPECT_LE(w.longest_ns, std::llround(bound_s * 1e9));
          EXPECT_EQ(w.schedule.longest_unseen_ns(), w.longest_ns);
          // No more than was asked for, but for the bound, the ball and the batch.
          const double steady = 40 / std::floor(bound_s * 1000 / static_cast<double>(interval_ms));
          EXPECT_LE(static_cast<double>(tiles) / analyses,
                    std::min(40.0, std::max<double>(most, std::ceil(steady) + 1) +
                                       static_cast<double>(batch) - 1));
        }
}

TEST(TileSchedule, TheBoundHoldsWhenAnalysesComeIrregularly) {
  std::mt19937 random(5);
  Watch w(forty_tiles(), {6, 1});
  std::int64_t t = 0;
  for (int i = 0; i < 400; ++i) {
    w.look(t);
    t += static_cast<std::int64_t>(33 + random() % 3 * 33) * kMillisecond_ns;
  }
  EXPECT_LE(w.longest_ns, kSecond_ns);
}

TEST(TileSchedule, ADeviceThatIsTooSlowForTheBoundLooksAtAllTiles) {
  Watch w(forty_tiles(), {4, 1});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(w.look(i * 1500 * kMillisecond_ns).size(), 40u);
}

TEST(TileSchedule, ABatchThatIsPaidForIsFilled) {
  Watch w(forty_tiles(), {7, 2}, 6);
  w.look(0);
  EXPECT_EQ(w.look(33 * kMillisecond_ns).size(), 12u);
  Watch whole(forty_tiles(), {39, 2}, 16);
  whole.look(0);
  EXPECT_EQ(whole.look(33 * kMillisecond_ns).size(), 40u) << "there are no more tiles than that";
}

TEST(TileSchedule, ABallInFlightIsInTheTilesLookedAt) {
  for (const double speed : {200.0, 900.0, 1700.0}) {  // panorama pixels a second
    Watch w(forty_tiles(), {8, 1});
    int seen = 0, analyses = 0;
    for (std::int64_t t = 0; t < 3 * kSecond_ns; t += 100 * kMillisecond_ns, ++analyses) {
      const double s = 1e-9 * static_cast<double>(t);
      const Detection ball = object(ObjectClass::ball, 100 + speed * s, 900 + 250 * std::sin(s));
      seen += w.looks_at(w.look(t, {ball}), ball);
    }
    EXPECT_EQ(seen, analyses) << speed << " pixels a second";
  }
}

TEST(TileSchedule, ABallThatWasMissedIsLookedForAroundItsPlace) {
  Watch w(forty_tiles(), {10, 1});
  const Detection ball = object(ObjectClass::ball, 2850, 1000);
  for (int i = 0; i < 5; ++i) w.look(i * 100 * kMillisecond_ns, {ball});
  for (int i = 5; i < 15; ++i)
    EXPECT_TRUE(w.looks_at(w.look(i * 100 * kMillisecond_ns), ball)) << "missed " << i - 4;
}

TEST(TileSchedule, PlayersDrawTheRestOfTheTiles) {
  Watch w(forty_tiles(), {8, 1});
  std::vector<Detection> players;
  for (int i = 0; i < 10; ++i) players.push_back(object(ObjectClass::person, 4000 + 30 * i, 1000));
  w.look(0, players);
  int looks = 0;
  for (int i = 1; i <= 20; ++i)
    looks += w.looks_at(w.look(i * 33 * kMillisecond_ns, players), players[5]);
  EXPECT_EQ(looks, 20);
}

TEST(TileSchedule, FiveHundredBallsDoNotStarveTheRest) {
  Watch w(forty_tiles(), {6, 1});
  std::mt19937 random(1);
  for (std::int64_t t = 0; t < 5 * kSecond_ns; t += 100 * kMillisecond_ns) {
    std::vector<Detection> balls;
    for (int i = 0; i < 500; ++i) balls.push_back(anywhere(ObjectClass::ball, random));
    EXPECT_LE(w.look(t, balls).size(), t == 0 ? 40u : 6u);
  }
  EXPECT_LE(w.longest_ns, kSecond_ns);
}

TEST(TileSchedule, InstantsThatJumpRepeatOrRunBackwardsDoNoHarm) {
  Watch w(forty_tiles(), {6, 1});
  for (const std::int64_t t :
       {std::int64_t{0}, std::int64_t{0}, 60 * kSecond_ns, 60 * kSecond_ns + 1, kSecond_ns,
        std::int64_t{-5}, std::numeric_limits<std::int64_t>::max() / 4, std::int64_t{7}}) {
    const auto tiles = w.schedule.choose(t);
    EXPECT_GE(tiles.size(), 1u);
    EXPECT_LE(tiles.size(), 40u);
    w.schedule.observe(Detections{});
  }
  EXPECT_EQ(w.schedule.choose(0).size(), 40u) << "a time line that starts anew";
}

TEST(TileSchedule, PositionsThatAreNotNumbersDoNoHarm) {
  Watch w(forty_tiles(), {6, 1});
  const double nan = std::nan(""), far = 1e30;
  for (int i = 0; i < 30; ++i) w.look(i * 33 * kMillisecond_ns, {});
  auto found = std::make_unique<Detections>();
  for (const double v : {nan, far, -far}) {
    found->add(object(ObjectClass::ball, v, v));
    found->add(object(ObjectClass::person, v, v));
  }
  found->add(object(ObjectClass::ball, 100, 100, nan));
  w.schedule.observe(*found);
  for (int i = 30; i < 60; ++i) EXPECT_EQ(w.look(i * 33 * kMillisecond_ns).size(), 6u);
}

TEST(TileSchedule, TheSameCallsGiveTheSameTiles) {
  Watch a(forty_tiles(), {7, 1}, 2), b(forty_tiles(), {7, 1}, 2);
  std::mt19937 random(9);
  for (int i = 0; i < 100; ++i) {
    const std::vector<Detection> objects{anywhere(ObjectClass::ball, random),
                                         anywhere(ObjectClass::person, random)};
    ASSERT_EQ(a.look(i * 40 * kMillisecond_ns, objects), b.look(i * 40 * kMillisecond_ns, objects));
  }
}

TEST(TileSchedule, RefusesNumbersWithoutMeaning) {
  const TilePlan plan = forty_tiles();
  const auto make = [&](int most, double seen_every_s, std::size_t batch) {
    TileSchedule(plan, panorama(), {most, seen_every_s}, batch);
  };
  EXPECT_THROW(make(-1, 1, 1), std::invalid_argument);
  EXPECT_THROW(make(1, 0, 1), std::invalid_argument);
  EXPECT_THROW(make(1, std::nan(""), 1), std::invalid_argument);
  EXPECT_THROW(make(1, 1, 0), std::invalid_argument);
}

}  // namespace
}  // namespace gantry
