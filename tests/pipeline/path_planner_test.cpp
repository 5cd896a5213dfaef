// The planner of one axis: a plan that the camera can follow.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/path_planner.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace gantry {
namespace {

// Play leaps by a quarter turn: what is planned keeps to the limits, begins early and does not
// swing beyond.
TEST(PathPlanner, PlansWithinTheLimitsOfTheAxis) {
  const AxisLimits limits{radians(40), radians(18), radians(60)};
  std::array<AxisTarget, PathPlanner::kSteps> targets;
  for (std::size_t k = 0; k < targets.size(); ++k)
    targets[k] = {k < 30 ? radians(-45) : radians(45), 0.25, radians(1), 3};
  PathPlanner planner;
  planner.plan({radians(-45), 0, 0}, targets, {0.18, 0.0015}, limits);
  for (const AxisState& s : planner.path()) {
    EXPECT_LE(std::abs(s.speed), 1.1 * limits.speed);
    EXPECT_LE(std::abs(s.acceleration), 1.5 * limits.acceleration);  // softly
    EXPECT_LE(s.place, radians(50));
  }
  EXPECT_GE(planner.path()[29].place, radians(-30));
  EXPECT_NEAR(planner.path().back().place, radians(45), radians(3));
}

}  // namespace
}  // namespace gantry
