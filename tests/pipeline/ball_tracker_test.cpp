// The ball's tracker where it is not seen.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/ball_tracker.hpp"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "pipeline/director.hpp"

namespace gantry {
namespace {

constexpr double kAnalyses = 6;  // a second
const PanoramaGeometry kPanorama{5700, 1900, radians(-90), radians(90), radians(11), radians(-37)};

struct Direction {
  double yaw, pitch;
};

class BallTrackerTest : public testing::Test {
 protected:
  // So many analyses; the ball is not found where `hidden` says so.
  void film(int count, const std::function<Direction(double)>& ball,
            const std::function<bool(double)>& hidden) {
    for (int i = 0; i < count; ++i) {
      const double t = i / kAnalyses;
      found_.capture_ns = instant(t);
      found_.count = 0;
      if (!hidden(t)) put(ball(t), 0.75);
      tracker_.observe(found_, {});
    }
  }
  void put(Direction at, double confidence, float pixels = 8) {
    found_.add({static_cast<float>(kPanorama.x_of(at.yaw)),
                static_cast<float>(kPanorama.y_of(at.pitch)), pixels, pixels,
                static_cast<float>(confidence), ObjectClass::ball});
  }
  static std::int64_t instant(double t) { return std::llround(1e9 * t); }
  BallState at(double t) const { return tracker_.at(instant(t)); }

  BallTracker tracker_{{}, kPanorama, Ground{}};
  Detections found_;
};

// A ball that comes, turns where nobody sees it and goes back was beyond both sights.
TEST_F(BallTrackerTest, AGapIsBridgedAsTheBallCameAndGoesOn) {
  const auto turns = [](double t) {
    return Direction{radians(15 - 3 * (t - 5) * (t - 5)), radians(-6)};
  };
  film(60, turns, [](double t) { return t > 4 && t < 6; });
  const double straight = std::abs(turns(5).yaw - turns(4).yaw);
  EXPECT_LT(std::abs(at(5).yaw - turns(5).yaw), straight / 3);
  EXPECT_TRUE(at(5).interpolated);
}

// A ball that lies is sure to lie there, also while it is not seen.
TEST_F(BallTrackerTest, ALyingBallIsKeptThroughAGap) {
  const auto lies = [](double) { return Direction{radians(-30), radians(-12)}; };
  film(60, lies, [](double t) { return t > 5 && t < 7.5; });
  EXPECT_NEAR(at(6.2).yaw, lies(6.2).yaw, radians(0.2));
  EXPECT_GE(at(6.2).confidence, 0.8);
}

// Where it is played the moment that it is seen again, it lay till then: how it goes on tells nothing.
TEST_F(BallTrackerTest, ALyingBallStaysUntilItIsPlayed) {
  const auto played = [](double t) {
    return Direction{radians(-30 + 18 * std::max(0.0, t - 8.05)), radians(-12)};
  };
  film(60, played, [](double t) { return t > 5 && t < 7.9; });
  EXPECT_NEAR(at(7).yaw, radians(-30), radians(0.5));
}

// The ball rolls on 30 m away while it is not seen; what appears beside it is 60 m away by its size.
TEST_F(BallTrackerTest, WhatIsOfAnotherDistanceIsNotTheBall) {
  const auto rolls = [](double t) { return Direction{radians(-5 + 2 * t), radians(-9.5)}; };
  const auto hidden = [](double t) { return t > 4.9 && t < 6.9; };
  for (int i = 0; i < 60; ++i) {
    const double t = i / kAnalyses;
    found_.capture_ns = instant(t);
    found_.count = 0;
    if (hidden(t)) {
      if (t > 5.4 && t < 6.6) put({rolls(t).yaw + radians(3), radians(-4.5)}, 0.5, 6.5f);
    } else {
      put(rolls(t), 0.75, 13);
    }
    tracker_.observe(found_, {});
  }
  EXPECT_NEAR(at(6).pitch, rolls(6).pitch, radians(1.5));
}

// As long as it may still lie where it was last seen that place is told: until the ball must be on its
// way to where it is seen next.
TEST_F(BallTrackerTest, TheLastSureSightIsToldAsLongAsItMayLieThere) {
  const auto played = [](double t) { return Direction{radians(t < 8 ? -30 : 10), radians(-12)}; };
  film(70, played, [](double t) { return t > 5 && t < 8; });
  const LastSight early = tracker_.last_sight(instant(6)), late = tracker_.last_sight(instant(7.8));
  EXPECT_TRUE(early.known);
  EXPECT_TRUE(early.lay);
  EXPECT_NEAR(early.yaw, radians(-30), radians(0.2));
  EXPECT_NEAR(early.gap_s, 3, 0.2);
  EXPECT_FALSE(late.known);
  EXPECT_FALSE(tracker_.last_sight(instant(-1)).known);
}

}  // namespace
}  // namespace gantry
