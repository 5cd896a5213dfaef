// Projects people, ball and props, sorts them by distance, and lists them tile by tile.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_scene.hpp"

#include <algorithm>
#include <cmath>

#include "hal/camera/sim_random.hpp"

namespace gantry {
namespace {

constexpr std::uint32_t kMembersPerTile = SIM_MOST_ACTORS;

Vector3 operator-(const Vector3& a, const Vector3& b) {
  return {a.x - b.x, a.y - b.y, a.z - b.z};
}
double dot(const Vector3& a, const Vector3& b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
double length(const Vector3& v) {
  return std::sqrt(dot(v, v));
}

struct ImageFrame {  // right, down, towards the camera, at a point; world frame
  Vector3 right, down, near;
};

ImageFrame image_frame(const Vector3& eye, const Vector3& point) {
  const Vector3 d = point - eye;
  const double n = length(d), flat = std::max(1e-6, std::hypot(d.x, d.y));
  const Vector3 near{-d.x / n, -d.y / n, -d.z / n}, right{d.y / flat, -d.x / flat, 0};
  return {right,
          {near.y * right.z - near.z * right.y, near.z * right.x - near.x * right.z,
           near.x * right.y - near.y * right.x},
          near};
}

void widen(float& left, float& top, float& right, float& bottom, float x, float y, float rx,
           float ry) {
  left = std::min(left, x - rx), right = std::max(right, x + rx);
  top = std::min(top, y - ry), bottom = std::max(bottom, y + ry);
}

}  // namespace

Vector3 sun_direction(const SimLook& look) {
  const double flat = std::cos(look.sun_elevation);
  return {flat * std::cos(look.sun_azimuth), flat * std::sin(look.sun_azimuth),
          std::sin(look.sun_elevation)};
}

SimFrameMemory::SimFrameMemory(int width, int height) {
  most_tiles = ((width + SIM_TILE - 1) / SIM_TILE) * ((height + SIM_TILE - 1) / SIM_TILE);
  tiles_offset = (sizeof(sim::SimFrame) + 127) / 128 * 128;
  members_offset = tiles_offset + most_tiles * sizeof(sim::SimTile);
  bytes = members_offset + sizeof(std::uint16_t) * kMembersPerTile * most_tiles;
}

SimScene::SimScene(const SimView& view, const SimLook& look, const std::array<double, 9>& matrix,
                   std::uint64_t seed)
    : view_(view),
      look_(look),
      matrix_(matrix),
      sun_(sun_direction(look)),
      layout_(view.width(), view.height()) {
  set_up_goals();
  set_up_props(seed);
  set_up_clutter(seed);
}

void SimScene::add_prop(const Vector3& a, const Vector3& b, double ra, double rb,
                        const SimColour& c) {
  props_[prop_count_++] = {a, b, ra, rb, c, c};
}

void SimScene::set_up_goals() {
  const double w = SimPitch::goal_half_width, h = SimPitch::goal_height;
  const SimColour white{0.82f, 0.82f, 0.82f};
  for (double x : {-SimPitch::half_length, SimPitch::half_length}) {
    add_prop({x, w, 0}, {x, w, h}, 0.06, 0.06, white);
    for (int part = 1; part >= -1; part -= 2)
      add_prop({x, part > 0 ? w : 0, h}, {x, part > 0 ? 0 : -w, h}, 0.06, 0.06, white);
    add_prop({x, -w, 0}, {x, -w, h}, 0.06, 0.06, white);
  }
}

// What lies about: spare balls behind the goals and by the benches, bottles.
void SimScene::set_up_props(std::uint64_t seed) {
  SimRandom random(seed, 0x9309);
  for (int i = 0; i < look_.spare_balls; ++i) {
    const bool behind_goal = random.chance(0.5);
    const double side = random.chance(0.5) ? 1 : -1;
    spare_balls_[i].position = {
        behind_goal ? side * random.uniform(54, 56.5) : random.uniform(-40, 40),
        behind_goal          ? random.uniform(-25, 25)
        : random.chance(0.6) ? 36.4
                             : -35.6,
        look_.ball_radius};
  }
  for (int i = 0; i < look_.bottles; ++i) {
    const double x = random.uniform(-30, 30), y = random.chance(0.7) ? 36.8 : -35.4;
    const bool white = random.chance(0.5);
    add_prop({x, y, 0.03}, {x, y, 0.22}, 0.04, 0.03,
             white ? SimColour{0.82f, 0.82f, 0.82f} : SimColour{0.1f, 0.3f, 0.7f});
  }
}

// What a detector must not take for a ball or a person: flat cones, poles, bags, lamps on masts.
void SimScene::set_up_clutter(std::uint64_t seed) {
  SimRandom random(seed, 0xc1077e2);
  const auto vivid = [&] {
    const auto one = [&] { return static_cast<float>(0.85 * std::pow(random.uniform(), 1.5)); };
    return random.chance(0.4) ? SimColour{0.8f, 0.8f, 0.78f} : SimColour{one(), one(), one()};
  };
  SimColour colour = vivid();
  for (int i = 0; i < look_.clutter; ++i) {
    if (random.chance(0.3)) colour = vivid();
    const double x = look_.clutter_x + look_.clutter_reach * random.uniform(-1, 1);
    const double y = look_.clutter_y + look_.clutter_reach * random.uniform(-1, 1);
    const double turn = random.uniform(0, std::numbers::pi), kind = random.uniform();
    const auto lying = [&](double half, double r, double up) {
      const double dx = half * std::cos(turn), dy = half * std::sin(turn);
      add_prop({x - dx, y - dy, up}, {x + dx, y + dy, up}, r, r, colour);
    };
    if (kind < 0.3)
      lying(0.1, random.uniform(0.03, 0.06), 0.03);  // a flat cone
    else if (kind < 0.5)
      add_prop({x, y, 0}, {x, y, random.uniform(0.25, 0.75)}, random.uniform(0.06, 0.16), 0.02,
               colour);  // a tall cone
    else if (kind < 0.7)
      add_prop({x, y, 0}, {x, y, random.uniform(1, 4)}, random.uniform(0.012, 0.05),
               random.uniform(0.012, 0.05), colour);  // a pole
    else if (kind < 0.85)
      lying(random.uniform(0.3, 0.8), random.uniform(0.06, 0.25), 0.12);  // a bag, a bench
    else if (kind < 0.93)
      lying(random.uniform(0.5, 2.5), random.uniform(0.02, 0.05), random.uniform(0, 1.2));  // a bar
    else
      add_prop({x, y, random.uniform(3, 9)}, {x, y, random.uniform(9, 12)}, 0.04, 0.2,
               {1, 1, 0.95f});  // a lamp
  }
}

void SimScene::gather(const SimState& state, const SimCast& cast) {
  entry_count_ = 0;
  const auto add = [&](const Vector3& middle) -> Entry& {
    Entry& e = entries_[entry_count_];
    order_[entry_count_] = entry_count_;
    ++entry_count_;
    e.middle = middle;
    e.distance = length(middle - view_.eye());
    e.ball = nullptr;
    e.person = -1;
    e.figure.count = 0;
    return e;
  };
  const auto add_ball = [&](const SimBall& ball) { add(ball.position).ball = &ball; };
  for (int i = 0; i < state.person_count; ++i) {
    const SimPerson& p = state.persons[i];
    if (i == cast.hidden_person) continue;
    Entry& e = add({p.x, p.y, p.height * 0.5});
    e.figure = figure_of(p, i, look_);
    e.person = i;
  }
  for (int i = 0; i < (cast.props ? prop_count_ : 0); ++i) {
    const SimLimb& l = props_[i];
    Entry& e = add({0.5 * (l.a.x + l.b.x), 0.5 * (l.a.y + l.b.y), 0.5 * (l.a.z + l.b.z)});
    e.figure.limbs[e.figure.count++] = l;
  }
  if (cast.ball) add_ball(state.ball);
  for (int i = 0; i < (cast.ball ? state.more_ball_count : 0); ++i) add_ball(state.more_balls[i]);
  for (int i = 0; i < (cast.props ? look_.spare_balls : 0); ++i) add_ball(spare_balls_[i]);
  std::sort(order_.begin(), order_.begin() + entry_count_,
            [&](int a, int b) { return entries_[a].distance > entries_[b].distance; });
}

// Encoded Y, Cb, Cr with the haze of the distance in it.
std::array<float, 3> SimScene::colour(const SimColour& c, double distance) const {
  const double air = 1 - std::exp(-look_.haze * std::min(distance, 150.0) * 0.01);
  const auto mixed = [&](float own, float sky) { return std::sqrt(own + (sky - own) * air); };
  const double r = mixed(c.r, look_.sky_horizon.r), g = mixed(c.g, look_.sky_horizon.g),
               b = mixed(c.b, look_.sky_horizon.b);
  std::array<float, 3> out{};
  for (int i = 0; i < 3; ++i)
    out[i] =
        static_cast<float>(matrix_[3 * i] * r + matrix_[3 * i + 1] * g + matrix_[3 * i + 2] * b);
  return out;
}

void SimScene::light(const Vector3& middle, float* out) const {
  const ImageFrame f = image_frame(view_.eye(), middle);
  out[0] = static_cast<float>(dot(sun_, f.right));
  out[1] = static_cast<float>(dot(sun_, f.down));
  out[2] = static_cast<float>(dot(sun_, f.near));
}

// A limb's circles fall on the ground as ellipses, flat as the ray is shallow: an aspect each.
void SimScene::add_shadow(const SimLimb& limb, sim::SimFrame& frame, sim::SimActor& actor) {
  if (shadows_ == SIM_MOST_SHADOWS) return;
  const auto fallen = [&](const Vector3& p) {
    const double t = std::min(p.z / sun_.z, 12.0);
    return Vector3{p.x - t * sun_.x, p.y - t * sun_.y, 0};
  };
  const Vector3 a = fallen(limb.a), b = fallen(limb.b);
  const auto pa = view_.project(a), pb = view_.project(b);
  const auto scale = view_.scale(a);
  if (!pa || !pb || !scale) return;
  const double da = length(a - view_.eye()), db = length(b - view_.eye());
  const double aspect = da / view_.eye().z;
  // As for limbs, what is flatter than a pixel is drawn a pixel high and as much fainter.
  const double ra = limb.ra * *scale / da, rb = limb.rb * *scale / db;
  const double flat = std::min(ra, rb) / aspect, shown = std::max(flat, 0.5);
  const double ratio = std::max(1.0, aspect * flat / shown);
  sim::SimShadow& s = frame.shadows[shadows_++];
  s.ax = static_cast<float>(pa->x), s.ay = static_cast<float>(pa->y);
  s.bx = static_cast<float>(pb->x), s.by = static_cast<float>(pb->y);
  s.ra = static_cast<float>(ra), s.rb = static_cast<float>(rb);
  s.aspect = static_cast<float>(ratio);
  const double lit = look_.sun / (look_.sun + look_.ambient);
  s.opacity = static_cast<float>((1 - std::sqrt(1 - 0.95 * lit)) *
                                 std::min(1.0, 0.25 + 0.75 * flat / shown));
  ++actor.shadows;
  const auto rx = static_cast<float>(std::max(ra, rb) + 1), ry = rx / s.aspect + 1;
  widen(actor.shadow_left, actor.shadow_top, actor.shadow_right, actor.shadow_bottom, s.ax, s.ay,
        rx, ry);
  widen(actor.shadow_left, actor.shadow_top, actor.shadow_right, actor.shadow_bottom, s.bx, s.by,
        rx, ry);
}

void SimScene::add_figure(const Entry& entry, sim::SimFrame& frame, sim::SimActor& actor) {
  const auto scale = view_.scale(entry.middle);
  if (!scale) return;
  const SimFigure& figure = entry.figure;
  std::array<int, SimFigure::kMost> order{};
  std::array<double, SimFigure::kMost> depth{};
  for (int i = 0; i < figure.count; ++i) {
    order[i] = i;
    const SimLimb& l = figure.limbs[i];
    depth[i] = length(l.a - view_.eye()) + length(l.b - view_.eye());
    if (l.casts && look_.sun > 0.1) add_shadow(l, frame, actor);
  }
  std::sort(order.begin(), order.begin() + figure.count,
            [&](int a, int b) { return depth[a] > depth[b]; });
  for (int k = 0; k < figure.count && capsules_ < SIM_MOST_CAPSULES; ++k) {
    const SimLimb& l = figure.limbs[order[k]];
    const auto pa = view_.project(l.a), pb = view_.project(l.b);
    if (!pa || !pb) continue;
    sim::SimCapsule& c = frame.capsules[capsules_++];
    c.ax = static_cast<float>(pa->x), c.ay = static_cast<float>(pa->y);
    c.bx = static_cast<float>(pb->x), c.by = static_cast<float>(pb->y);
    c.ra = static_cast<float>(l.ra * *scale / length(l.a - view_.eye()));
    c.rb = static_cast<float>(l.rb * *scale / length(l.b - view_.eye()));
    c.split = l.split, c.pattern = l.pattern;
    std::ranges::copy(colour(l.first, entry.distance), c.first);
    std::ranges::copy(colour(l.second, entry.distance), c.second);
    ++actor.capsules;
    widen(actor.left, actor.top, actor.right, actor.bottom, c.ax, c.ay, c.ra + 1, c.ra + 1);
    widen(actor.left, actor.top, actor.right, actor.bottom, c.bx, c.by, c.rb + 1, c.rb + 1);
  }
  light(entry.middle, actor.light);
}

void SimScene::add_ball(const SimBall& ball, sim::SimFrame& frame, sim::SimActor& actor) {
  const double half = 0.5 * look_.exposure_time, radius = look_.ball_radius;
  const auto moved = [&](double t) {
    const Vector3 &p = ball.position, &v = ball.velocity;
    return Vector3{p.x + t * v.x, p.y + t * v.y, std::max(radius, p.z + t * v.z)};
  };
  const Vector3 from = moved(-half), to = moved(half);
  const auto p0 = view_.project(from), p1 = view_.project(to);
  const auto scale = view_.scale(ball.position);
  if (!p0 || !p1 || !scale) return;
  sim::SimBallSprite& s = frame.balls[balls_++];
  actor.ball = balls_;
  s.x0 = static_cast<float>(p0->x), s.y0 = static_cast<float>(p0->y);
  s.x1 = static_cast<float>(p1->x), s.y1 = static_cast<float>(p1->y);
  s.r0 = static_cast<float>(radius * *scale / length(from - view_.eye()));
  s.r1 = static_cast<float>(radius * *scale / length(to - view_.eye()));
  s.patches = look_.ball_patches;
  const double distance = length(ball.position - view_.eye());
  std::ranges::copy(colour(look_.ball, distance), s.colour);
  std::ranges::copy(colour(look_.ball_patch, distance), s.patch);
  // Rows of the ball's turn, transposed: from the image frame by way of the world.
  const ImageFrame f = image_frame(view_.eye(), ball.position);
  const auto& [w, x, y, z] = ball.turn;
  const std::array<Vector3, 3> axes{
      {{1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)},
       {2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)},
       {2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)}}};
  for (int i = 0; i < 3; ++i) {
    s.orientation[3 * i] = static_cast<float>(dot(axes[i], f.right));
    s.orientation[3 * i + 1] = static_cast<float>(dot(axes[i], f.down));
    s.orientation[3 * i + 2] =
        static_cast<float>(-dot(axes[i], f.near));  // the kernel's z looks away
  }
  widen(actor.left, actor.top, actor.right, actor.bottom, s.x0, s.y0, s.r0 + 1.5f, s.r0 + 1.5f);
  widen(actor.left, actor.top, actor.right, actor.bottom, s.x1, s.y1, s.r1 + 1.5f, s.r1 + 1.5f);
  light(ball.position, actor.light);
  if (look_.sun > 0.1)
    add_shadow({ball.position, ball.position, radius, radius, {}, {}}, frame, actor);
}

