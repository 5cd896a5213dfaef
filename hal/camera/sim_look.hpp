// How a simulated match looks: light, ground, stands, kits, ball, and the cameras' own character.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

namespace gantry {

struct SimColour {
  float r = 0, g = 0, b = 0;  // linear light, 0…1
};

struct SimKit {
  SimColour shirt, second, shorts, socks;
  int pattern = 0;                         // 0 plain, 1 stripes, 2 hoops, 3 halves; in `second`
  bool trousers = false, sleeves = false;  // long ones
};

struct SimLook {
  double sun_azimuth = 0, sun_elevation = 0;  // radians; azimuth from +x towards +y
  float sun = 0, ambient = 0;                 // light on a level ground is about sun + ambient = 1

  SimColour grass_light, grass_dark;
  float stripe_contrast = 0;  // 0…1
  int stripes = 1;            // 0 none, 1 across the pitch, 2 along it, 3 chequered
  float wear = 0;             // 0…1, bare patches in front of the goals and on the middle
  float line_strength = 1;    // 0…1, freshness of the paint
  SimColour surround;
  float texture = 1;  // 0 a smooth floor … 1 grass
  SimColour line_colour{0.8f, 0.8f, 0.78f};
  int other_lines = 0;  // circles and lines of other games
  SimColour other_line_colour;
  float letters = 0, specks = 0;  // 0…1, of what is painted on the ground or lies flat
  bool running_track = false;

  int stand = 2;    // 0 trees, 1 open terrace, 2 covered stand
  float crowd = 0;  // 0…1, seats taken
  SimColour stand_colour;
  float haze = 0;    // 0…1 at 100 m
  float clouds = 0;  // 0…1
  SimColour sky_top, sky_horizon;

  std::array<SimKit, 2> teams, keepers;
  SimKit referee, staff;
  float own_clothes = 0;   // 0…1, share of people who wear what they like
  std::uint32_t cast = 0;  // whose faces and clothes

  double ball_radius = 0.11;  // metres
  SimColour ball, ball_patch;
  float ball_patches = 1;            // 0…1
  int spare_balls = 0, bottles = 0;  // lying beside the pitch, at most 4 and 8
  // Cones, poles, bags and lamps, at most kMostClutter of them, about (clutter_x, clutter_y).
  static constexpr int kMostClutter = 40;
  int clutter = 0;
  double clutter_x = 0, clutter_y = 0, clutter_reach = 0;  // metres

  // Per camera: exposure and blue/red balance around 1, and how far they drift.
  std::array<float, 4> exposure{1, 1, 1, 1}, warmth{1, 1, 1, 1};
  float exposure_drift = 0, warmth_drift = 0;
  float noise = 0;           // standard deviation at mid grey, in 8-bit steps
  float vignette = 0;        // 0…1, light lost in the corners
  double exposure_time = 0;  // seconds, for the ball's motion blur
};

// The one plain look: a sunny day, red against blue, cameras that differ a little.
SimLook plain_look();
// Another one for each seed.
SimLook random_look(std::uint64_t seed);
// Stranger ones, for training: any floor, light, clothes and clutter.
SimLook training_look(std::uint64_t seed);

}  // namespace gantry
