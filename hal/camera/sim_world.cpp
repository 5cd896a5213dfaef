// The match's clockwork: set-up, the step, and how people move.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_world.hpp"

#include <algorithm>
#include <cmath>

#include "hal/camera/sim_view.hpp"

namespace gantry {
namespace {

constexpr double kTurnRate = 5;  // radians per second
constexpr double kFirstStaff = SimState::kReferee + 3;

double wrapped(double angle) {
  return std::remainder(angle, 2 * std::numbers::pi);
}

double between(double a, double b, double t) {
  return a + (b - a) * t;
}

void blend(const SimPerson& b, double t, SimPerson& p) {
  p.x = between(p.x, b.x, t);
  p.y = between(p.y, b.y, t);
  p.vx = between(p.vx, b.vx, t);
  p.vy = between(p.vy, b.vy, t);
  p.heading += wrapped(b.heading - p.heading) * t;
  p.gait += wrapped(b.gait - p.gait) * t;
  p.kick = between(p.kick, b.kick, t);
  p.hands = between(p.hands, b.hands, t);
}

}  // namespace

SimWorld::SimWorld(std::uint64_t seed) : random_(seed, 0x3a7c4) {
  set_up_persons();
  begin_restart(SimRestart::kick_off, 0, 0, random_.below(2));
  state_.ball.position = {0, 0, kBallRadius};
  taker_ = nearest(restart_team_, 0, 0, -1, true);
  SimPerson& taker = state_.persons[taker_];
  taker.x = -0.9 * direction_of(restart_team_);
  taker.y = 0;
  state_.play = SimPlay::waiting;
  ready_at_ = 1;
  before_ = state_;
}

void SimWorld::set_up_persons() {
  for (int i = 0; i < SimState::kPersons; ++i) {
    SimPerson& p = state_.persons[i];
    p.team = i < 11 ? 0 : i < 22 ? 1 : -1;
    p.role = i >= kFirstStaff          ? SimRole::staff
             : i > SimState::kReferee  ? SimRole::assistant
             : i == SimState::kReferee ? SimRole::referee
             : i % 11 == 0             ? SimRole::keeper
                                       : SimRole::player;
    p.height =
        p.role == SimRole::keeper ? random_.uniform(1.85, 1.96) : random_.uniform(1.68, 1.93);
    p.gait = random_.uniform(0, 6);
    p.heading = p.team == 0 ? 0 : std::numbers::pi;
  }
  // Coaches by the benches on the far side, substitutes who warm up in two corners.
  constexpr std::array<std::array<double, 2>, 7> kHomes{
      {{-9, 36.2}, {9, 36.2}, {-14, 37.2}, {30, 36.3}, {33, 36.3}, {-34, -36.4}, {-37, -36.4}}};
  for (int i = 0; i < SimState::kPersons - kFirstStaff; ++i)
    home_[static_cast<int>(kFirstStaff) + i] = {kHomes[i][0], kHomes[i][1], 0};
  for (int i = 0; i < SimState::kPersons; ++i) {
    SimPerson& p = state_.persons[i];
    Wish w = i < SimState::kReferee ? slot_of(i) : i < kFirstStaff ? officiate(i) : home_[i];
    if (i < SimState::kReferee)
      w.x = -direction_of(p.team) * std::max(1.0, -direction_of(p.team) * w.x);
    p.x = w.x;
    p.y = w.y;
  }
}

void SimWorld::at(double time, SimState& out) {
  while (static_cast<double>(steps_) * kStep < time) step();
  out = before_;
  const double t = 1 - (static_cast<double>(steps_) * kStep - time) / kStep;
  const SimBall& b = state_.ball;
  SimBall& ball = out.ball;
  ball.position = {between(ball.position.x, b.position.x, t),
                   between(ball.position.y, b.position.y, t),
                   between(ball.position.z, b.position.z, t)};
  ball.velocity = b.velocity;
  ball.turn = b.turn;
  for (int i = 0; i < SimState::kPersons; ++i) blend(state_.persons[i], t, out.persons[i]);
  out.time = time;
}

void SimWorld::step() {
  before_ = state_;
  ++steps_;
  state_.time = static_cast<double>(steps_) * kStep;
  for (double& c : cooldown_) c = std::max(0.0, c - kStep);
  if (steps_ % 12 == 1) assign_roles();
  wish_all();
  for (int i = 0; i < SimState::kPersons; ++i) move(i);
  const Vector3 old = state_.ball.position;
  if (state_.play == SimPlay::open) {
    open_play();
    if (fly(state_.ball, kBallRadius, kStep)) ++state_.events.bounces;
    touch_bodies();
    watch_lines();
  } else {
    restart_step();
  }
  SimBall& ball = state_.ball;
  // Boards, nets behind them and the near fence stop everything.
  const double end = SimPitch::board_end - 0.2, far = SimPitch::board_far - 0.2, near = -37;
  if (std::abs(ball.position.x) > end) {
    ball.position.x = std::copysign(end, ball.position.x);
    ball.velocity.x *= -0.2;
  }
  if (ball.position.y > far || ball.position.y < near) {
    ball.position.y = std::clamp(ball.position.y, near, far);
    ball.velocity.y *= -0.2;
  }
  // The net: what has crossed the line between the posts stays behind it.
  const double depth = std::abs(ball.position.x) - SimPitch::half_length;
  if (depth > 1.7 && std::abs(old.x) < SimPitch::half_length + 1.75 &&
      std::abs(ball.position.y) < SimPitch::goal_half_width &&
      ball.position.z < SimPitch::goal_height) {
    ball.position.x = std::copysign(SimPitch::half_length + 1.7, ball.position.x);
    ball.velocity = {ball.velocity.x * -0.05, ball.velocity.y * 0.1,
                     std::min(0.0, ball.velocity.z)};
  }
}

// Towards the wish with a limited acceleration; bodies keep apart.
void SimWorld::move(int i) {
  SimPerson& p = state_.persons[i];
  const Wish& w = wish_[i];
  const double dx = w.x - p.x, dy = w.y - p.y, distance = std::hypot(dx, dy);
  const double wanted = std::min(w.speed, distance < 0.15 ? 0 : std::sqrt(2 * 3.0 * distance));
  double vx = distance > 0 ? dx / distance * wanted : 0,
         vy = distance > 0 ? dy / distance * wanted : 0;
  for (int j = 0; j < SimState::kPersons; ++j) {
    const double ox = p.x - state_.persons[j].x, oy = p.y - state_.persons[j].y;
    const double d2 = ox * ox + oy * oy;
    if (j == i || d2 > 0.9 * 0.9 || d2 == 0) continue;
    const double d = std::sqrt(d2), push = 3.5 * (0.9 - d) / d;
    vx += ox * push;
    vy += oy * push;
  }
  const double v = std::hypot(vx, vy), capped = v > kFastest ? kFastest / v : 1;
  const double ax = vx * capped - p.vx, ay = vy * capped - p.vy, a = std::hypot(ax, ay);
  const double most = kAcceleration * kStep, keep = a > most ? most / a : 1;
  p.vx += ax * keep;
  p.vy += ay * keep;
  p.x += p.vx * kStep;
  p.y += p.vy * kStep;
  const double pace = std::hypot(p.vx, p.vy);
  const double facing =
      pace > 1.2 ? std::atan2(p.vy, p.vx)
                 : std::atan2(state_.ball.position.y - p.y, state_.ball.position.x - p.x);
  const double turn = wrapped(facing - p.heading);
  p.heading = wrapped(p.heading + std::clamp(turn, -kTurnRate * kStep, kTurnRate * kStep));
  p.gait = wrapped(p.gait + 2 * std::numbers::pi * kStep * pace / (1 + 0.45 * pace));
  p.kick = std::max(0.0, p.kick - 2.5 * kStep);
  const bool holds = i == taker_ && state_.play == SimPlay::carrying;
  const bool overhead =
      i == taker_ && state_.play == SimPlay::waiting && state_.restart == SimRestart::throw_in;
  const double hands = overhead ? 2 : holds ? 1 : 0;
  p.hands += std::clamp(hands - p.hands, -4 * kStep, 4 * kStep);
}

}  // namespace gantry
