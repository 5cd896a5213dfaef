// Fits pictures into parts of the screen.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/screen_layout.hpp"

#include <cmath>

namespace gantry {
namespace {

int even(double pixels) {
  return 2 * static_cast<int>(std::lround(pixels / 2));
}

ScreenRectangle fit(const Nv12Layout& picture, int top, int width, int height) {
  const double aspect = static_cast<double>(picture.width) / picture.height;
  ScreenRectangle r;
  r.width = std::min(width & ~1, even(height * aspect));
  r.height = std::min(height & ~1, even(width / aspect));
  r.x = (width - r.width) / 2 & ~1;
  r.y = (top + (height - r.height) / 2) & ~1;
  return r;
}

}  // namespace

ScreenPlaces screen_places(ScreenLayout layout, int screen_width, int screen_height,
                           const Nv12Layout& view, const Nv12Layout& panorama) {
  if (layout == ScreenLayout::camera) return {fit(view, 0, screen_width, screen_height), {}};
  const int upper = screen_height * 2 / 3 & ~1;
  return {fit(view, 0, screen_width, upper),
          fit(panorama, upper, screen_width, screen_height - upper)};
}

}  // namespace gantry
