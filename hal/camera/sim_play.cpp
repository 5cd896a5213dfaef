// What is done with the ball in the simulated match: dribbling, kicks, duels, the lines, restarts.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "hal/camera/sim_view.hpp"
#include "hal/camera/sim_world.hpp"

namespace gantry {
namespace {

constexpr double kReach = 0.75;  // metres from the body's middle to a ball that can be played
constexpr double kHardest = 30;  // m/s

double flat_distance(const SimPerson& p, const Vector3& v) {
  return std::hypot(p.x - v.x, p.y - v.y);
}

}  // namespace

void SimWorld::open_play() {
  const SimBall& b = state_.ball;
  if (state_.owner >= 0) {
    const SimPerson& p = state_.persons[state_.owner];
    if (flat_distance(p, b.position) > 3 || b.position.z > 1.6) state_.owner = -1;
  }
  stuck_ = state_.owner < 0 && speed(b) < 0.5 ? stuck_ + kStep : 0;
  if (state_.owner >= 0) {
    contest();
    if (state_.owner >= 0) dribble(state_.owner);
  }
}

void SimWorld::kick(int i, const Vector3& v) {
  SimBall& b = state_.ball;
  const double strength = std::sqrt(v.x * v.x + v.y * v.y + v.z * v.z);
  const double keep = strength > kHardest ? kHardest / strength : 1;
  b.velocity = {v.x * keep, v.y * keep, v.z * keep};
  if (v.z > 0) b.position.z = std::max(b.position.z, kBallRadius + 0.01);
  b.spin = {-v.y * 3 * keep, v.x * 3 * keep, random_.uniform(-15, 15)};
  state_.persons[i].kick = 1;
  last_touch_team_ = state_.persons[i].team;
  cooldown_[i] = 0.5;
}

// A touch ahead every few steps; between them the ball rolls by itself.
void SimWorld::dribble(int i) {
  SimPerson& p = state_.persons[i];
  if (cooldown_[i] > 0 || flat_distance(p, state_.ball.position) > kReach ||
      state_.ball.position.z > 1)
    return;
  last_touch_team_ = p.team;
  if (state_.time >= decide_at_) {
    decide(i);
    if (state_.owner != i) return;
  }
  // Towards the goal, around the nearest opponent, away from the touch lines.
  const double goal = direction_of(p.team) * SimPitch::half_length;
  const double inwards = std::clamp((std::abs(p.x) - 25) / 20, 0.0, 0.8);
  double dx = goal - p.x, dy = -p.y * inwards;
  const double g = std::max(1.0, std::hypot(dx, dy));
  dx /= g, dy /= g;
  const int j = nearest(1 - p.team, p.x, p.y, -1, false);
  const double ox = p.x - state_.persons[j].x, oy = p.y - state_.persons[j].y;
  const double o = std::max(0.5, std::hypot(ox, oy)), away = std::min(1.5, 2.5 / o);
  dx += ox / o * away;
  dy += oy / o * away - 0.8 * std::max(0.0, std::abs(p.y) - 29) / 5 * (p.y > 0 ? 1 : -1);
  dy += 0.35 * std::sin(0.9 * state_.time + i);
  const double n = std::max(0.1, std::hypot(dx, dy));
  const double pace = std::hypot(p.vx, p.vy), push = std::clamp(pace + 1.4, 2.6, 7.8);
  kick(i, {dx / n * push, dy / n * push, 0});
  p.kick = 0.45;
  cooldown_[i] = 0.3;
  state_.owner = i;
}

void SimWorld::decide(int i) {
  const SimPerson& p = state_.persons[i];
  const double goal = direction_of(p.team) * SimPitch::half_length;
  const double away = std::hypot(goal - p.x, p.y), near = pressure(i);
  decide_at_ = state_.time + random_.uniform(0.4, 1.3);
  if (away < 27 && random_.chance(away < 17 ? 0.85 : 0.5)) return shoot(i);
  const bool deep = std::abs(-goal - p.x)<28, wing = std::abs(p.y)> 17 && std::abs(goal - p.x) < 26;
  if (near < 4 && random_.chance(deep ? 0.35 : 0.06)) return lob(i);
  if (wing && random_.chance(0.7)) return lob(i);
  if (near < 2.5 && std::abs(p.y) > 15 && random_.chance(0.2)) {  // into touch
    kick(i, {direction_of(p.team) * random_.uniform(0, 8),
             std::copysign(random_.uniform(10, 16), p.y), random_.uniform(1, 5)});
    state_.owner = -1;
    return;
  }
  if (random_.chance(near < 4 ? 0.75 : 0.4)) return pass(i);
}

void SimWorld::pass(int i) {
  const SimPerson& p = state_.persons[i];
  int best = -1;
  double most = -1e9;
  for (int j = 11 * p.team; j < 11 * p.team + 11; ++j) {
    const SimPerson& q = state_.persons[j];
    const double d = std::hypot(q.x - p.x, q.y - p.y);
    if (j == i || d < 5 || d > 38) continue;
    double score = std::min(pressure(j), 8.0) + 0.25 * direction_of(p.team) * (q.x - p.x) -
                   0.09 * d + random_.uniform(0, 4) - (q.role == SimRole::keeper ? 5 : 0);
    for (int k = 11 - 11 * p.team; k < 22 - 11 * p.team; ++k) {  // opponents in the lane
      const SimPerson& o = state_.persons[k];
      const double t = ((o.x - p.x) * (q.x - p.x) + (o.y - p.y) * (q.y - p.y)) / (d * d);
      if (t > 0.1 && t < 0.95 &&
          std::hypot(p.x + t * (q.x - p.x) - o.x, p.y + t * (q.y - p.y) - o.y) < 1.8)
        score -= 3;
    }
    if (score > most) most = score, best = j;
  }
  if (best < 0) return;
  const SimPerson& q = state_.persons[best];
  double d = std::hypot(q.x - p.x, q.y - p.y);
  const double lead = 0.5 * d / 12, error = (random_.chance(0.15) ? 0.35 : 0.06) * d;
  const double tx = q.x + q.vx * lead - p.x + random_.normal() * error;
  const double ty = q.y + q.vy * lead - p.y + random_.normal() * error;
  d = std::max(1.0, std::hypot(tx, ty));
  const double v = std::sqrt(30 + 2 * (kRollingDeceleration + 0.5) * d);
  kick(i, {tx / d * v, ty / d * v, random_.chance(0.25) ? random_.uniform(0.5, 2.5) : 0});
  state_.owner = -1;
  receiver_ = best;
  ++state_.events.passes;
}

// High and far: out of defence, or in front of the goal.
void SimWorld::lob(int i) {
  const SimPerson& p = state_.persons[i];
  const double goal = direction_of(p.team) * SimPitch::half_length;
  const bool cross = std::abs(goal - p.x) < 25;
  const double tx = cross ? goal * 0.83 + random_.normal() * 3
                          : p.x + direction_of(p.team) * random_.uniform(25, 45);
  const double ty = cross ? random_.normal() * 5 : p.y * 0.9 + random_.normal() * 11;
  const double dx = tx - p.x, dy = ty - p.y, d = std::max(4.0, std::hypot(dx, dy));
  const double flight = std::clamp(1 + 0.028 * d, 1.2, 2.5), v = 1.12 * d / flight;
  kick(i, {dx / d * v, dy / d * v, 0.5 * 9.81 * flight});
  state_.owner = -1;
  receiver_ = nearest(p.team, tx, ty, i, true);
  ++state_.events.lobs;
}

void SimWorld::shoot(int i) {
  const SimPerson& p = state_.persons[i];
  const double goal = direction_of(p.team) * SimPitch::half_length;
  const double dx = goal - p.x, dy = random_.uniform(-4.2, 4.2) + random_.normal() * 0.8 - p.y;
  const double d = std::max(2.0, std::hypot(dx, dy)), v = random_.uniform(17, 29);
  kick(i, {dx / d * v, dy / d * v, random_.uniform(0, 3) + 4.9 * d / v});
  state_.owner = -1;
  ++state_.events.shots;
}

// An opponent within reach may win the ball, knock it loose, or foul.
void SimWorld::contest() {
  const int i = state_.owner;
  const SimPerson& p = state_.persons[i];
  const int j = nearest(1 - p.team, state_.ball.position.x, state_.ball.position.y, -1, false);
  const SimPerson& q = state_.persons[j];
  if (cooldown_[j] > 0 || flat_distance(q, state_.ball.position) > 1.0 ||
      !random_.chance(1.6 * kStep))
    return;
  ++state_.events.tackles;
  cooldown_[i] = 0.7;
  const double lucky = random_.uniform();
  if (lucky < 0.12) {
    begin_restart(SimRestart::free_kick, state_.ball.position.x, state_.ball.position.y, p.team);
  } else if (lucky < 0.5) {
    const double angle = random_.uniform(0, 2 * std::numbers::pi), v = random_.uniform(3, 9);
    kick(j, {v * std::cos(angle), v * std::sin(angle), random_.uniform(0, 2)});
    state_.owner = -1;
  } else {
    last_touch_team_ = q.team;
    state_.owner = j;
    cooldown_[j] = 0.1;
    decide_at_ = state_.time + random_.uniform(0.2, 0.8);
  }
}

void SimWorld::touch_bodies() {
  if (state_.play != SimPlay::open) return;
  const Vector3& b = state_.ball.position;
  for (int i = 0; i < SimState::kReferee; ++i) {
    const SimPerson& p = state_.persons[i];
    const bool keeper = p.role == SimRole::keeper && std::abs(p.x) > SimPitch::half_length - 16.5;
    const double reach = keeper && speed(state_.ball) > 8 ? 1.5 : state_.owner < 0 ? 0.6 : 0.3;
    if (i != state_.owner && cooldown_[i] <= 0 && flat_distance(p, b) < reach &&
        b.z < (keeper ? 2.5 : 1.9)) {
      meet(i);
      if (state_.play != SimPlay::open || state_.owner == i) return;
    }
  }
}

// The ball reaches somebody: it is caught, trapped, headed, or bounces off.
void SimWorld::meet(int i) {
  const SimPerson& p = state_.persons[i];
  SimBall& b = state_.ball;
  const double fast = std::hypot(b.velocity.x - p.vx, b.velocity.y - p.vy);
  const bool mate = state_.owner >= 0 && state_.persons[state_.owner].team == p.team;
  if (mate) return;
  const bool own_kick = last_touch_team_ == p.team;
  if (p.role == SimRole::keeper && !own_kick && std::abs(p.x) > SimPitch::half_length - 16.5) {
    ++state_.events.saves;
    cooldown_[i] = 0.6;
    last_touch_team_ = p.team;
    if (random_.chance(0.65)) return begin_restart(SimRestart::hands, p.x, p.y, p.team);
    const double past = random_.chance(0.6) ? 0.35 : -0.35;  // around the post, or back into play
    b.velocity = {past * b.velocity.x, std::copysign(random_.uniform(3, 9), b.position.y),
                  random_.uniform(0, 4)};
    return;
  }
  if (b.position.z > 1.2) {  // a header
    const double own_goal = -direction_of(p.team);
    const bool behind =
        own_goal * p.x > 40 && random_.chance(0.4);  // over the own goal line, for safety
    const double angle = behind ? std::atan2(std::copysign(0.6, p.y), own_goal)
                                : (p.team == 0 ? 0 : std::numbers::pi) + random_.normal() * 0.8;
    const double v = random_.uniform(6, 13);
    kick(i, {v * std::cos(angle), v * std::sin(angle), random_.uniform(0, 3)});
    state_.persons[i].kick = 0;
    state_.owner = -1;
    return;
  }
  last_touch_team_ = p.team;
  if (fast > 11 && random_.chance(own_kick ? 0.25 : 0.6)) {  // a block
    cooldown_[i] = 0.4;
    b.velocity = {-0.2 * b.velocity.x + random_.normal() * 4,
                  -0.2 * b.velocity.y + random_.normal() * 4, std::abs(random_.normal()) * 2};
    state_.owner = -1;
    return;
  }
  b.velocity = {p.vx + 0.12 * b.velocity.x, p.vy + 0.12 * b.velocity.y,
                std::min(b.velocity.z, 0.5)};
  state_.owner = i;
  receiver_ = -1;
  cooldown_[i] = 0.15;
  decide_at_ = state_.time + random_.uniform(0.2, 1.2);
}

void SimWorld::watch_lines() {
  if (state_.play != SimPlay::open || state_.time < lines_from_) return;
  const Vector3& b = state_.ball.position;
  const double length = SimPitch::half_length + kBallRadius,
               width = SimPitch::half_width + kBallRadius;
  const int other = 1 - last_touch_team_;
  if (std::abs(b.x) > length) {
    const double side = b.x > 0 ? 1 : -1;
    const int defenders = side > 0 ? 1 : 0;  // team 0 attacks towards +x
    if (std::abs(b.y) < SimPitch::goal_half_width && b.z < SimPitch::goal_height) {
      ++state_.events.goals;
      return begin_restart(SimRestart::kick_off, 0, 0, defenders);
    }
    if (last_touch_team_ == defenders)
      return begin_restart(SimRestart::corner, side * 52.2, b.y > 0 ? 33.7 : -33.7, 1 - defenders);
    return begin_restart(SimRestart::goal_kick, side * 47.2, b.y > 0 ? 6 : -6, defenders);
  }
  if (std::abs(b.y) > width)
    return begin_restart(SimRestart::throw_in, std::clamp(b.x, -50.0, 50.0), b.y > 0 ? 34.2 : -34.2,
                         other);
  if (stuck_ > 20) begin_restart(SimRestart::free_kick, b.x, b.y, other);
}

void SimWorld::begin_restart(SimRestart kind, double x, double y, int team) {
  SimEvents& e = state_.events;
  switch (kind) {
    case SimRestart::kick_off:
      ++e.kick_offs;
      break;
    case SimRestart::throw_in:
      ++e.throw_ins;
      break;
    case SimRestart::corner:
      ++e.corners;
      break;
    case SimRestart::goal_kick:
      ++e.goal_kicks;
      break;
    case SimRestart::free_kick:
      ++e.free_kicks;
      break;
    default:
      break;
  }
  state_.play = SimPlay::fetching;
  state_.restart = kind;
  state_.owner = -1;
  receiver_ = -1;
  stuck_ = 0;
  restart_team_ = team;
  spot_x_ = x;
  spot_y_ = y;
  const bool keeper = kind == SimRestart::goal_kick || kind == SimRestart::hands;
  taker_ =
      keeper ? 11 * team : nearest(team, state_.ball.position.x, state_.ball.position.y, -1, true);
}

// The ball in or on its way to somebody's hands.
void SimWorld::hold_ball(const SimPerson& p, double height) {
  SimBall& b = state_.ball;
  const double forward = height > 1.5 ? 0.1 : 0.35;
  const double dx = p.x + forward * std::cos(p.heading) - b.position.x;
  const double dy = p.y + forward * std::sin(p.heading) - b.position.y, dz = height - b.position.z;
  const double d = std::sqrt(dx * dx + dy * dy + dz * dz), most = 10 * kStep;
  const double keep = d > most ? most / d : 1;
  b.velocity = {dx * keep / kStep, dy * keep / kStep, dz * keep / kStep};
  b.position = {b.position.x + dx * keep, b.position.y + dy * keep, b.position.z + dz * keep};
  b.spin = {};
}

// Fetch the ball, carry it to the spot, wait while it lies there, take it.
void SimWorld::restart_step() {
  SimPerson& p = state_.persons[taker_];
  SimBall& b = state_.ball;
  Wish& w = wish_[taker_];
  const bool thrown = state_.restart == SimRestart::throw_in,
             hands = state_.restart == SimRestart::hands;
  const double left = std::hypot(spot_x_ - p.x, spot_y_ - p.y);
  switch (state_.play) {
    case SimPlay::fetching:
      if (fly(b, kBallRadius, kStep)) ++state_.events.bounces;
      w = chase(taker_);
      w.speed = 5.5;
      if (hands || (flat_distance(p, b.position) < 0.9 && b.position.z < 1.6 && speed(b) < 9))
        state_.play = SimPlay::carrying;
      break;
    case SimPlay::carrying:
      hold_ball(p, 1.05);
      w = {spot_x_, spot_y_, hands ? 2.0 : 5.5};
      if (left < 0.7) {
        state_.play = SimPlay::waiting;
        ready_at_ = state_.time + random_.uniform(2.5, 5) +
                    (state_.restart == SimRestart::kick_off ? 6 : 0);
      }
      break;
    default: {
      if (thrown || hands) {
        hold_ball(p, thrown ? 2.05 : 1.05);
        w = {spot_x_, spot_y_, 1.3};
      } else {
        // Put down, it sinks to the spot at a hand's pace; the taker steps back for the run-up.
        const double dx = spot_x_ - b.position.x, dy = spot_y_ - b.position.y,
                     dz = kBallRadius - b.position.z;
        const double d = std::sqrt(dx * dx + dy * dy + dz * dz), most = 2.5 * kStep;
        const double keep = d > most ? most / d : 1;
        b.position = {b.position.x + dx * keep, b.position.y + dy * keep, b.position.z + dz * keep};
        b.velocity = {dx * keep / kStep, dy * keep / kStep, dz * keep / kStep};
        b.spin = {};
        const double back =
            spot_x_ * direction_of(p.team) > 0 && std::abs(spot_y_) > 30 ? 1.2 : -1.6;
        const bool ready = state_.time >= ready_at_;
        w = {spot_x_ + (ready ? 0 : back * direction_of(p.team)), spot_y_, ready ? 5.0 : 1.5};
      }
      if (state_.time >= ready_at_ && flat_distance(p, b.position) < (thrown || hands ? 2 : kReach))
        take_restart();
    }
  }
}

void SimWorld::take_restart() {
  const int i = taker_;
  const SimPerson& p = state_.persons[i];
  const SimRestart kind = state_.restart;
  state_.play = SimPlay::open;
  state_.restart = SimRestart::none;
  taker_ = -1;
  lines_from_ = state_.time + (kind == SimRestart::throw_in ? 0.8 : 0);
  if (kind == SimRestart::throw_in) {
    const int mate = nearest(p.team, p.x + 8 * direction_of(p.team), p.y * 0.75, i, true);
    const SimPerson& q = state_.persons[mate];
    const double dx = q.x - p.x, dy = q.y - p.y, d = std::max(1.0, std::hypot(dx, dy));
    const double v = std::clamp(2 + 0.55 * d, 5.0, 13.0);
    kick(i, {dx / d * v, dy / d * v, 2.5});
    state_.persons[i].kick = 0;
    receiver_ = mate;
  } else if (kind == SimRestart::kick_off ||
             (kind == SimRestart::free_kick && random_.chance(0.6))) {
    pass(i);
  } else {
    lob(i);
  }
  cooldown_[i] = 1.0;
}

}  // namespace gantry
