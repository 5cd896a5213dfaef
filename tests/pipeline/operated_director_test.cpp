// An operator's hand on the camera: hand-overs without a jump, hand-backs, switches of the director.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/operated_director.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr std::int64_t kFrame_ns = 40'000'000;  // 25 a second
const PanoramaGeometry kPanorama{5700, 1900, radians(-90), radians(90), radians(27), radians(-27)};

std::array<double, 3> axes(const CameraPose& p) {
  return {p.yaw, p.pitch, p.field_of_view};
}
bool same(const CameraPose& a, const CameraPose& b) {
  return axes(a) == axes(b);
}

class Operated : public testing::Test {
 protected:
  ViewLimits limits_{kPanorama, 1920, 1080};
  ControlCommands commands_;
  ControlStatuses statuses_;
  std::int64_t now_ns_ = 1'000'000'000;
  CameraPose last_, last_speed_;
  int frames_ = 0;

  static DirectorConfig config(DirectorConfig::Kind kind) {
    DirectorConfig c;
    c.kind = kind;
    c.sweep.speed = radians(20), c.sweep.acceleration = radians(25);
    c.fixed = {radians(20), radians(-5), radians(50)};
    // Of the hand; above the sweep's, so that it can be caught up with.
    c.motion.yaw.speed = radians(30), c.motion.yaw.acceleration = radians(30);
    c.motion.pitch.speed = radians(12), c.motion.pitch.acceleration = radians(15);
    c.motion.field_of_view.speed = radians(10), c.motion.field_of_view.acceleration = radians(12);
    return c;
  }
  std::unique_ptr<OperatedDirector> make(DirectorConfig::Kind kind, double hand_back_s = 20) {
    return std::make_unique<OperatedDirector>(config(kind), kPanorama, limits_, hand_back_s,
                                              commands_, statuses_);
  }
  void steer(std::optional<double> yaw, std::optional<double> pitch, std::optional<double> view,
             std::optional<double> hold_s = {}) {
    ControlCommand c;
    c.kind = ControlCommand::Kind::steer;
    if (yaw) c.yaw = radians(*yaw);
    if (pitch) c.pitch = radians(*pitch);
    if (view) c.field_of_view = radians(*view);
    c.hold_s = hold_s;
    commands_.push(std::move(c));
  }
  void release() { commands_.push({}); }
  void direct(DirectorConfig::Kind kind) {
    ControlCommand c;
    c.kind = ControlCommand::Kind::direct;
    c.director = kind;
    commands_.push(std::move(c));
  }
  // One frame; checks what must hold of every one.
  const Decision& frame(OperatedDirector& d) {
    const Decision& decision = d.decide(now_ns_ += kFrame_ns);
    EXPECT_EQ(decision.capture_ns, now_ns_);
    EXPECT_TRUE(limits_.fits(decision.pose));
    const auto m = config(DirectorConfig::Kind::fixed).motion;
    const AxisLimits most[] = {m.yaw, m.pitch, m.field_of_view};
    CameraPose speed;
    if (frames_ > 0) {
      const double s = 1e-9 * kFrame_ns;
      const auto here = axes(decision.pose), before = axes(last_), was = axes(last_speed_);
      std::array<double, 3> rate{};
      for (std::size_t i = 0; i < 3; ++i) {
        rate[i] = (here[i] - before[i]) / s;
        // The last step, on to the director's own path, may differ by what it was caught up within.
        EXPECT_LE(std::abs(rate[i]), most[i].speed * 1.02 + radians(0.51)) << "axis " << i;
        if (frames_ > 1) {
          EXPECT_LE(std::abs(rate[i] - was[i]) / s, most[i].acceleration * 1.02 + radians(0.51) / s)
              << "axis " << i << " frame " << frames_;
          worst_[i] = std::max(worst_[i], std::abs(rate[i] - was[i]) / s / most[i].acceleration);
        }
        const double acceleration = (rate[i] - was[i]) / s;
        if (frames_ > 2)
          jerk_[i] =
              std::max(jerk_[i], std::abs(acceleration - acceleration_[i]) / s / most[i].jerk);
        acceleration_[i] = acceleration;
      }
      speed = {rate[0], rate[1], rate[2]};
    }
    last_ = decision.pose, last_speed_ = speed, ++frames_;
    return decision;
  }
  const Decision& frames(OperatedDirector& d, double seconds) {
    for (int i = 1; i < std::lround(seconds * 1e9 / kFrame_ns); ++i) frame(d);
    return frame(d);
  }
  std::array<double, 3> worst_{};                  // acceleration over its limit
  std::array<double, 3> jerk_{}, acceleration_{};  // jerk over its limit
};

