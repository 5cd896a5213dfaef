// Limbs from gait, heading and what the arms do.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_figure.hpp"

#include <algorithm>
#include <cmath>

#include "hal/camera/sim_random.hpp"

namespace gantry {
namespace {

constexpr std::array<SimColour, 4> kSkin{
    {{0.55f, 0.36f, 0.26f}, {0.45f, 0.27f, 0.18f}, {0.25f, 0.14f, 0.08f}, {0.1f, 0.055f, 0.035f}}};
constexpr std::array<SimColour, 4> kHair{{{0.02f, 0.015f, 0.01f},
                                          {0.08f, 0.045f, 0.02f},
                                          {0.3f, 0.2f, 0.08f},
                                          {0.015f, 0.015f, 0.015f}}};
constexpr std::array<SimColour, 4> kShoes{
    {{0.02f, 0.02f, 0.02f}, {0.7f, 0.7f, 0.7f}, {0.7f, 0.2f, 0.02f}, {0.3f, 0.7f, 0.1f}}};

// The body's own axes on the pitch: forward, to its left, up; in metres from its feet.
struct Body {
  static constexpr double kLyingHeight = 0.12;
  const SimPerson& p;
  double c, s;
  explicit Body(const SimPerson& person)
      : p(person), c(std::cos(p.heading)), s(std::sin(p.heading)) {}
  Vector3 at(double forward, double left, double up) const {
    const double h = p.height / 1.8;
    if (p.fallen) {
      std::swap(forward, up);
      up = std::abs(up) + kLyingHeight;
    }
    return {p.x + h * (forward * c - left * s), p.y + h * (forward * s + left * c), h * up};
  }
};

// A joint that hangs from (forward, up) by `length` at `angle` forward of straight down.
struct Joint {
  double forward = 0, up = 0;
  Joint hang(double length, double angle) const {
    return {forward + length * std::sin(angle), up - length * std::cos(angle)};
  }
};

struct Leg {  // from the hip
  Joint knee, foot;
};

double phase_of(const SimPerson& p, int side) {
  return p.gait + (side > 0 ? 0 : std::numbers::pi);
}

Leg leg_of(const SimPerson& p, int side, double pace, double swing) {
  const double phase = phase_of(p, side);
  double thigh = swing * std::sin(phase) + 0.15 * swing;
  double bend =
      swing * (0.35 + 1.1 * std::max(0.0, std::cos(phase))) * std::min(1.0, pace / 2) + 0.06;
  if (side > 0 && p.kick > 0) {  // the leg swings through
    const double t = 1 - p.kick;
    thigh = -0.8 + 2.1 * (1 - std::exp(-6 * t)) - 1.2 * t * t;
    bend = 0.9 * std::exp(-8 * t);
  }
  thigh += 1.5 * p.crouch * (side > 0 ? 1 : 0.8);
  bend += 2.3 * p.crouch;
  Leg leg;
  leg.knee = Joint{}.hang(0.43, thigh);
  leg.foot = leg.knee.hang(0.43, thigh - bend);
  return leg;
}

SimKit own_kit(SimRandom& random) {
  const auto cloth = [&] {
    const double v = random.uniform() * random.uniform();
    const auto one = [&] { return static_cast<float>(0.02 + 0.8 * v * random.uniform()); };
    return random.chance(0.25) ? SimColour{0.75f, 0.75f, 0.75f} : SimColour{one(), one(), one()};
  };
  SimKit kit;
  kit.shirt = cloth(), kit.second = cloth(), kit.shorts = cloth(), kit.socks = cloth();
  kit.pattern = random.chance(0.7) ? 0 : 1 + random.below(3);
  kit.trousers = random.chance(0.6), kit.sleeves = random.chance(0.6);
  return kit;
}

SimKit kit_of(const SimLook& look, const SimPerson& p, int number) {
  SimRandom random(look.cast, 0xc107 + static_cast<std::uint64_t>(number));
  if (random.uniform() < look.own_clothes) return own_kit(random);
  if (p.role == SimRole::referee || p.role == SimRole::assistant) return look.referee;
  if (p.role == SimRole::staff) {
    SimKit kit = look.staff;
    kit.trousers = kit.sleeves = true;
    return kit;
  }
  return p.role == SimRole::keeper ? look.keepers[p.team] : look.teams[p.team];
}

}  // namespace

SimFigure figure_of(const SimPerson& p, int number, const SimLook& look) {
  SimFigure figure;
  const SimKit kit = kit_of(look, p, number);
  const Body body(p);
  const double h = p.height / 1.8;
  const auto add = [&](const Vector3& a, const Vector3& b, double ra, double rb,
                       const SimColour& first, const SimColour& second, float split = 2,
                       int pattern = 0, bool casts = true) {
    figure.limbs[figure.count++] = {
        a, b, ra * h * p.build, rb * h * p.build, first, second, split, pattern, casts};
  };
  const int face = number + static_cast<int>(look.cast & 0xffff);
  const SimColour skin = kSkin[face * 7 % 5 % 4], hair = kHair[face * 5 % 4];
  const SimColour shoes = kShoes[face * 3 % 4];
  const double pace = std::hypot(p.vx, p.vy),
               swing = std::min(0.85, 0.12 + 0.13 * pace) * std::min(1.0, pace);
  const double lean = std::min(0.25, 0.035 * pace) + p.bend;
  const bool raised = p.hands > 1.5, holding = p.hands > 0.5;
  const std::array<Leg, 2> legs{leg_of(p, -1, pace, swing), leg_of(p, 1, pace, swing)};
  // The lower foot stands on the ground; in a run both leave it a little.
  const double lowest = std::min(legs[0].foot.up, legs[1].foot.up);
  const double flight = 0.04 * std::min(1.0, pace / 5) * (1 + std::cos(2 * p.gait));
  const Joint hip{0, 0.05 - lowest + flight}, chest = hip.hang(-0.46, -lean);
  for (int side = -1; side <= 1; side += 2) {
    const Leg& leg = legs[side > 0];
    const auto from_hip = [&](const Joint& j, double left) {
      return body.at(hip.forward + j.forward, left * side, std::max(0.035, hip.up + j.up));
    };
    const Vector3 knee = from_hip(leg.knee, 0.1), foot = from_hip(leg.foot, 0.1);
    add(from_hip({}, 0.09), knee, 0.105, 0.07, kit.shorts, kit.trousers ? kit.shorts : skin, 0.62f);
    add(knee, foot, 0.065, 0.042, kit.trousers ? kit.shorts : kit.socks, kit.socks, 0.9f);
    add(foot, from_hip({leg.foot.forward + 0.17, leg.foot.up - 0.03}, 0.11), 0.045, 0.035, shoes,
        shoes, 2, 0, false);
    const double arm = raised    ? 2.7
                       : holding ? 0.7
                                 : -swing * 0.9 * std::sin(phase_of(p, side)) - lean;
    const double fold = raised ? 0.6 : holding ? 0.7 : 0.15 + std::min(1.3, 0.28 * pace);
    const Joint shoulder{chest.forward, chest.up + 0.04};
    const Joint elbow = shoulder.hang(0.29, arm), wrist = elbow.hang(0.27, arm + fold);
    const double out = ((holding || raised ? 0.14 : 0.27) + 0.3 * std::sin(p.spread)) * side;
    const Vector3 e = body.at(elbow.forward, out, elbow.up);
    add(body.at(shoulder.forward, 0.19 * side, shoulder.up), e, 0.07, 0.052, kit.shirt,
        kit.sleeves ? kit.shirt : skin, 0.6f);
    add(e, body.at(wrist.forward, out * 0.85, wrist.up), 0.05, 0.04, kit.sleeves ? kit.shirt : skin,
        skin, 0.75f, 0, false);
  }
  add(body.at(hip.forward, 0.07, hip.up + 0.02), body.at(hip.forward, -0.07, hip.up + 0.02), 0.135,
      0.135, kit.shorts, kit.shorts);
  add(body.at(chest.forward, 0, chest.up), body.at(hip.forward, 0, hip.up + 0.08), 0.17, 0.14,
      kit.shirt, kit.second, 2, kit.pattern);
  add(body.at(chest.forward, 0.14, chest.up + 0.06), body.at(chest.forward, -0.14, chest.up + 0.06),
      0.09, 0.09, kit.shirt, kit.second);
  const Joint head = chest.hang(-0.29, -lean);
  add(body.at(head.forward + 0.01, 0, head.up - 0.05), body.at(head.forward + 0.02, 0, head.up),
      0.085, 0.1, skin, skin);
  const Vector3 crown = body.at(head.forward - 0.025, 0, head.up + 0.035);
  add(crown, crown, 0.1, 0.1, hair, hair, 2, 0, false);
  return figure;
}

}  // namespace gantry
