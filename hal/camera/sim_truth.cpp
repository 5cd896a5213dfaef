// Projection of figures and ball, and who hides whom.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_truth.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

double length(const Vector3& v) {
  return std::sqrt(v.x * v.x + v.y * v.y + v.z * v.z);
}

Vector3 between(const Vector3& a, const Vector3& b, double t) {
  return {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), a.z + t * (b.z - a.z)};
}

double angle_between(const Vector3& a, const Vector3& b) {  // of unit vectors; exact for small ones
  return 2 * std::asin(std::min(1.0, 0.5 * length({a.x - b.x, a.y - b.y, a.z - b.z})));
}

struct Extent {
  double left = 1e9, top = 1e9, right = -1e9, bottom = -1e9;
  void add(double x, double y, double rx, double ry) {
    left = std::min(left, x - rx), right = std::max(right, x + rx);
    top = std::min(top, y - ry), bottom = std::max(bottom, y + ry);
  }
  SimBox cut(int width, int height) const {
    const SimBox b{std::max(left, -0.5), std::max(top, -0.5), std::min(right, width - 0.5),
                   std::min(bottom, height - 0.5), true};
    return b.left < b.right && b.top < b.bottom ? b : SimBox{};
  }
};

}  // namespace

SimTruth::SimTruth(const Rig& rig, const SimLook& look, double mast_height_m)
    : panorama_(rig.panorama), look_(look), eye_(sim_eye({.height = mast_height_m})) {
  for (const RigCamera& c : rig.cameras)
    views_.emplace_back(c, c.lens.width, c.lens.height, SimMast{.height = mast_height_m});
}

SimTruth::Outline SimTruth::outline_of(const SimFigure& figure, const SimPerson& person) const {
  Outline o;
  o.distance = length({person.x - eye_.x, person.y - eye_.y, 0.5 * person.height - eye_.z});
  const auto disc = [&](const Vector3& p, double radius) {
    const Vector3 d{p.x - eye_.x, p.y - eye_.y, p.z - eye_.z};
    const double n = length(d);
    return Disc{{d.x / n, d.y / n, d.z / n}, radius / n};
  };
  for (int i = 0; i < figure.count; ++i) {
    const SimLimb& l = figure.limbs[i];
    o.limbs[o.count++] = {disc(l.a, l.ra), disc(l.b, l.rb)};
  }
  return o;
}

bool SimTruth::hides(const Outline& o, const Vector3& p) const {
  for (int j = 0; j < o.count; ++j) {
    const Disc &a = o.limbs[j][0], &b = o.limbs[j][1];
    const Vector3 along{b.direction.x - a.direction.x, b.direction.y - a.direction.y,
                        b.direction.z - a.direction.z};
    const Vector3 q{p.x - a.direction.x, p.y - a.direction.y, p.z - a.direction.z};
    const double size = std::max(1e-18, along.x * along.x + along.y * along.y + along.z * along.z);
    const double t = std::clamp((q.x * along.x + q.y * along.y + q.z * along.z) / size, 0.0, 1.0);
    if (length({q.x - t * along.x, q.y - t * along.y, q.z - t * along.z}) <
        a.radius + t * (b.radius - a.radius))
      return true;
  }
  return false;
}

// Nineteen points spread over the disc, against everyone who is nearer.
double SimTruth::visible_part(const Disc& disc, double distance, int except) const {
  constexpr int kPoints = 19;
  const double flat = std::hypot(disc.direction.x, disc.direction.y);
  const Vector3& d = disc.direction;
  const Vector3 right{d.y / flat, -d.x / flat, 0};
  const Vector3 up{-d.z * d.x / flat, -d.z * d.y / flat, flat};
  int seen = 0;
  for (int k = 0; k < kPoints; ++k) {
    const double r = disc.radius * std::sqrt((k + 0.5) / kPoints),
                 a = 2.399963 * k;  // golden angle
    const double u = r * std::cos(a), v = r * std::sin(a);
    const Vector3 p{d.x + u * right.x + v * up.x, d.y + u * right.y + v * up.y, d.z + v * up.z};
    bool hidden = false;
    for (int i = 0; i < SimState::kPersons && !hidden; ++i) {
      const Outline& o = outlines_[i];
      if (i == except || o.distance >= distance) continue;
      if (angle_between(o.limbs[0][0].direction, d) * o.distance > 2.5) continue;  // not even near
      hidden = hides(o, p);
    }
    seen += !hidden;
  }
  return static_cast<double>(seen) / kPoints;
}

