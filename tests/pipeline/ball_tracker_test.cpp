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
  void put(Direction at, double confidence) {
    found_.add({static_cast<float>(kPanorama.x_of(at.yaw)),
                static_cast<float>(kPanorama.y_of(at.pitch)), 8, 8, static_cast<float>(confidence),
                ObjectClass::ball});
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

}  // namespace
}  // namespace gantry