SimScene::Drawn SimScene::draw(const SimState& state, const SimCast& cast, std::byte* memory) {
  gather(state, cast);
  auto& frame = *reinterpret_cast<sim::SimFrame*>(memory);
  balls_ = capsules_ = shadows_ = 0;
  int actors = 0;
  for (int k = 0; k < entry_count_; ++k) {
    const Entry& e = entries_[order_[k]];
    const auto at = view_.project(e.middle);
    const double margin = 0.25 * view_.width();
    if (!at || at->x < -margin || at->x > view_.width() + margin || at->y < -margin ||
        at->y > view_.height() + margin)
      continue;
    sim::SimActor& actor = frame.actors[actors++];
    actor = {};
    actor.first_capsule = capsules_;
    actor.first_shadow = shadows_;
    actor.left = actor.top = actor.shadow_left = actor.shadow_top = 1e9f;
    actor.right = actor.bottom = actor.shadow_right = actor.shadow_bottom = -1e9f;
    actor.person = e.person + 1;
    if (e.ball)
      add_ball(*e.ball, frame, actor);
    else
      add_figure(e, frame, actor);
  }
  const int tiles = fill_tiles(frame, actors, memory);
  const auto* tile = reinterpret_cast<const sim::SimTile*>(memory + layout_.tiles_offset);
  const int members = tiles ? tile[tiles - 1].first + tile[tiles - 1].count : 0;
  return {tiles, actors, layout_.members_offset + sizeof(std::uint16_t) * members};
}

