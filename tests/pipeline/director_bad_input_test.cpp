// Directors whose detector fails them: silence, masks, odd rigs and delays, a second ball, a flood.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "pipeline/director.hpp"
#include "pipeline/field_mask.hpp"

namespace gantry {
namespace {

constexpr double kFrames = 30, kAnalyses = 6;  // a second
const PanoramaGeometry kTwoCameras{5700,        1900,        radians(-90),
                                   radians(90), radians(11), radians(-36)};
const PanoramaGeometry kOneCamera{1120, 600, radians(-28), radians(28), radians(15), radians(-15)};

struct Direction {
  double yaw, pitch;
};

class BadInput : public testing::Test {
 protected:
  struct Shown {
    CameraPose pose;
    Reason reason;
    Direction ball;
  };

  void use(const PanoramaGeometry& panorama) {
    panorama_ = panorama;
    limits_ = std::make_unique<ViewLimits>(panorama_, 1920, 1080);
    director_ = make_director(config_, panorama_, *limits_);
  }
  void SetUp() override {
    config_.kind = DirectorConfig::Kind::follow;
    use(kTwoCameras);
  }

  // To and fro over most of the panorama, with the players around it.
  Direction play(double t) const {
    const double reach = 0.6 * panorama_.yaw_right;
    return {reach * std::sin(0.35 * t), radians(-6)};
  }
  virtual void fill(double t, Detections& found) {
    put(play(t), ObjectClass::ball, 0.75, found);
    put_players(t, found);
  }
  void put(Direction at, ObjectClass object, double confidence, Detections& found) {
    const auto x = static_cast<float>(panorama_.x_of(at.yaw)),
               y = static_cast<float>(panorama_.y_of(at.pitch));
    if (mask_.contains(x, y))
      found.add({x, y, 8, object == ObjectClass::ball ? 8.0f : 40.0f,
                 static_cast<float>(confidence), object});
  }
  void put_players(double t, Detections& found) {
    for (int i = 0; i < 12; ++i)
      put({play(t).yaw + radians(1.5 * (i - 6)), radians(-6 - i % 3)}, ObjectClass::person, 0.8,
          found);
  }

  // Films to `until_s`; between silent_from_ and silent_to_ no analysis comes at all.
  void film(double until_s, double delay_s) {
    for (; frame_ < until_s * kFrames; ++frame_) {
      const double shown = frame_ / kFrames;
      for (; next_s_ <= shown + delay_s; next_s_ += 1 / kAnalyses) {
        if (next_s_ >= silent_from_ && next_s_ < silent_to_) continue;
        Detections found;
        found.capture_ns = std::llround(1e9 * next_s_);
        fill(next_s_, found);
        director_->observe(found);
      }
      const Decision& d = director_->decide(std::llround(1e9 * shown));
      ASSERT_TRUE(limits_->fits(d.pose)) << shown;
      film_.push_back({d.pose, d.reason, play(shown)});
    }
  }
  void expect_smooth() const {
    for (std::size_t i = 3; i < film_.size(); ++i) {
      const auto yaw = [&](std::size_t back) { return film_[i - back].pose.yaw; };
      const double speed = (yaw(0) - yaw(1)) * kFrames, before = (yaw(1) - yaw(2)) * kFrames,
                   earlier = (yaw(2) - yaw(3)) * kFrames;
      const auto& limit = config_.motion.yaw;
      ASSERT_LE(std::abs(speed), limit.speed * 1.001) << i;
      ASSERT_LE(std::abs(speed - before) * kFrames, limit.acceleration * 1.001) << i;
      ASSERT_LE(std::abs(speed - 2 * before + earlier) * kFrames * kFrames, limit.jerk * 1.01) << i;
    }
  }
  double in_frame(double from_s, double to_s) const {
    double inside = 0;
    const auto from = static_cast<std::size_t>(from_s * kFrames),
               to = static_cast<std::size_t>(to_s * kFrames);
    for (std::size_t i = from; i < to; ++i) {
      const Shown& s = film_[i];
      const Vector3 d = apply(camera_from_panorama({s.pose.yaw, s.pose.pitch, 0}),
                              direction_of(s.ball.yaw, s.ball.pitch));
      const double t = std::tan(s.pose.field_of_view / 2) * d.z;
      inside += d.z > 0 && std::abs(d.x) < t && std::abs(d.y) < t * 9 / 16;
    }
    return inside / static_cast<double>(to - from);
  }
  const Shown& at(double t) const { return film_[static_cast<std::size_t>(t * kFrames)]; }

