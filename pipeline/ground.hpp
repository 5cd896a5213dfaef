// The pitch as a level plane below the cameras: from directions to metres.
//
// The panorama is levelled by gravity, so a direction with a pitch below the horizon meets the ground
// at height / sin(-pitch) from the eye. Near the horizon that says nothing: ranges end at kFarthest.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>

namespace gantry {

struct Ground {
  static constexpr double kFarthest = 110;  // metres

  double camera_height = 5;  // metres above the pitch, above 0

  // Metres from the eye to the ground in this direction; radians.
  double range(double pitch) const noexcept {
    const double s = std::sin(-pitch);
    return s * kFarthest > camera_height ? camera_height / s : kFarthest;
  }
  // Pitch at which something on the ground appears at this range.
  double pitch_at(double range) const noexcept {
    return -std::asin(std::min(1.0, camera_height / std::max(range, camera_height)));
  }
};

}  // namespace gantry