SimSpot SimTruth::panorama_spot(const Vector3& direction, double radius) const {
  const Vector3 d = panorama_from_world(direction);
  const double yaw = yaw_of(d), pitch = pitch_of(d);
  const double across =
      panorama_.width / (panorama_.yaw_right - panorama_.yaw_left) / std::cos(pitch);
  const double down = panorama_.height / (panorama_.pitch_top - panorama_.pitch_bottom);
  SimSpot s{panorama_.x_of(yaw), panorama_.y_of(pitch), 2 * radius * std::sqrt(across * down),
            true};
  s.seen = s.x > -0.5 && s.y > -0.5 && s.x < panorama_.width - 0.5 && s.y < panorama_.height - 0.5;
  return s;
}

SimBox SimTruth::panorama_box(const Outline& outline) const {
  Extent e;
  for (int i = 0; i < outline.count; ++i)
    for (const Disc& disc : outline.limbs[i]) {
      const Vector3 d = panorama_from_world(disc.direction);
      const double pitch = pitch_of(d), turn = panorama_.yaw_right - panorama_.yaw_left;
      e.add(panorama_.x_of(yaw_of(d)), panorama_.y_of(pitch),
            disc.radius * panorama_.width / turn / std::cos(pitch),
            disc.radius * panorama_.height / (panorama_.pitch_top - panorama_.pitch_bottom));
    }
  return e.cut(panorama_.width, panorama_.height);
}

SimBox SimTruth::camera_box(const SimView& view, const SimFigure& figure) const {
  Extent e;
  for (int i = 0; i < figure.count; ++i)
    for (double t : {0.0, 1.0}) {
      const SimLimb& l = figure.limbs[i];
      const Vector3 p = between(l.a, l.b, t);
      const auto at = view.project(p);
      const auto scale = view.scale(p);
      if (!at || !scale) return {};
      const double r =
          (l.ra + t * (l.rb - l.ra)) * *scale / length({p.x - eye_.x, p.y - eye_.y, p.z - eye_.z});
      e.add(at->x, at->y, r, r);
    }
  return e.cut(view.width(), view.height());
}

SimSpot SimTruth::camera_spot(const SimView& view, const Vector3& ball) const {
  const auto at = view.project(ball);
  const auto scale = view.scale(ball);
  if (!at || !scale) return {};
  const double distance = length({ball.x - eye_.x, ball.y - eye_.y, ball.z - eye_.z});
  const bool inside =
      at->x > -0.5 && at->y > -0.5 && at->x < view.width() - 0.5 && at->y < view.height() - 0.5;
  return {at->x, at->y, 2 * look_.ball_radius / distance * *scale, inside};
}

void SimTruth::of(const SimState& state, std::uint64_t frame, std::int64_t capture_ns,
                  SimTruthFrame& out) {
  out.frame = frame;
  out.capture_ns = capture_ns;
  out.cameras = views_.size();
  out.play = state.play;
  for (int i = 0; i < SimState::kPersons; ++i) {
    const SimPerson& p = state.persons[i];
    figures_[i] = figure_of(p, i, look_);
    outlines_[i] = outline_of(figures_[i], p);
  }
  for (int i = 0; i < SimState::kPersons; ++i) {
    const SimPerson& p = state.persons[i];
    SimTruthPerson& t = out.persons[i];
    t.id = i, t.role = p.role, t.team = p.team, t.x = p.x, t.y = p.y;
    t.panorama = panorama_box(outlines_[i]);
    for (std::size_t c = 0; c < views_.size(); ++c)
      t.cameras[c] = camera_box(views_[c], figures_[i]);
    double area = 0, seen = 0;
    for (int k = 0; k < outlines_[i].count; ++k)
      for (const Disc& d : outlines_[i].limbs[k]) {
        area += d.radius * d.radius;
        seen += d.radius * d.radius * visible_part(d, outlines_[i].distance, i);
      }
    t.visible = seen / area;
  }
  SimTruthBall& b = out.ball;
  b.world = state.ball.position;
  b.speed = speed(state.ball);
  const Vector3 d{b.world.x - eye_.x, b.world.y - eye_.y, b.world.z - eye_.z};
  const double n = length(d);
  const Disc disc{{d.x / n, d.y / n, d.z / n}, look_.ball_radius / n};
  b.visible = visible_part(disc, n, -1);
  b.panorama = panorama_spot(disc.direction, disc.radius);
  for (std::size_t c = 0; c < views_.size(); ++c) b.cameras[c] = camera_spot(views_[c], b.world);
}

}  // namespace gantry
