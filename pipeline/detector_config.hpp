// What the detector stage is told: read once, constant afterwards.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <optional>
#include <vector>

#include "pipeline/detect_filter.hpp"
#include "pipeline/tile_schedule.hpp"
#include "pipeline/tile_stage.hpp"

namespace gantry {

// Limits for a 5700 px panorama of a football pitch: balls of 4 to 60 px, persons to 400 px.
LimitsPerClass default_limits();
std::array<MergeLimits, kObjectClasses> default_merge();

struct DetectorConfig {
  Head head = Head::automatic;
  TileOptions tiles;
  TileScheduleConfig schedule;
  std::optional<TileInput> input;     // none: what the head's usual exports want
  std::vector<ClassMapping> classes;  // empty: by the names in the plan, else as HeadDecoder says
  LimitsPerClass limits = default_limits();
  std::array<MergeLimits, kObjectClasses> merge = default_merge();
  std::vector<MaskPoint> mask;  // empty: everything counts
  GroundRows ground;            // what the rig leaves to look at
};

}  // namespace gantry
