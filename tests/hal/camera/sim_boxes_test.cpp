// The boxes of what is drawn: where they are, how much of each is seen, and that training scenes have them.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_boxes.hpp"

#include <algorithm>

#include "hal/camera/sim_training.hpp"
#include "tests/hal/camera/sim_fixture.hpp"

namespace gantry {
namespace {

// A camera 8 m up, 20 m from a person at the middle of the pitch.
struct Stage {
  SimMast mast{8, 0, -14};
  SimView view;
  SimLook look = simtest::flat_look();
  SimState state;
  SimCast cast{-1, true, false};  // no props

  Stage() : view(camera(), 640, 640, mast) {
    state.person_count = 1;
    state.persons[0].x = state.persons[0].y = 0;
    state.ball.position = {3, 0, 0.11};
    look.spare_balls = 0;
  }
  static RigCamera camera() {
    RigCamera c;
    c.lens.model = Lens::Model::pinhole;
    c.lens.width = c.lens.height = 640;
    c.lens.fx = c.lens.fy = 1000;
    c.lens.cx = c.lens.cy = 319.5;
    c.mounting.pitch = -std::atan2(8.0, 20.0);
    return c;
  }
  std::vector<SimObject> objects() const {
    SimBoxes boxes(view, look, 1);
    const auto found = boxes.of(state, cast);
    return {found.begin(), found.end()};
  }
};

const SimObject& of_kind(const std::vector<SimObject>& all, bool ball) {
  return *std::ranges::find(all, ball, &SimObject::is_ball);
}

TEST(SimBoxes, LieWhereThingsAre) {
  const Stage s;
  const auto all = s.objects();
  ASSERT_EQ(all.size(), 2u);
  const SimObject &ball = of_kind(all, true), &person = of_kind(all, false);
  const auto at = s.view.project({3, 0, 0.11});
  const double px =
      0.22 * 1000 / std::sqrt(8.0 * 8 + 20 * 20 + 9);  // about, off the axis a little more
  EXPECT_NEAR(0.5 * (ball.left + ball.right), at->x, 0.2);
  EXPECT_NEAR(0.5 * (ball.top + ball.bottom), at->y, 0.2);
  EXPECT_NEAR(ball.diameter, px, 0.05 * px);
  EXPECT_NEAR(ball.right - ball.left, ball.diameter, 0.1);  // it is at rest
  EXPECT_EQ(ball.visible, 1);
  const auto feet = s.view.project({0, 0, 0}), head = s.view.project({0, 0, 1.8});
  EXPECT_NEAR(person.bottom, feet->y, 4);
  EXPECT_NEAR(person.top, head->y, 4);
  EXPECT_LT(person.left, feet->x);
  EXPECT_GT(person.right, feet->x);
  EXPECT_EQ(person.visible, 1);
}

TEST(SimBoxes, AMovingBallIsAsLongAsItsWay) {
  Stage s;
  s.look.exposure_time = 0.01;
  s.state.ball.velocity = {20, 0, 0};
  const auto moving = of_kind(s.objects(), true);
  const double way = s.view.project({3.1, 0, 0.11})->x - s.view.project({2.9, 0, 0.11})->x;
  EXPECT_NEAR(moving.right - moving.left, way + moving.diameter, 0.3);
  EXPECT_NEAR(moving.bottom - moving.top, moving.diameter, 0.3);
}

TEST(SimBoxes, WhatIsHiddenCounts) {
  Stage s;
  s.state.ball.position = {0, 2, 0.41};  // right behind the person
  const auto all = s.objects();
  const double seen = all.size() < 2 ? 0 : of_kind(all, true).visible;
  EXPECT_LT(seen, 0.5);
  EXPECT_EQ(of_kind(all, false).visible, 1);  // the nearer one hides

  s.state.ball.position = {0, -3, 0.5};  // before it
  EXPECT_EQ(of_kind(s.objects(), true).visible, 1);

  s.state.ball.position = {3, 0, 0.11};
  s.state.persons[0].x =
      -320 / (s.view.project({1, 0, 0.9})->x - 319.5);  // its middle on the border
  const double half = of_kind(s.objects(), false).visible;
  EXPECT_GT(half, 0.2);
  EXPECT_LT(half, 0.8);

  s.cast.ball = false;
  for (const SimObject& o : s.objects()) EXPECT_FALSE(o.is_ball);
}

TEST(SimTraining, ScenesFollowFromTheirSeedAndShowMatchesAndOthers) {
  int matches = 0, balls = 0, persons = 0;
  for (std::uint64_t seed = 900100; seed < 900140; ++seed) {
    const SimTrainingScene scene(seed, 640, 640), again(seed, 640, 640);
    EXPECT_EQ(scene.rig.cameras[0].mounting.yaw, again.rig.cameras[0].mounting.yaw);
    matches += scene.match;
    const SimView view(scene.rig.cameras[0], 640, 640, scene.mast);
    SimBoxes boxes(view, scene.look, scene.seed);
    const SimMoment moment = training_moment(scene, view, 1);
    const auto found = boxes.of(moment.state, moment.cast);
    const std::vector<SimObject> first(found.begin(), found.end());
    const SimMoment repeated = training_moment(scene, view, 1);
    EXPECT_EQ(boxes.of(repeated.state, repeated.cast).size(), first.size());
    for (const SimObject& o : first) {
      EXPECT_LT(o.left, o.right);
      EXPECT_LT(o.top, o.bottom);
      EXPECT_GT(o.visible, 0);
      EXPECT_LE(o.visible, 1);
      EXPECT_EQ(o.diameter > 0, o.is_ball);
      (o.is_ball ? balls : persons) += o.visible > 0.5;
    }
  }
  EXPECT_GT(matches, 8);
  EXPECT_LT(matches, 32);
  EXPECT_GT(balls, 20);
  EXPECT_GT(persons, 100);
}

}  // namespace
}  // namespace gantry