  DirectorConfig config_;
  PanoramaGeometry panorama_;
  std::unique_ptr<ViewLimits> limits_;
  std::unique_ptr<Director> director_;
  FieldMask mask_;
  double silent_from_ = 1e9, silent_to_ = 1e9, next_s_ = 0;
  int frame_ = 0;
  std::vector<Shown> film_;
};

// The detector hangs for a minute and comes back: home in between, and back to play without a jump.
TEST_F(BadInput, AMinuteWithoutAnalysesLeadsHomeAndBackToPlay) {
  silent_from_ = 20, silent_to_ = 80;
  film(110, 7);
  EXPECT_GE(in_frame(3, 19), 0.99);
  EXPECT_EQ(at(19).reason, Reason::ball);
  EXPECT_EQ(at(60).reason, Reason::nothing);
  EXPECT_NEAR(at(60).pose.yaw, limits_->home().yaw, radians(1));
  EXPECT_GE(in_frame(84, 110), 0.99);
  EXPECT_EQ(at(90).reason, Reason::ball);
  expect_smooth();
}

// A mask that was drawn around a patch of sky: nothing counts, and the camera says so.
TEST_F(BadInput, AMaskThatHidesEverythingLeavesTheCameraAtHome) {
  const std::array corner{MaskPoint{radians(-80), radians(5)}, MaskPoint{radians(-70), radians(5)},
                          MaskPoint{radians(-75), radians(9)}};
  mask_ = FieldMask(corner, panorama_);
  film(30, 7);
  for (const Shown& s : film_) {
    ASSERT_NEAR(s.pose.yaw, limits_->home().yaw, 1e-9);
    ASSERT_EQ(s.reason, Reason::nothing);
  }
}

TEST_F(BadInput, ARigOfOneCameraIsFilmedWithinItsPicture) {
  use(kOneCamera);
  film(60, 7);
  EXPECT_GE(in_frame(3, 60), 0.99);
  expect_smooth();
}

TEST_F(BadInput, EveryDelayFollowsAsWellAsItCan) {
  for (const auto& [delay_s, least] :
       {std::pair{0.0, 0.93}, {0.5, 0.97}, {7.0, 0.99}, {20.0, 0.99}}) {
    use(kTwoCameras);
    film_.clear(), frame_ = 0, next_s_ = 0;
    film(60, delay_s);
    EXPECT_GE(in_frame(5, 60), least) << "delay " << delay_s;
    expect_smooth();
  }
}

// More candidates than there is room for, at random; the ball is among them and looks most like one.
class Flood : public BadInput {
 protected:
  void fill(double t, Detections& found) override {
    const auto any = [&](double most) {
      return most * (2 * static_cast<double>(random_()) / 4294967295.0 - 1);
    };
    for (int i = 0; i < 487; ++i)
      put({any(radians(85)), radians(-12) + any(radians(10))}, ObjectClass::ball, 0.5 + any(0.14),
          found);
    put(play(t), ObjectClass::ball, 0.95, found);
    put_players(t, found);
    EXPECT_EQ(found.count, 500u);
  }
  std::mt19937 random_{5};
};
TEST_F(Flood, FiveHundredCandidatesDoNotHideTheBall) {
  film(40, 7);
  EXPECT_GE(in_frame(3, 40), 0.97);
  expect_smooth();
}

// A second ball is kicked about beside the pitch, far from the players and looking less like a ball.
class SecondBall : public BadInput {
 protected:
  void fill(double t, Detections& found) override {
    BadInput::fill(t, found);
    put({radians(-60 + 10 * std::sin(t)), radians(-2.8)}, ObjectClass::ball, 0.6, found);
  }
};
TEST_F(SecondBall, IsNotFollowed) {
  film(60, 7);
  EXPECT_GE(in_frame(3, 60), 0.99);
  for (double t = 5; t < 60; t += 1) EXPECT_EQ(at(t).reason, Reason::ball) << t;
}

}  // namespace
}  // namespace gantry