TEST_F(Operated, PassesTheDirectorsDecisionsOnToTheBit) {
  const auto operated = make(DirectorConfig::Kind::sweep);
  const auto plain = make_director(config(DirectorConfig::Kind::sweep), kPanorama, limits_);
  for (int i = 0; i < 200; ++i) {
    const Decision& d = frame(*operated);
    ASSERT_TRUE(same(d.pose, plain->decide(now_ns_).pose)) << i;
    EXPECT_EQ(d.reason, Reason::set);
  }
}

TEST_F(Operated, AHandMovesTheCameraAndHandsBackAfterItsTime) {
  const auto d = make(DirectorConfig::Kind::sweep, 6);
  const auto plain = make_director(config(DirectorConfig::Kind::sweep), kPanorama, limits_);
  const auto base = [&] { return plain->decide(now_ns_).pose; };
  for (int i = 0; i < 50; ++i) frame(*d), base();  // in full swing
  steer(-30, -4, 45);
  for (int i = 0; i < 125; ++i) frame(*d), base();
  EXPECT_NEAR(last_.yaw, radians(-30), radians(0.1)) << "there, after five seconds";
  EXPECT_NEAR(last_.pitch, radians(-4), radians(0.1));
  EXPECT_NEAR(last_.field_of_view, radians(45), radians(0.1));
  for (int i = 0; i < 25 * 12; ++i) frame(*d), base();
  const CameraPose shown = frame(*d).pose;
  EXPECT_TRUE(same(shown, base())) << "the director leads again, to the bit";
}

TEST_F(Operated, TheHandOverKeepsTheLimitsOfMotion) {
  for (const double at_s : {0.3, 1.0, 2.0, 3.7}) {
    const auto d = make(DirectorConfig::Kind::sweep, 3);
    frames_ = 0;
    frames(*d, at_s);
    steer(40, {}, 30);
    frames(*d, 2);
    steer(-50, -6, 70);
    frames(*d, 12);
  }
  EXPECT_LE(worst_[0], 1.02);
  EXPECT_LE(worst_[1], 1.02);
  EXPECT_LE(worst_[2], 1.02);
}

// Taken over at rest and in motion, turned round on the way, handed back to a director that stands.
TEST_F(Operated, AHandKeepsTheLimitOfJerk) {
  const auto d = make(DirectorConfig::Kind::fixed, 0);
  frames(*d, 1);
  for (const double yaw : {-40.0, 50.0, 10.0}) {
    steer(yaw, -6 + yaw / 20, 40 + yaw / 5);
    frames(*d, 1.3);
    steer(-yaw, {}, 60);
    frames(*d, 6);
    EXPECT_NEAR(last_.yaw, radians(-yaw), radians(0.01)) << "there, and not beyond";
    release();
    frames(*d, yaw > 40 ? 0.7 : 7);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LE(jerk_[i], 1.1) << "axis " << i;
    EXPECT_GE(jerk_[i], 0.5) << "axis " << i << " was not put to the test";
  }
}

TEST_F(Operated, ReleaseHandsBackAtOnceAndZeroHoldsForEver) {
  const auto d = make(DirectorConfig::Kind::fixed, 2);
  frames(*d, 1);
  steer(-40, {}, {}, 0.0);
  frames(*d, 60);
  EXPECT_NEAR(last_.yaw, radians(-40), 1e-3) << "held beyond the configured time";
  release();
  frames(*d, 10);
  EXPECT_NEAR(last_.yaw, radians(20), 1e-9);
  release();  // of nothing
  frames(*d, 1);
  EXPECT_NEAR(last_.yaw, radians(20), 1e-9);
}

TEST_F(Operated, AnglesThatAreNotGivenStay) {
  const auto d = make(DirectorConfig::Kind::fixed, 0);
  frames(*d, 1);
  steer({}, {}, 30);
  frames(*d, 8);
  EXPECT_NEAR(last_.yaw, radians(20), 1e-3);
  EXPECT_NEAR(last_.field_of_view, radians(30), 1e-3);
  steer(0, {}, {});
  frames(*d, 8);
  EXPECT_NEAR(last_.yaw, 0, 1e-3);
  EXPECT_NEAR(last_.pitch, radians(-5), 1e-3);
  EXPECT_NEAR(last_.field_of_view, radians(30), 1e-3);
}

