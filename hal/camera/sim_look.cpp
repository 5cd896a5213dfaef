// Looks of a match: the plain one, and as many others as there are seeds.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_look.hpp"

#include <algorithm>
#include <cmath>

#include "hal/camera/sim_random.hpp"

namespace gantry {
namespace {

constexpr std::array<SimColour, 12> kCloth{{{0.55f, 0.02f, 0.03f},
                                            {0.03f, 0.08f, 0.5f},
                                            {0.75f, 0.75f, 0.75f},
                                            {0.02f, 0.02f, 0.025f},
                                            {0.75f, 0.55f, 0.03f},
                                            {0.02f, 0.25f, 0.06f},
                                            {0.75f, 0.22f, 0.02f},
                                            {0.2f, 0.5f, 0.75f},
                                            {0.25f, 0.03f, 0.3f},
                                            {0.3f, 0.02f, 0.05f},
                                            {0.03f, 0.3f, 0.3f},
                                            {0.7f, 0.35f, 0.45f}}};
constexpr std::array<SimColour, 4> kKeeperCloth{
    {{0.65f, 0.8f, 0.05f}, {0.8f, 0.35f, 0.02f}, {0.1f, 0.7f, 0.2f}, {0.7f, 0.1f, 0.45f}}};

SimColour scaled(const SimColour& c, double f) {
  const auto one = [&](float v) { return static_cast<float>(std::clamp(v * f, 0.0, 1.0)); };
  return {one(c.r), one(c.g), one(c.b)};
}

float between(SimRandom& random, double low, double high) {
  return static_cast<float>(random.uniform(low, high));
}

double distance(const SimColour& a, const SimColour& b) {
  return std::hypot(std::sqrt(a.r) - std::sqrt(b.r), std::sqrt(a.g) - std::sqrt(b.g),
                    std::sqrt(a.b) - std::sqrt(b.b));
}

SimKit random_kit(SimRandom& random) {
  SimKit kit;
  kit.shirt = kCloth[random.below(kCloth.size())];
  kit.second = kCloth[random.below(kCloth.size())];
  kit.shorts = random.chance(0.4) ? kit.shirt : kCloth[random.below(kCloth.size())];
  kit.socks = random.chance(0.5) ? kit.shorts : kit.shirt;
  kit.pattern = random.chance(0.5) ? 0 : 1 + random.below(3);
  return kit;
}

void randomise_light(SimRandom& random, SimLook& look) {
  const double day = random.uniform();  // sunny, hazy, overcast
  look.sun_azimuth = random.uniform(0, 2 * std::numbers::pi);
  look.sun_elevation = random.uniform(0.3, 1.1);
  look.sun = day < 0.5 ? between(random, 0.6, 0.8) : day < 0.8 ? between(random, 0.25, 0.6) : 0.04f;
  look.ambient = 1 - look.sun;
  look.clouds = day < 0.5 ? between(random, 0, 0.5) : between(random, 0.5, 1);
  look.haze = between(random, 0, day < 0.5 ? 0.12 : 0.4);
  const double grey = day < 0.8 ? random.uniform(0, 0.3) : random.uniform(0.7, 1);
  const auto mixed = [&](float clear, float dull) {
    return static_cast<float>(clear + (dull - clear) * grey);
  };
  look.sky_top = {mixed(0.12f, 0.45f), mixed(0.3f, 0.48f), mixed(0.68f, 0.52f)};
  look.sky_horizon = {mixed(0.5f, 0.6f), mixed(0.62f, 0.63f), mixed(0.78f, 0.66f)};
}

void randomise_ground(SimRandom& random, SimLook& look) {
  const double dry = random.uniform() * random.uniform();
  look.grass_light = {static_cast<float>(0.055 + 0.12 * dry), between(random, 0.13, 0.22),
                      between(random, 0.02, 0.05)};
  look.grass_dark = scaled(look.grass_light, random.uniform(0.68, 0.9));
  look.stripe_contrast = between(random, 0, 1);
  look.stripes = random.below(4);
  look.wear = between(random, 0, 1) * between(random, 0, 1);
  look.line_strength = between(random, 0.55, 1);
  look.running_track = random.chance(0.4);
  look.surround = look.running_track   ? SimColour{0.3f, 0.075f, 0.05f}
                  : random.chance(0.5) ? SimColour{0.16f, 0.155f, 0.15f}
                                       : scaled(look.grass_dark, 0.9);
  look.stand = random.below(3);
  look.crowd = between(random, 0, 1);
  look.stand_colour = kCloth[random.below(kCloth.size())];
}

void randomise_kits(SimRandom& random, SimLook& look) {
  look.teams[0] = random_kit(random);
  do look.teams[1] = random_kit(random);
  while (distance(look.teams[0].shirt, look.teams[1].shirt) < 0.45);
  for (int t = 0; t < 2; ++t) {
    SimKit& keeper = look.keepers[t];
    keeper.shirt = keeper.second = kKeeperCloth[(random.below(2) + 2 * t) % 4];
    keeper.shorts = random.chance(0.5) ? keeper.shirt : kCloth[3];
    keeper.socks = keeper.shirt;
  }
  if (random.chance(0.4)) look.referee.shirt = {0.75f, 0.68f, 0.05f};
}

SimColour any_colour(SimRandom& random) {
  const double value = random.uniform(0.02, 0.8), pale = random.uniform() * random.uniform();
  const double hue = random.uniform(0, 3);
  const auto one = [&](double at) {
    const double d = std::abs(std::remainder(hue - at, 3.0));
    return static_cast<float>(value * (pale + (1 - pale) * std::clamp(1.5 - 1.5 * d, 0.0, 1.0)));
  };
  return {one(0), one(1), one(2)};
}

// Lawns of any green, and floors of halls and courts.
void randomise_floor(SimRandom& random, SimLook& look) {
  look.texture = between(random, 0.3, 1.4);
  if (random.chance(0.3)) {  // artificial turf, lush or dull
    const double v = random.uniform(0.04, 0.35);
    look.grass_light = {static_cast<float>(v * random.uniform(0.08, 0.7)), static_cast<float>(v),
                        static_cast<float>(v * random.uniform(0.08, 0.5))};
  } else if (random.chance(0.3)) {
    look.grass_light = any_colour(random);
    look.texture = between(random, 0, 0.5);
    look.wear = 0;
  }
  look.grass_dark = scaled(look.grass_light, random.uniform(0.6, 1));
  if (random.chance(0.2)) look.line_colour = any_colour(random);
  look.other_lines = random.chance(0.3) ? 1 + random.below(8) : 0;
  look.other_line_colour = random.chance(0.5) ? SimColour{0.8f, 0.8f, 0.8f} : any_colour(random);
  if (random.chance(0.3)) look.surround = any_colour(random);
}

void randomise_ball_and_cameras(SimRandom& random, SimLook& look) {
  look.ball_radius = random.uniform(0.105, 0.115);
  const double kind = random.uniform();
  if (kind > 0.75)
    look.ball = kind > 0.9 ? SimColour{0.8f, 0.4f, 0.05f} : SimColour{0.75f, 0.78f, 0.1f};
  look.ball_patch = kCloth[random.below(kCloth.size())];
  look.ball_patches = between(random, 0, 1);
  look.spare_balls = random.below(5);
  look.bottles = random.below(9);
  for (std::size_t i = 0; i < look.exposure.size(); ++i) {
    look.exposure[i] = between(random, 0.9, 1.7);
    look.warmth[i] = between(random, 0.9, 1.1);
  }
  look.noise = between(random, 0.3, 3.5);
  look.vignette = between(random, 0, 0.35);
  look.exposure_time = random.uniform(0.001, 0.01);
}

}  // namespace

SimLook plain_look() {
  SimLook look;
  look.sun_azimuth = 3.75;  // behind the cameras, from the left
  look.sun_elevation = 0.72;
  look.sun = 0.66f;
  look.ambient = 0.34f;
  look.grass_light = {0.095f, 0.2f, 0.04f};
  look.grass_dark = {0.065f, 0.148f, 0.028f};
  look.stripe_contrast = 0.85f;
  look.wear = 0.25f;
  look.surround = {0.28f, 0.08f, 0.055f};
  look.running_track = true;
  look.crowd = 0.7f;
  look.stand_colour = {0.05f, 0.12f, 0.32f};
  look.haze = 0.06f;
  look.clouds = 0.35f;
  look.sky_top = {0.12f, 0.3f, 0.68f};
  look.sky_horizon = {0.5f, 0.63f, 0.8f};
  look.teams[0] = {kCloth[0], kCloth[2], kCloth[2], kCloth[0], 0};
  look.teams[1] = {kCloth[1], kCloth[2], kCloth[1], kCloth[1], 1};
  look.keepers[0] = {kKeeperCloth[0], kKeeperCloth[0], kKeeperCloth[0], kKeeperCloth[0], 0};
  look.keepers[1] = {kKeeperCloth[1], kKeeperCloth[1], kCloth[3], kKeeperCloth[1], 0};
  look.referee = {kCloth[3], kCloth[3], kCloth[3], kCloth[3], 0};
  look.staff = {{0.04f, 0.045f, 0.06f}, kCloth[7], {0.03f, 0.03f, 0.035f}, kCloth[3], 0};
  look.ball = {0.85f, 0.85f, 0.85f};
  look.ball_patch = {0.02f, 0.02f, 0.025f};
  look.spare_balls = 2;
  look.bottles = 4;
  look.exposure = {1.35f, 1.2f, 1.42f, 1.28f};
  look.warmth = {1.0f, 1.05f, 0.97f, 1.02f};
  look.exposure_drift = 0.03f;
  look.warmth_drift = 0.01f;
  look.noise = 1.2f;
  look.vignette = 0.15f;
  look.exposure_time = 0.004;
  return look;
}

SimLook random_look(std::uint64_t seed) {
  SimRandom random(seed, 0x100c);
  SimLook look = plain_look();
  randomise_light(random, look);
  randomise_ground(random, look);
  randomise_kits(random, look);
  randomise_ball_and_cameras(random, look);
  return look;
}

SimLook training_look(std::uint64_t seed) {
  SimLook look = random_look(seed);
  SimRandom random(seed, 0x7a41);
  look.cast = random.next();
  look.sun_elevation = random.uniform(0.2, 1.4);
  look.exposure_time = random.uniform(0.0005, 0.012);
  if (random.chance(0.5)) return look;
  look.own_clothes = random.chance(0.25) ? between(random, 0.2, 1) : between(random, 0, 0.1);
  for (SimKit* kit : {&look.teams[0], &look.teams[1], &look.keepers[0], &look.keepers[1]}) {
    if (random.chance(0.4)) kit->shirt = any_colour(random);
    if (random.chance(0.3)) kit->shorts = any_colour(random);
    if (random.chance(0.3)) kit->socks = any_colour(random);
    kit->sleeves = random.chance(0.25);
    kit->trousers = random.chance(0.1);
  }
  randomise_floor(random, look);
  look.specks = random.chance(0.2) ? between(random, 0, 0.5) : 0;
  look.letters = random.chance(0.25) ? between(random, 0.1, 0.6) : 0;
  look.clutter = random.chance(0.6) ? random.below(SimLook::kMostClutter) : 0;
  if (random.chance(0.25)) {  // floodlight, dusk
    look.sun = 0;
    look.ambient = between(random, 0.5, 1);
    look.sky_top = look.sky_horizon = scaled({0.05f, 0.06f, 0.09f}, random.uniform(0.1, 2));
    look.clouds = 0;
  }
  look.exposure.fill(between(random, 0.7, 2.2));
  look.warmth.fill(between(random, 0.85, 1.2));
  look.noise = between(random, 0, 1) * between(random, 0, 6);
  return look;
}

}  // namespace gantry
