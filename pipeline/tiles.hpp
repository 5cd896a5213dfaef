// The tile plan: which squares of the panorama the network looks at.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "pipeline/field_mask.hpp"

namespace gantry {

enum class TileLayout {
  spread,     // as few tiles as the overlap allows, evenly spread, the last flush with the edge
  fit,        // one tile that shows the whole panorama, scaled
  reference,  // the replaced system's row of 1024 px tiles without overlap, on any panorama
};

struct TileOptions {
  TileLayout layout = TileLayout::spread;
  // Network pixels per panorama pixel, 1/16 … 16; 1 is native. Set by the plan with `fit`.
  double scale = 1;
  // Panorama pixels that neighbours share, at least; 0: the largest ball, see largest_ball_px().
  double overlap = 0;
};

struct Tile {
  int x = 0, y = 0;  // panorama pixel of its top left corner, even; may lie outside of the panorama
};

struct TilePlan {
  int network_width = 0, network_height = 0;
  double scale = 1;                     // network pixels per panorama pixel
  double overlap_x = 0, overlap_y = 0;  // panorama pixels that neighbours share; 0 with one tile
  std::vector<Tile> tiles;              // left to right, then top to bottom

  double source_width() const { return network_width / scale; }    // panorama pixels
  double source_height() const { return network_height / scale; }  // panorama pixels
  PixelRect rect(const Tile& t) const {
    return {static_cast<double>(t.x), static_cast<double>(t.y), t.x + source_width(),
            t.y + source_height()};
  }
};

// Rows [top, bottom) of each panorama column in which there can be ground: seen by a camera, and not
// above the horizon. Both empty: all of the panorama.
struct GroundRows {
  std::vector<int> top, bottom;
};
// Set-up. `covered_top`, `covered_bottom`: as in StitchMesh. The panorama is levelled: its horizon is
// at pitch 0.
GroundRows ground_rows(const PanoramaGeometry& geometry, const std::vector<int>& covered_top,
                       const std::vector<int>& covered_bottom);

// Set-up. Covers the panorama, or as much of it as the mask spans; tiles without any of the mask
// or of the ground are left out. A direction in which the panorama is smaller than a tile gets one tile with the
// panorama in its middle. Rows: where the mask is lower than a tile, the room left is above it, for
// heads. Throws std::invalid_argument that names the option and its range.
TilePlan plan_tiles(const PanoramaGeometry& geometry, int network_width, int network_height,
                    const TileOptions& options, const FieldMask& mask,
                    const GroundRows& ground = {});

// Diameter of a ball of 0.22 m in 10 m, panorama pixels; at least 16.
double largest_ball_px(const PanoramaGeometry& geometry);

}  // namespace gantry