TEST_F(Operated, ManualWithoutAnglesBrakesAndStands) {
  const auto d = make(DirectorConfig::Kind::sweep, 0);
  frames(*d, 2.5);
  const double fast = std::abs(last_speed_.yaw);
  ASSERT_GT(fast, radians(10));
  steer({}, {}, {});
  frames(*d, 4);
  const CameraPose there = last_;
  frames(*d, 4);
  EXPECT_NEAR(last_.yaw, there.yaw, radians(0.05));
  EXPECT_LT(std::abs(last_speed_.yaw), radians(0.1));
}

TEST_F(Operated, DirectorsAreSwitchedWithoutAJump) {
  const auto d = make(DirectorConfig::Kind::sweep);
  frames(*d, 2);
  direct(DirectorConfig::Kind::fixed);
  frames(*d, 10);
  EXPECT_NEAR(last_.yaw, radians(20), 1e-9);
  direct(DirectorConfig::Kind::follow);
  frames(*d, 10);
  direct(DirectorConfig::Kind::sweep);
  frames(*d, 20);
  EXPECT_GT(std::abs(last_speed_.yaw) + std::abs(last_.yaw), radians(1)) << "it sweeps";
  EXPECT_LE(worst_[0], 1.02);
}

TEST_F(Operated, StatusSaysWhoLeads) {
  const auto d = make(DirectorConfig::Kind::fixed, 5);
  ControlStatus s;
  ASSERT_TRUE(statuses_.pop(s));
  EXPECT_EQ(s.director, DirectorConfig::Kind::fixed);
  EXPECT_EQ(s.capture_ns, 0) << "there is no frame yet";
  frame(*d);
  ASSERT_TRUE(statuses_.pop(s));
  EXPECT_FALSE(s.manual);
  EXPECT_EQ(s.director, DirectorConfig::Kind::fixed);
  EXPECT_EQ(s.capture_ns, now_ns_);
  steer(0, 0, 50);
  frames(*d, 1);
  ASSERT_TRUE(statuses_.pop(s));
  EXPECT_TRUE(s.manual);
  EXPECT_NEAR(s.hand_back_s, 4.04, 1e-6);
  EXPECT_NEAR(s.pose.yaw, last_.yaw, 1e-12);
  steer(0, 0, 50, 0.0);
  frames(*d, 1);
  ASSERT_TRUE(statuses_.pop(s));
  EXPECT_EQ(s.hand_back_s, 0);
}

TEST_F(Operated, FramesShownAgainAndStrangeInstantsDoNoHarm) {
  const auto d = make(DirectorConfig::Kind::sweep, 5);
  frames(*d, 2);
  steer(-20, {}, 40);
  const CameraPose once = frame(*d).pose;
  EXPECT_TRUE(same(d->decide(now_ns_).pose, once)) << "shown again";
  for (const std::int64_t t : {now_ns_ - 50'000'000'000, now_ns_ + 60'000'000'000, std::int64_t{0},
                               INT64_MIN, INT64_MAX, now_ns_}) {
    steer(30, 2, 60);
    const Decision& decision = d->decide(t);
    EXPECT_TRUE(limits_.fits(decision.pose)) << t;
    EXPECT_TRUE(std::isfinite(decision.pose.yaw));
  }
}

TEST_F(Operated, WhatDoesNotFitIsBroughtToWhatFits) {
  const auto d = make(DirectorConfig::Kind::fixed, 0);
  std::mt19937 random(3);
  const auto any = [&](double range) {
    return range * (2.0 * static_cast<double>(random()) / 4294967295.0 - 1);
  };
  for (int i = 0; i < 40; ++i) {
    steer(any(400), any(400), any(400));
    frames(*d, 0.5);  // each checks that the view fits
  }
  steer(170, 80, 100);
  frames(*d, 15);
  EXPECT_TRUE(same(last_, limits_.clamp(last_)));
}

TEST_F(Operated, AFloodOfCommandsIsBounded) {
  const auto d = make(DirectorConfig::Kind::fixed, 0);
  frame(*d);
  for (int i = 0; i < 10'000; ++i) steer(i % 40, {}, {});
  EXPECT_EQ(commands_.size(), ControlCommands::capacity());
  EXPECT_EQ(commands_.dropped(), 10'000 - ControlCommands::capacity());
  frame(*d);
  EXPECT_EQ(commands_.size(), 0u);
}

}  // namespace
}  // namespace gantry
