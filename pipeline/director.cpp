// The choice of a director, and the check of its numbers.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/director.hpp"

#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "pipeline/fixed_director.hpp"
#include "pipeline/follow_director.hpp"
#include "pipeline/sweep_director.hpp"

namespace gantry {
namespace {

// `low` itself is in the range only where `closed`.
void check(const char* name, double value, double low, double high, bool closed = true) {
  if (std::isfinite(value) && (closed ? value >= low : value > low) && value <= high) return;
  throw std::invalid_argument(
      fmt::format("director: {} is {:.6g}; it must be {} {:.6g} and at most {:.6g}", name, value,
                  closed ? "at least" : "above", low, high));
}

void check_view(const char* name, double field_of_view) {
  check(name, field_of_view, kNarrowestView, kWidestView);
}

constexpr double kFastest = 100;  // rad/s and rad/s²: faster than any picture of use

void check(const char* name, const AxisLimits& axis) {
  check(name, axis.speed, 0, kFastest, false);
  check(name, axis.acceleration, 0, kFastest, false);
  check(name, axis.jerk, 0, kFastest, false);
}

void check(const DirectorConfig& c) {
  check_view("fixed.field_of_view", c.fixed.field_of_view);
  check("fixed.yaw", c.fixed.yaw, -radians(360), radians(360));
  check("fixed.pitch", c.fixed.pitch, -radians(90), radians(90));
  check_view("sweep.field_of_view", c.sweep.field_of_view);
  check("sweep.pitch", c.sweep.pitch, -radians(90), radians(90));
  check("sweep.speed", c.sweep.speed, 0, kFastest, false);
  check("sweep.acceleration", c.sweep.acceleration, 0, kFastest, false);
  check_view("follow.narrow", c.follow.narrow);
  check("follow.wide", c.follow.wide, c.follow.narrow, kWidestView);
  check("follow.ball_confidence", c.follow.ball_confidence, 0, 1);
  check("follow.person_confidence", c.follow.person_confidence, 0, 1);
  check("follow.ball_speed", c.follow.ball_speed, 0, kFastest, false);
  check("follow.camera_height", c.follow.camera_height, 0, 100, false);
  check("follow.scene", c.follow.scene, 0, 200, false);
  check("follow.slack", c.follow.slack, 0, 0.5);
  check("follow.hold_s", c.follow.hold_s, 0, 60, false);
  check("follow.smoothing_s", c.follow.smoothing_s, 0, 10, false);
  check("motion.yaw", c.motion.yaw);
  check("motion.pitch", c.motion.pitch);
  check("motion.field_of_view", c.motion.field_of_view);
}

}  // namespace

FollowConfig follow_preset(Preset preset) {
  FollowConfig c;
  if (preset == Preset::action) {
    c.narrow = radians(26), c.wide = radians(50);
    c.scene = 17, c.smoothing_s = 0.55, c.slack = 0.03;
  } else if (preset == Preset::wide) {
    c.narrow = radians(48), c.wide = radians(80);
    c.scene = 40, c.smoothing_s = 1.2, c.slack = 0.08;
  }
  return c;
}

MotionLimits motion_preset(Preset preset) {
  MotionLimits m;
  if (preset == Preset::action) {
    m.yaw = {radians(60), radians(70), radians(200)};
    m.pitch = {radians(25), radians(35), radians(100)};
    m.field_of_view = {radians(15), radians(20), radians(60)};
  }
  return m;
}

std::unique_ptr<Director> make_director(const DirectorConfig& config,
                                        const PanoramaGeometry& panorama,
                                        const ViewLimits& limits) {
  check(config);
  switch (config.kind) {
    case DirectorConfig::Kind::fixed:
      return std::make_unique<FixedDirector>(config.fixed, limits);
    case DirectorConfig::Kind::sweep:
      return std::make_unique<SweepDirector>(config.sweep, limits);
    default:
      return std::make_unique<FollowDirector>(config.follow, config.motion, panorama, limits);
  }
}

}  // namespace gantry
