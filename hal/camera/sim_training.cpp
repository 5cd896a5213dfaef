// Draws cameras, people and balls.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_training.hpp"

#include <algorithm>
#include <cmath>

#include "hal/camera/sim_world.hpp"

namespace gantry {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

double log_uniform(SimRandom& random, double low, double high) {
  return low * std::pow(high / low, random.uniform());
}

struct Spot {
  double x = 0, y = 0;
};

// Where people and balls can be: half of them evenly over the picture, half evenly on the ground.
class Ground {
 public:
  Ground(const SimTrainingScene& scene, const SimView& view, SimRandom& random)
      : scene_(scene), view_(view), random_(random) {}

  Spot anywhere() {
    if (random_.chance(0.5))
      for (int tries = 0; tries < 8; ++tries)
        if (const auto spot =
                below(random_.uniform(0, view_.width()), random_.uniform(0, view_.height())))
          return *spot;
    return {scene_.focus_x + scene_.reach * random_.uniform(-1, 1),
            scene_.focus_y + scene_.reach * random_.uniform(-1, 1)};
  }

  // A point of the markings that the picture shows, if a few tries find one.
  Spot on_a_line() {
    for (int tries = 0; tries < 30; ++tries) {
      const Spot s = marking();
      const auto p = view_.project({s.x, s.y, 0});
      if (p && p->x > 0 && p->y > 0 && p->x < view_.width() && p->y < view_.height()) return s;
    }
    return anywhere();
  }

 private:
  std::optional<Spot> below(double x, double y) const {
    const auto d = view_.direction({x, y});
    if (!d || d->z > -0.02) return std::nullopt;
    const double t = -view_.eye().z / d->z;
    if (t > 130) return std::nullopt;
    return Spot{view_.eye().x + t * d->x, view_.eye().y + t * d->y};
  }

  Spot marking() {
    const double sign_x = random_.chance(0.5) ? 1 : -1, sign_y = random_.chance(0.5) ? 1 : -1;
    const double u = random_.uniform(-1, 1), a = random_.uniform(0, kTurn);
    switch (random_.below(6)) {
      case 0:
        return {52.4 * u, 33.9 * sign_y};
      case 1:
        return {52.4 * sign_x, 33.9 * u};
      case 2:
        return {0, 33.9 * u};
      case 3:
        return {9.15 * std::cos(a), 9.15 * std::sin(a)};
      case 4:
        return {36 * sign_x, 20.1 * u};
      default:
        return {41.5 * sign_x, 0};
    }
  }

  const SimTrainingScene& scene_;
  const SimView& view_;
  SimRandom& random_;
};

void pose(SimRandom& random, SimPerson& p) {
  const double kind = random.uniform();
  p.role = kind < 0.84 ? SimRole::player : kind < 0.9 ? SimRole::keeper : SimRole::referee;
  if (random.chance(0.05)) p.role = SimRole::staff;
  p.team = p.role == SimRole::player || p.role == SimRole::keeper ? random.below(2) : -1;
  p.heading = random.uniform(0, kTurn);
  const double gait = random.uniform();
  const double speed = gait < 0.3    ? random.uniform(0, 0.5)
                       : gait < 0.65 ? random.uniform(1, 4)
                                     : random.uniform(4, 8.5);
  p.vx = speed * std::cos(p.heading), p.vy = speed * std::sin(p.heading);
  p.gait = random.uniform(0, kTurn);
  p.height = random.chance(0.15) ? random.uniform(1.2, 1.6) : random.uniform(1.6, 1.97);
  p.build = random.uniform(0.85, 1.3);
  p.kick = random.chance(0.08) ? random.uniform() : 0;
  p.hands = random.chance(0.12) ? random.uniform(0, 2) : 0;
  p.bend = random.chance(0.2) ? random.uniform(-0.1, 1.1) : random.uniform(-0.05, 0.2);
  p.crouch = random.chance(0.12) ? random.uniform(0.1, 1) : 0;
  p.spread = random.chance(0.3) ? random.uniform(0, 1.4) : random.uniform(0, 0.2);
  p.fallen = random.chance(0.03);
}

SimBall any_ball(SimRandom& random, Ground& ground, const SimState& state, double radius) {
  SimBall ball;
  const double kind = random.uniform();
  Spot at = kind < 0.3 ? ground.on_a_line() : ground.anywhere();
  if (kind > 0.65) {  // by someone's feet
    const SimPerson& p = state.persons[random.below(std::max(1, state.person_count))];
    const double a = random.uniform(0, kTurn), r = random.uniform(0.15, 0.7);
    at = {p.x + r * std::cos(a), p.y + r * std::sin(a)};
  }
  const bool flies = kind > 0.4 && kind < 0.65;
  ball.position = {at.x, at.y, radius + (flies ? random.uniform(0.1, 7) : 0)};
  if (random.chance(0.5)) {
    const double a = random.uniform(0, kTurn), v = log_uniform(random, 2, 30);
    ball.velocity = {v * std::cos(a), v * std::sin(a), flies ? random.uniform(-8, 8) : 0};
  }
  double norm = 0;
  for (double& q : ball.turn) q = random.normal(), norm += q * q;
  for (double& q : ball.turn) q /= std::sqrt(norm);
  return ball;
}

}  // namespace

