// Where everyone in the simulated match wants to be.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "hal/camera/sim_view.hpp"
#include "hal/camera/sim_world.hpp"

namespace gantry {
namespace {

// A 4-4-2 seen by the attackers: along −1 (own goal) … 1, across −1 … 1.
constexpr std::array<std::array<double, 2>, 11> kFormation{{{-0.95, 0},
                                                            {-0.55, -0.8},
                                                            {-0.62, -0.27},
                                                            {-0.62, 0.27},
                                                            {-0.55, 0.8},
                                                            {-0.1, -0.85},
                                                            {-0.18, -0.25},
                                                            {-0.18, 0.25},
                                                            {-0.1, 0.85},
                                                            {0.28, -0.22},
                                                            {0.33, 0.25}}};

double pace_for(double distance, double fastest) {
  return distance < 1.5 ? 1.3 : std::min(fastest, 1.3 + 0.55 * distance);
}

}  // namespace

int SimWorld::nearest(int team, double x, double y, int except, bool outfield) const {
  int best = -1;
  double least = 1e9;
  for (int i = 11 * team; i < 11 * team + 11; ++i) {
    if (i == except || (outfield && state_.persons[i].role == SimRole::keeper)) continue;
    const double d = std::hypot(state_.persons[i].x - x, state_.persons[i].y - y);
    if (d < least) least = d, best = i;
  }
  return best;
}

double SimWorld::pressure(int i) const {
  const SimPerson& p = state_.persons[i];
  const int j = nearest(1 - p.team, p.x, p.y, -1, false);
  return std::hypot(state_.persons[j].x - p.x, state_.persons[j].y - p.y);
}

// Who goes for the ball: of each team the one who can meet it first, and one to cover.
void SimWorld::assign_roles() {
  for (int team = 0; team < 2; ++team) {
    std::array<double, 2> least{1e9, 1e9};
    chaser_[team] = second_[team] = -1;
    for (int i = 11 * team; i < 11 * team + 11; ++i) {
      const SimPerson& p = state_.persons[i];
      const Vector3& b = state_.ball.position;
      if (p.role == SimRole::keeper &&
          (-direction_of(team) * b.x < SimPitch::half_length - 14 || std::abs(b.y) > 16))
        continue;
      double when = 9;
      for (double t = 0; t < 6; t += 0.3) {
        const Vector3 at = rolled(state_.ball, t);
        if (std::hypot(at.x - p.x, at.y - p.y) < 0.8 + 6.5 * t) {
          when = t;
          break;
        }
      }
      when += 0.02 * std::hypot(b.x - p.x, b.y - p.y) - (i == receiver_ ? 0.6 : 0);
      if (when < least[0]) {
        least[1] = least[0], second_[team] = chaser_[team];
        least[0] = when, chaser_[team] = i;
      } else if (when < least[1]) {
        least[1] = when, second_[team] = i;
      }
    }
  }
}

SimWorld::Wish SimWorld::slot_of(int i) const {
  const SimPerson& p = state_.persons[i];
  const double d = direction_of(p.team);
  const auto& f = kFormation[i % 11];
  const Vector3& ball = state_.ball.position;
  const int with_ball = state_.owner >= 0 ? state_.persons[state_.owner].team : last_touch_team_;
  double along = f[0] * 44 + 0.55 * d * ball.x + (with_ball == p.team ? 7 : -5);
  double across = f[1] * 31 + 0.33 * (ball.y - f[1] * 8);
  // Nobody stands still: everyone wanders around the place.
  along += 2.5 * std::sin(0.31 * state_.time + 1.7 * i);
  across += 2.5 * std::sin(0.23 * state_.time + 2.9 * i);
  along = std::clamp(along, -46.0, 46.0);
  if (state_.play != SimPlay::open && state_.restart == SimRestart::kick_off)
    along = std::min(along * 0.7 - 9, -1.0);
  return {d * along, std::clamp(across, -32.0, 32.0), 6.2};
}

// Defenders leave their place for the opponent near it, on the side of their goal.
SimWorld::Wish SimWorld::defend(int i, Wish slot) const {
  const SimPerson& p = state_.persons[i];
  const int man = nearest(1 - p.team, slot.x, slot.y, -1, true);
  const SimPerson& m = state_.persons[man];
  if (std::hypot(m.x - slot.x, m.y - slot.y) > 11) return slot;
  const double goal = -direction_of(p.team) * SimPitch::half_length;
  const double gx = goal - m.x, gy = -m.y, g = std::max(1.0, std::hypot(gx, gy));
  return {0.35 * slot.x + 0.65 * (m.x + 2 * gx / g), 0.35 * slot.y + 0.65 * (m.y + 2 * gy / g),
          7.2};
}

// On an arc between the goal and the ball; for a shot, where it will cross the line.
SimWorld::Wish SimWorld::keep_goal(int i) const {
  const double goal = -direction_of(state_.persons[i].team) * SimPitch::half_length;
  const SimBall& b = state_.ball;
  const double towards = b.velocity.x * (goal > 0 ? 1 : -1);
  if (state_.owner < 0 && towards > 8 && std::abs(b.position.x - goal) < 35) {
    const double t = (goal - b.position.x) / b.velocity.x;
    const double y = b.position.y + b.velocity.y * t;
    if (std::abs(y) < 6) return {goal * 0.985, std::clamp(y, -3.6, 3.6), 8};
  }
  const double dx = b.position.x - goal, dy = b.position.y, d = std::max(1.0, std::hypot(dx, dy));
  const double out = std::clamp(d * 0.13, 1.2, 9.0);
  return {goal + dx / d * out, dy / d * out * 0.8, 5.5};
}

SimWorld::Wish SimWorld::officiate(int i) const {
  const Vector3& b = state_.ball.position;
  if (i == SimState::kReferee) {
    const double back = b.x > 0 ? -9 : 9;
    const SimPerson& p = state_.persons[i];
    const double x = std::clamp(b.x + back, -40.0, 40.0),
                 y = std::clamp(b.y * 0.75 - 6, -26.0, 26.0);
    return {x, y, pace_for(std::hypot(x - p.x, y - p.y), 6.5)};
  }
  // Each assistant has half of a touch line, and stays level with the ball or the last defender.
  const double side = i == SimState::kReferee + 1 ? 1 : -1;
  const double x = side * std::clamp(std::max(side * b.x, 18.0), 0.0, 51.0);
  const double y = side > 0 ? SimPitch::half_width + 0.8 : -SimPitch::half_width - 0.8;
  return {x, y, pace_for(std::abs(x - state_.persons[i].x), 7)};
}

// To meet the ball, not to run after it.
SimWorld::Wish SimWorld::chase(int i) const {
  const SimPerson& p = state_.persons[i];
  if (state_.owner == i) {
    const Vector3 at = rolled(state_.ball, 0.12);
    return {at.x, at.y, 7.6};
  }
  if (state_.owner >= 0 && state_.persons[state_.owner].team != p.team) {
    const SimPerson& o = state_.persons[state_.owner];
    return {o.x + 0.45 * o.vx, o.y + 0.45 * o.vy, 7.6};
  }
  for (double t = 0; t < 4; t += 0.15) {
    const Vector3 at = rolled(state_.ball, t);
    if (std::hypot(at.x - p.x, at.y - p.y) < 0.3 + 6.5 * t) return {at.x, at.y, 8.2};
  }
  const Vector3 at = rolled(state_.ball, 4);
  return {at.x, at.y, 8.2};
}

void SimWorld::wish_all() {
  for (int i = 0; i < SimState::kReferee; ++i) {
    const SimPerson& p = state_.persons[i];
    if (i == taker_) continue;  // restart_step() says
    const bool defending = state_.owner >= 0 ? state_.persons[state_.owner].team != p.team
                                             : last_touch_team_ != p.team;
    Wish w = p.role == SimRole::keeper ? keep_goal(i) : slot_of(i);
    if (p.role == SimRole::player && defending) w = defend(i, w);
    if (state_.play == SimPlay::open) {
      const bool free_ball = state_.owner < 0;
      const bool mine = state_.owner == i || (i == chaser_[p.team] && (free_ball || defending));
      if (mine) w = chase(i);
      if (!mine && i == second_[p.team] && defending && p.role == SimRole::player) {
        const double goal = -direction_of(p.team) * SimPitch::half_length;
        const Vector3& b = state_.ball.position;
        const double gx = goal - b.x, gy = -b.y, g = std::max(1.0, std::hypot(gx, gy));
        w = {b.x + 4.5 * gx / g, b.y + 4.5 * gy / g, 7.4};
      }
      if (mine) {
        wish_[i] = w;
        continue;
      }
    } else if (p.team != restart_team_) {  // opponents keep away from a restart
      const double dx = w.x - spot_x_, dy = w.y - spot_y_, d = std::max(0.1, std::hypot(dx, dy));
      if (d < 9.15) w.x += dx / d * (9.15 - d), w.y += dy / d * (9.15 - d);
    }
    w.speed = pace_for(std::hypot(w.x - p.x, w.y - p.y), w.speed);
    wish_[i] = w;
  }
  for (int i = SimState::kReferee; i < SimState::kReferee + 3; ++i) wish_[i] = officiate(i);
  for (int i = SimState::kReferee + 3; i < SimState::kPersons; ++i) {
    const Wish& h = home_[i];
    const bool warms_up = std::abs(h.x) > 20;
    const double swing =
        warms_up ? 9 * std::sin(0.22 * state_.time + i) : 1.5 * std::sin(0.1 * state_.time + 2 * i);
    wish_[i] = {h.x + swing, h.y, warms_up ? 2.6 : 1.0};
  }
}

}  // namespace gantry
