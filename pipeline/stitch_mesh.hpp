// The panorama's coarse mesh: for every camera, where each panorama node lies in its picture and how
// much it counts there. Kernels interpolate between the nodes.
//
// Node (i, j) belongs to the panorama position x = i·step, y = j·step, in pixels whose centres are
// whole numbers (0 = centre of the first). There are enough nodes to enclose the last pixel.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <vector>

#include "hal/camera/rig.hpp"

namespace gantry {

struct MeshNode {
  float x = 0, y = 0;  // camera pixel, centre of the first at (0, 0); finite also where weight is 0
  float weight = 0;    // 0 … 1; over the cameras the weights of a covered node sum to 1
};

struct CameraMesh {
  std::vector<MeshNode> nodes;  // row-major, columns × rows
  // Panorama pixels outside of [left, right) × [top, bottom) never see this camera; multiples of step.
  int left = 0, top = 0, right = 0, bottom = 0;
};

struct StitchMesh {
  int step = 8;  // panorama pixels between nodes, a power of two
  int columns = 0, rows = 0;
  int panorama_width = 0, panorama_height = 0;
  std::vector<CameraMesh> cameras;  // in the order of the rig
  // Rows [top, bottom) of each panorama column that every pixel is covered in, for the no-black limits.
  std::vector<int> covered_top, covered_bottom;
};

// What to do with panorama pixels that no camera sees.
enum class Uncovered { refuse, black };

// Set-up. The largest step of 16, 8 and 4 whose interpolation stays within 1/32 camera pixel of the
// lens model wherever the weight is not 0. Throws std::runtime_error if a camera shows nothing of the
// panorama, neighbours do not overlap, or (with `refuse`) a part is uncovered: it names the part and
// the largest extents that are covered.
StitchMesh make_stitch_mesh(const Rig& rig, Uncovered uncovered);

}  // namespace gantry
