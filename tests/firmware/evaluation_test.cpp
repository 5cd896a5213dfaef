// Evaluation of a detector: counts, matches and average precision on cases worked out by hand.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/evaluation.hpp"

#include <gtest/gtest.h>

namespace gantry {
namespace {

SimObject ball(double x, double y, double diameter, double visible = 1) {
  const double r = diameter / 2;
  return {true, x - r, y - r, x + r, y + r, diameter, visible};
}
SimObject person(double x, double y, double height) {
  return {false, x - height / 6, y - height / 2, x + height / 6, y + height / 2, 0, 1};
}
Detection found(ObjectClass object, double x, double y, double w, double h, float confidence) {
  return {static_cast<float>(x),
          static_cast<float>(y),
          static_cast<float>(w),
          static_cast<float>(h),
          confidence,
          object};
}

TEST(Evaluation, CountsBallsBySize) {
  Evaluation e({});
  const std::vector<SimObject> truth{ball(100, 100, 6), ball(200, 100, 10),
                                     ball(300, 100, 10, 0.2)};
  const std::vector<Detection> seen{found(ObjectClass::ball, 101, 100, 6, 6, 0.9f),
                                    found(ObjectClass::ball, 300, 100, 10, 10, 0.8f),
                                    found(ObjectClass::ball, 400, 100, 10, 10, 0.7f)};
  const auto mistakes = e.add(truth, seen, 5700, 1900);
  EXPECT_EQ(mistakes.size(), 2u);  // the one at 200 missed, the one at 400 wrong
  EXPECT_EQ(e.balls()[2].found, 1);
  EXPECT_EQ(e.balls()[3].asked, 1);
  EXPECT_EQ(e.balls()[3].found, 0);
  EXPECT_EQ(e.balls()[3].wrong, 1);
  EXPECT_DOUBLE_EQ(e.false_balls_per_panorama(), 1);
}

TEST(Evaluation, TellsWhatAnotherConfidenceWouldGive) {
  Evaluation e({});
  const std::vector<SimObject> truth{ball(100, 100, 6), ball(200, 100, 6), ball(300, 100, 10)};
  const std::vector<Detection> seen{found(ObjectClass::ball, 100, 100, 6, 6, 0.9f),
                                    found(ObjectClass::ball, 200, 100, 6, 6, 0.2f),
                                    found(ObjectClass::ball, 300, 100, 10, 10, 0.6f),
                                    found(ObjectClass::ball, 301, 100, 10, 10, 0.3f),
                                    found(ObjectClass::ball, 500, 100, 10, 10, 0.8f)};
  e.add(truth, seen, 5700, 1900);
  const auto all = e.ball_trade(0.1), some = e.ball_trade(0.5), few = e.ball_trade(0.85);
  EXPECT_DOUBLE_EQ(all.small, 1);
  EXPECT_DOUBLE_EQ(all.large, 1);
  EXPECT_DOUBLE_EQ(all.false_per_panorama, 2);  // the one at 300 is found once
  EXPECT_DOUBLE_EQ(some.small, 0.5);
  EXPECT_DOUBLE_EQ(some.large, 1);
  EXPECT_DOUBLE_EQ(some.false_per_panorama, 1);
  EXPECT_DOUBLE_EQ(few.small, 0.5);
  EXPECT_DOUBLE_EQ(few.large, 0);
  EXPECT_DOUBLE_EQ(few.false_per_panorama, 0);
}

TEST(Evaluation, AveragesPrecisionOfPersons) {
  Evaluation e({});
  const std::vector<SimObject> truth{person(100, 100, 60), person(300, 100, 60)};
  const std::vector<Detection> seen{found(ObjectClass::person, 100, 100, 20, 60, 0.9f),
                                    found(ObjectClass::person, 500, 100, 20, 60, 0.8f),
                                    found(ObjectClass::person, 300, 100, 20, 60, 0.7f)};
  e.add(truth, seen, 640, 640);
  EXPECT_NEAR(e.person_average_precision(), 0.5 + 0.5 * 2 / 3, 1e-9);
}

}  // namespace
}  // namespace gantry