// Where the camera stands and looks; answers its focal length, pixels.
double SimTrainingScene::stand_anywhere(SimRandom& random, int width) {
  focus_x = random.uniform(-50, 50), focus_y = random.uniform(-33, 33);
  const double distance = log_uniform(random, 12, 90);
  const double elevation =
      random.chance(0.75) ? log_uniform(random, 0.05, 0.45) : random.uniform(0.35, 0.95);
  mast.height = std::clamp(distance * std::tan(elevation), 1.6, 45.0);
  const double azimuth = random.chance(0.6) ? random.uniform(-0.9, 0.9) : random.uniform(0, kTurn);
  mast.along = focus_x - distance * std::sin(azimuth);
  mast.distance = -(focus_y - distance * std::cos(azimuth)) - SimPitch::half_width;
  const double range = std::hypot(distance, mast.height);
  const double person_px = log_uniform(random, 11, 190);
  return std::max(person_px * range / 1.8, 0.55 * width);
}

// A mast beside the touch line, as the appliance's; most look about the ball.
double SimTrainingScene::stand_at_a_match(SimRandom& random) {
  since_kick_off_s = random.uniform(0, 25);
  SimState state;
  SimWorld(seed).at(since_kick_off_s, state);
  const double aim = random.uniform();
  if (aim < 0.6) {
    focus_x = state.ball.position.x + 5 * random.normal();
    focus_y = state.ball.position.y + 4 * random.normal();
  } else if (aim < 0.75) {  // a goal
    focus_x = (random.chance(0.5) ? 54 : -54) + random.normal();
    focus_y = 6 * random.normal();
  } else {  // anywhere, or the far side with its benches, bottles and boards
    focus_x = random.uniform(-54, 54);
    focus_y = aim < 0.85 ? random.uniform(-37, 37) : 36.5;
  }
  mast.height = log_uniform(random, 3, 16);
  mast.along = random.uniform(-15, 15);
  mast.distance = random.uniform(2, 15);
  return log_uniform(random, 560, 2600);
}

SimTrainingScene::SimTrainingScene(std::uint64_t scene_seed, int width, int height)
    : seed(scene_seed) {
  SimRandom random(seed, 0x5ce4e);
  match = random.chance(0.5);
  look = match ? random_look(seed) : training_look(seed);
  const double focal = match ? stand_at_a_match(random) : stand_anywhere(random, width);
  const double away = focus_y + SimPitch::half_width + mast.distance;
  const double azimuth = std::atan2(focus_x - mast.along, away);
  const double distance = std::hypot(focus_x - mast.along, away);
  reach = std::clamp(0.6 * width / focal * std::hypot(distance, mast.height), 4.0, 60.0);
  RigCamera camera;
  camera.name = "camera";
  camera.lens.model = random.chance(0.5) ? Lens::Model::pinhole : Lens::Model::fisheye;
  camera.lens.width = width, camera.lens.height = height;
  camera.lens.fx = camera.lens.fy = focal;
  camera.lens.cx = 0.5 * (width - 1), camera.lens.cy = 0.5 * (height - 1);
  const double aside = 0.35 * width / focal;
  camera.mounting.yaw = azimuth + random.uniform(-aside, aside);
  camera.mounting.pitch = -std::atan2(mast.height, distance) + random.uniform(-aside, aside);
  camera.mounting.roll = random.chance(0.3) ? random.uniform(-0.12, 0.12) : 0;
  rig.cameras.push_back(camera);
  look.clutter_x = focus_x, look.clutter_y = focus_y, look.clutter_reach = reach;
}

SimMoment training_moment(const SimTrainingScene& scene, const SimView& view,
                          std::uint64_t number) {
  SimRandom random(scene.seed * 64 + number, 0x30e47);
  Ground ground(scene, view, random);
  SimMoment moment;
  SimState& state = moment.state;
  if (scene.match) {
    SimWorld(scene.seed).at(scene.since_kick_off_s + 0.7 * static_cast<double>(number), state);
    return moment;
  }
  state.time = random.uniform(0, 60);
  state.person_count = random.chance(0.06) ? 0 : 2 + random.below(SimState::kPersons - 1);
  for (int i = 0; i < SimState::kPersons; ++i) {
    SimPerson& p = state.persons[i];
    pose(random, p);
    Spot at = ground.anywhere();
    if (i > 0 && random.chance(0.3))
      at = {state.persons[i - 1].x + random.uniform(-1.5, 1.5),
            state.persons[i - 1].y + random.uniform(-1.5, 1.5)};
    p.x = at.x, p.y = at.y;
  }
  moment.cast.ball = random.chance(0.88);
  const double radius = scene.look.ball_radius;
  state.ball = any_ball(random, ground, state, radius);
  state.more_ball_count = random.below(static_cast<int>(state.more_balls.size()));
  for (SimBall& ball : state.more_balls) ball = any_ball(random, ground, state, radius);
  return moment;
}

}  // namespace gantry
