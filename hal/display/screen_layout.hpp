// Where the pictures of a layout lie on a screen: plain geometry.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/display/display.hpp"

namespace gantry {

// Screen pixels; empty where the width is 0.
struct ScreenRectangle {
  int x = 0, y = 0, width = 0, height = 0;
  bool operator==(const ScreenRectangle&) const = default;
};

struct ScreenPlaces {
  ScreenRectangle view, panorama;
};

// Both pictures keep their proportions and are centred: the view on the whole screen, or on its upper
// two thirds with the panorama below. Positions and sizes are even, for NV12 planes.
ScreenPlaces screen_places(ScreenLayout layout, int screen_width, int screen_height,
                           const Nv12Layout& view, const Nv12Layout& panorama);

}  // namespace gantry
