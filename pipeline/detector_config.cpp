// The limits that hold where nothing else is said.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/detector_config.hpp"

namespace gantry {

LimitsPerClass default_limits() {
  const ClassLimits person{0.45f, 5, 20, 250, 400, 0.1f, 2.5f};
  return {ClassLimits{0.35f, 4, 4, 60, 60, 0.5f, 2}, person, person, ClassLimits{}};
}

std::array<MergeLimits, kObjectClasses> default_merge() {
  // Boxes of a few pixels agree badly: a pixel off is a third of a small ball.
  return {MergeLimits{0.2f, 0.5f}, MergeLimits{}, MergeLimits{}, MergeLimits{}};
}

}  // namespace gantry
