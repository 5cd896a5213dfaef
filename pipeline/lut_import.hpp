// Reads the full-size look-up tables of earlier two-camera systems and turns them into a mesh.
//
// A folder holds lut_left_x.bin, lut_left_y.bin, lut_right_x.bin, lut_right_y.bin, weight_left.bin
// and weight_right.bin: headerless little-endian float32, row-major, one value per panorama pixel.
// The tables are stored upside down: entry (x, y) belongs to panorama pixel (W − 1 − x, H − 1 − y).
// Positions are camera pixels, the centre of the first at (0, 0). A camera counts where its weight
// is above 0.001 and its position inside of the picture; weights are divided by their sum.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "pipeline/stitch_mesh.hpp"

namespace gantry {

// As stored (upside down), cleaned: not finite → 0, positions to [−1000, 10000], weights to [0, 1].
struct LookUpTables {
  struct Camera {
    std::vector<float> x, y, weight;
  };
  int width = 0, height = 0;      // of the panorama
  std::array<Camera, 2> cameras;  // left, right
};

enum class LutKind { position, weight };

// Set-up, all. They throw std::runtime_error that names the file and the byte count that is right.
std::vector<float> decode_lut(std::span<const std::byte> bytes, int width, int height, LutKind kind,
                              const std::string& name);
LookUpTables read_lut_folder(const std::filesystem::path& folder, int width, int height);

// The largest step of 16, 8 and 4 whose mesh stays within 1/32 camera pixel of the tables at every
// pixel where a weight is not 0; 4 where none does. `largest_error` of the mesh says how far off it
// is. Pixels next to a hole or to the edge of a picture lose up to two cells of coverage, so that
// the promises of StitchMesh hold. Throws if a camera counts nowhere or the sizes make no sense.
StitchMesh mesh_from_luts(const LookUpTables& tables, int camera_width, int camera_height);

}  // namespace gantry
