// Where in the cameras' pictures the taps of each tile lie: the windows and boxes of the kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "pipeline/stitch_tables.hpp"

namespace gantry {

// Of one tile, a bit for each camera.
struct TileFits {
  unsigned inside = 0;   // every tap exists
  unsigned windows = 0;  // and lies in its window
};

// Set-up. Fills tables.windows and tables.boxes from its nodes; a box of 0 does not fit.
std::vector<TileFits> set_windows(StitchTables& tables, int panorama_height,
                                  std::span<const Nv12Layout> cameras);

}  // namespace gantry
