// Boxes around what is drawn, and how much of each is hidden.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_boxes.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

struct Band {  // what a limb and a moving ball both are: the space between two circles
  double ax, ay, ra, bx, by, rb;
};

Band band_of(const sim::SimCapsule& c) {
  return {c.ax, c.ay, c.ra, c.bx, c.by, c.rb};
}
Band band_of(const sim::SimBallSprite& s) {
  return {s.x0, s.y0, s.r0, s.x1, s.y1, s.r1};
}

bool covers(const Band& b, double x, double y) {
  const double dx = b.bx - b.ax, dy = b.by - b.ay, qx = x - b.ax, qy = y - b.ay;
  const double t = std::clamp((qx * dx + qy * dy) / std::max(1e-9, dx * dx + dy * dy), 0.0, 1.0);
  const double r = b.ra + t * (b.rb - b.ra), ex = qx - t * dx, ey = qy - t * dy;
  return ex * ex + ey * ey < r * r;
}

void widen(const Band& b, SimObject& o) {
  o.left = std::min({o.left, b.ax - b.ra, b.bx - b.rb});
  o.top = std::min({o.top, b.ay - b.ra, b.by - b.rb});
  o.right = std::max({o.right, b.ax + b.ra, b.bx + b.rb});
  o.bottom = std::max({o.bottom, b.ay + b.ra, b.by + b.rb});
}

bool covers(const sim::SimFrame& frame, const sim::SimActor& a, double x, double y) {
  if (x < a.left || x > a.right || y < a.top || y > a.bottom) return false;
  if (a.ball) return covers(band_of(frame.balls[a.ball - 1]), x, y);
  for (int k = a.first_capsule; k < a.first_capsule + a.capsules; ++k)
    if (covers(band_of(frame.capsules[k]), x, y)) return true;
  return false;
}

}  // namespace

SimBoxes::SimBoxes(const SimView& view, const SimLook& look, std::uint64_t seed)
    : width_(view.width()),
      height_(view.height()),
      scene_(view, look, {1, 0, 0, 0, 1, 0, 0, 0, 1}, seed),
      memory_(SimFrameMemory(view.width(), view.height()).bytes) {
  objects_.reserve(SIM_MOST_ACTORS);
}

// A grid over the box. Actors are sorted, the farthest first: later ones hide earlier ones.
double SimBoxes::visible_share(const sim::SimFrame& frame, int actor, int actors,
                               const SimObject& o) const {
  constexpr int kSteps = 24;
  int own = 0, seen = 0;
  for (int j = 0; j < kSteps; ++j)
    for (int i = 0; i < kSteps; ++i) {
      const double x = o.left + (i + 0.5) / kSteps * (o.right - o.left);
      const double y = o.top + (j + 0.5) / kSteps * (o.bottom - o.top);
      if (!covers(frame, frame.actors[actor], x, y)) continue;
      ++own;
      bool hidden = x < -0.5 || y < -0.5 || x > width_ - 0.5 || y > height_ - 0.5;
      for (int k = actor + 1; k < actors && !hidden; ++k)
        hidden = covers(frame, frame.actors[k], x, y);
      seen += !hidden;
    }
  return own ? static_cast<double>(seen) / own : 0;
}

std::span<const SimObject> SimBoxes::of(const SimState& state, const SimCast& cast) {
  const int actors = scene_.draw(state, cast, memory_.data()).actors;
  const auto& frame = *reinterpret_cast<const sim::SimFrame*>(memory_.data());
  objects_.clear();
  for (int i = 0; i < actors; ++i) {
    const sim::SimActor& a = frame.actors[i];
    if (!a.ball && (!a.person || a.capsules == 0)) continue;
    SimObject o{a.ball > 0, 1e9, 1e9, -1e9, -1e9};
    if (a.ball) {
      const sim::SimBallSprite& s = frame.balls[a.ball - 1];
      widen(band_of(s), o);
      o.diameter = s.r0 + s.r1;
    }
    for (int k = a.first_capsule; k < a.first_capsule + a.capsules; ++k)
      widen(band_of(frame.capsules[k]), o);
    o.visible = visible_share(frame, i, actors, o);
    if (o.visible > 0) objects_.push_back(o);
  }
  return objects_;
}

}  // namespace gantry