// Every tile that an actor's or its shadow's box meets, with all actors there, farthest first.
int SimScene::fill_tiles(const sim::SimFrame& frame, int actors, std::byte* memory) {
  auto* tiles = reinterpret_cast<sim::SimTile*>(memory + layout_.tiles_offset);
  auto* members = reinterpret_cast<std::uint16_t*>(memory + layout_.members_offset);
  int tile_count = 0, member_count = 0;
  for (int y = 0; y < view_.height(); y += SIM_TILE) {
    std::array<std::uint16_t, SIM_MOST_ACTORS> in_row{};
    int row_count = 0;
    const auto meets = [](float low, float high, int from) {
      return low < static_cast<float>(from + SIM_TILE) + 1 && high > static_cast<float>(from) - 2;
    };
    for (int i = 0; i < actors; ++i) {
      const sim::SimActor& a = frame.actors[i];
      if (meets(a.top, a.bottom, y) || meets(a.shadow_top, a.shadow_bottom, y))
        in_row[row_count++] = static_cast<std::uint16_t>(i);
    }
    for (int x = 0; row_count && x < view_.width(); x += SIM_TILE) {
      const int first = member_count;
      for (int k = 0; k < row_count; ++k) {
        const sim::SimActor& a = frame.actors[in_row[k]];
        if ((meets(a.top, a.bottom, y) && meets(a.left, a.right, x)) ||
            (meets(a.shadow_top, a.shadow_bottom, y) && meets(a.shadow_left, a.shadow_right, x)))
          members[member_count++] = in_row[k];
      }
      if (member_count > first) tiles[tile_count++] = {x, y, first, member_count - first};
    }
  }
  return tile_count;
}

}  // namespace gantry
