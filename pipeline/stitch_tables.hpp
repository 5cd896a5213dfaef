// What the stitch kernel reads besides pictures: the mesh in fixed point, and where taps lie.
//
// The formats are those of kernels/stitch.cl. Made once at set-up, also for every set of cameras
// that may be left when others are lost, so that losing one costs the frame path nothing.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hal/memory/surface.hpp"
#include "pipeline/stitch_mesh.hpp"

namespace gantry {

struct StitchTables {
  static constexpr int kTileWidth = 32, kTileHeight = 16;  // panorama pixels

  // Of a tile and a camera: two for each pair of luma lines, one for each pair of chroma lines.
  static constexpr int kLumaWindows = kTileHeight, kTileWindows = kLumaWindows + kTileHeight / 4;
  static constexpr int kTileBoxes = 2;  // luma, chroma

  // The byte of a tile.
  static constexpr unsigned kCameras = 15, kBlend = 16, kWindows = 32, kInside = 128;

  int log_step = 0;
  int node_columns = 0, node_rows = 0;  // padded to whole tiles and the kernel's vector loads
  int tile_columns = 0, tile_rows = 0;

  std::vector<std::int32_t> nodes;  // [camera][x, y][node], 1/2^(16 − 2·log_step) camera pixel
  std::vector<std::uint32_t> windows;  // [camera][tile][kTileWindows]; stitch_windows.clh
  std::vector<std::uint32_t> boxes;    // [camera][tile][kTileBoxes]; stitch_staged.clh
  int luma_box_lines = 32, chroma_box_lines = 16;  // room for the boxes' lines

  // What a work-group of stitch_staged makes: a tile by its boxes, or a quarter of one.
  struct Job {
    std::uint32_t place, kind, luma_box, chroma_box;
  };

  // The weights and tiles while certain cameras are present.
  struct Present {
    std::vector<std::uint16_t> weights;  // [camera][node], 1/65535; a covered node's sum is 65535
    std::vector<std::uint8_t> kinds;     // [tile]
    std::vector<Job> jobs;               // in the order in which they start
  };
  std::vector<Present> present;  // [bits of the cameras − 1]

  int nodes_per_camera() const { return node_columns * node_rows; }
  // The kernel's -D options that say these sizes.
  std::string options() const;
};

// Set-up. Throws std::invalid_argument if the cameras are not those of the mesh, wider or higher
// than 16384 pixels, or have an odd pitch.
StitchTables make_stitch_tables(const StitchMesh& mesh, std::span<const Nv12Layout> cameras);

}  // namespace gantry
