// The simulated match: repeatable, within what people and balls can do, and eventful.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_world.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "hal/camera/sim_view.hpp"

namespace gantry {
namespace {

constexpr double kMatch = 600;  // seconds

double distance(const Vector3& a, const Vector3& b) {
  return std::sqrt((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y) +
                   (a.z - b.z) * (a.z - b.z));
}

void expect_same(const SimState& a, const SimState& b) {
  EXPECT_EQ(a.ball.position.x, b.ball.position.x);
  EXPECT_EQ(a.ball.position.z, b.ball.position.z);
  EXPECT_EQ(a.ball.turn, b.ball.turn);
  EXPECT_EQ(a.owner, b.owner);
  for (int i = 0; i < SimState::kPersons; ++i) {
    EXPECT_EQ(a.persons[i].x, b.persons[i].x) << i;
    EXPECT_EQ(a.persons[i].heading, b.persons[i].heading) << i;
    EXPECT_EQ(a.persons[i].gait, b.persons[i].gait) << i;
  }
}

TEST(SimWorld, IsAFunctionOfSeedAndTimeHoweverItIsAskedFor) {
  SimWorld often(7), seldom(7), other(8);
  SimState a, b, c;
  for (int n = 0; n <= 900; ++n) often.at(n / 30.0, a);
  seldom.at(30, b);
  other.at(30, c);
  expect_same(a, b);
  EXPECT_GT(distance(a.ball.position, c.ball.position), 1e-3);
}

TEST(SimWorld, MovesEvenlyBetweenItsSteps) {
  SimWorld world(3);
  SimState a, b, c;
  world.at(10.0 + 0.25 * SimWorld::kStep, a);
  world.at(10.0 + 0.5 * SimWorld::kStep, b);
  world.at(10.0 + 0.75 * SimWorld::kStep, c);
  for (int i = 0; i < SimState::kPersons; ++i)
    EXPECT_NEAR(b.persons[i].x, 0.5 * (a.persons[i].x + c.persons[i].x), 1e-9);
}

// Every step of ten minutes.
TEST(SimWorld, KeepsToWhatLegsAndBallsCanDo) {
  SimWorld world(1);
  SimState before, now;
  world.at(SimWorld::kStep, before);
  double fastest = 0, fastest_ball = 0, hardest = 0;
  for (int n = 2; n < kMatch / SimWorld::kStep; ++n) {
    world.at(n * SimWorld::kStep, now);
    for (int i = 0; i < SimState::kPersons; ++i) {
      const SimPerson &p = before.persons[i], &q = now.persons[i];
      fastest = std::max(fastest, std::hypot(q.x - p.x, q.y - p.y) / SimWorld::kStep);
      hardest = std::max(hardest, std::hypot(q.vx - p.vx, q.vy - p.vy) / SimWorld::kStep);
    }
    fastest_ball =
        std::max(fastest_ball, distance(before.ball.position, now.ball.position) / SimWorld::kStep);
    ASSERT_GE(now.ball.position.z, SimWorld::kBallRadius - 0.02);
    ASSERT_LT(now.ball.position.z, 25);
    ASSERT_LE(std::abs(now.ball.position.x), SimPitch::board_end);
    ASSERT_LE(now.ball.position.y, SimPitch::board_far);
    ASSERT_GE(now.ball.position.y, -SimPitch::half_width - SimMast{}.distance);
    before = now;
  }
  EXPECT_LT(fastest, 9);
  EXPECT_GT(fastest, 6) << "somebody sprints";
  EXPECT_LT(hardest, 6);
  EXPECT_LT(fastest_ball, 35);
  EXPECT_GT(fastest_ball, 18) << "somebody shoots";
}

TEST(SimWorld, IsAMatch) {
  SimWorld world(1);
  SimState s;
  int still = 0, open = 0, tended = 0, high = 0, frames = 0;
  double lowest_x = 0, highest_x = 0;
  for (double t = 0; t < kMatch; t += 1.0 / 30, ++frames) {
    world.at(t, s);
    const Vector3& b = s.ball.position;
    still += s.play == SimPlay::waiting && b.z < 0.13 && speed(s.ball) < 0.05;
    high += b.z > 2.2;
    lowest_x = std::min(lowest_x, b.x), highest_x = std::max(highest_x, b.x);
    if (s.play != SimPlay::open) continue;
    ++open;
    double nearest = 1e9;
    for (int i = 0; i < 22; ++i)
      nearest = std::min(nearest, std::hypot(s.persons[i].x - b.x, s.persons[i].y - b.y));
    tended += nearest < 6;
  }
  const SimEvents& e = s.events;
  EXPECT_GT(e.passes, 50);
  EXPECT_GT(e.lobs, 4);
  EXPECT_GT(e.shots, 1);
  EXPECT_GT(e.tackles, 8);
  EXPECT_GT(e.bounces, 50);
  EXPECT_GT(e.throw_ins, 2);
  EXPECT_GT(e.goal_kicks, 0);
  EXPECT_GT(e.corners, 0);
  EXPECT_GT(e.throw_ins + e.corners + e.goal_kicks + e.free_kicks, 8);
  EXPECT_GT(open, 0.5 * frames);
  EXPECT_GT(still, 0.02 * frames) << "the ball lies still before restarts";
  EXPECT_GT(high, 0.01 * frames) << "the ball flies over heads";
  EXPECT_GT(tended, 0.75 * open) << "somebody is near the ball";
  EXPECT_LT(lowest_x, -25);
  EXPECT_GT(highest_x, 25);
}

TEST(SimBall, FallsBouncesRollsAndRests) {
  SimBall ball;
  ball.position = {0, 0, 2.11};
  ball.velocity = {5, 0, 0};
  double t = 0, second_peak = 0;
  int bounces = 0;
  while (t < 12) {
    bounces += fly(ball, 0.11, SimWorld::kStep);
    t += SimWorld::kStep;
    if (bounces == 0) {
      EXPECT_NEAR(ball.position.z, 2.11 - 0.5 * 9.81 * t * t, 0.06) << t;
    }
    if (bounces == 1) second_peak = std::max(second_peak, ball.position.z);
  }
  EXPECT_GE(bounces, 3);
  EXPECT_NEAR(second_peak - 0.11, 2 * 0.62 * 0.62, 0.06) << "the square of the restitution";
  EXPECT_EQ(speed(ball), 0);
  EXPECT_EQ(ball.position.z, 0.11);
}

TEST(SimBall, RollsAsFarAsItsSpeedAllows) {
  SimBall ball;
  ball.velocity = {6, 0, 0};
  const Vector3 foreseen = rolled(ball, 10);
  for (int i = 0; i < 1200; ++i) fly(ball, 0.11, SimWorld::kStep);
  EXPECT_NEAR(foreseen.x, 6 * 6 / (2 * kRollingDeceleration), 1e-9);
  EXPECT_NEAR(ball.position.x, foreseen.x, 2) << "air drag takes a little more";
  EXPECT_LT(ball.position.x, foreseen.x);
}

}  // namespace
}  // namespace gantry
