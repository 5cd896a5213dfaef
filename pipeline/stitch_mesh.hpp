// The panorama's coarse mesh: for every camera, where each panorama node lies in its picture and
// how much it counts there. Kernels interpolate between the nodes.
//
// Node (i, j) belongs to the panorama position x = i·step, y = j·step, in pixels whose centres are
// whole numbers (0 = centre of the first). columns = (panorama_width − 1) / step + 2, rows
// likewise: pixel (x, y) lies in cell (x / step, y / step), and all four nodes of that cell exist.
//
// What a kernel may rely on:
//   * Every position, whatever its weight, lies in [kInset, width − 1 − kInset] × the same of the
//     height of the camera's picture, and so does what is interpolated between positions. The four
//     bilinear taps at floor and floor + 1 are therefore always inside of the picture: for luma,
//     and for chroma at half size, be its samples at every second luma pixel (x / 2) or half-way
//     between two ((x − 0.5) / 2). No clamp is needed.
//   * A node has a weight only if the camera wholly sees all cells around it. In a cell where any
//     of a camera's weights is not 0, its interpolated positions are therefore those of the lens.
//   * The weights of a node sum to 1 (covered) or are all 0. In cells that have both kinds the sum
//     falls to 0 from one side to the other, and what is missing to 1 is black: a soft edge that
//     is one cell wide.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "hal/camera/rig.hpp"

namespace gantry {

struct MeshNode {
  float x = 0, y = 0;  // camera pixel, centre of the first at (0, 0)
  float weight = 0;    // 0 … 1
};

struct CameraMesh {
  std::vector<MeshNode> nodes;  // row-major, columns × rows
  // Panorama pixels outside of [left, right) × [top, bottom) never see this camera. Tight;
  // multiples of step, so right and bottom may pass the panorama's size by less than one step.
  int left = 0, top = 0, right = 0, bottom = 0;
};

struct StitchMesh {
  static constexpr double kInset = 1.125;             // camera pixels
  static constexpr double kInterpolation = 1.0 / 32;  // camera pixels

  int step = 8;  // panorama pixels between nodes: 16, 8 or 4
  int columns = 0, rows = 0;
  int panorama_width = 0, panorama_height = 0;
  std::vector<CameraMesh> cameras;  // in the order of the rig
  // Rows [top, bottom) of each panorama column in which every pixel is covered (the longest run;
  // top == bottom where there is none), for the no-black limits.
  std::vector<int> covered_top, covered_bottom;
  // The largest distance found between interpolated and true positions where a weight is not 0.
  double largest_error = 0;  // camera pixels
};

// What to do with panorama pixels that no camera sees.
enum class Uncovered { refuse, black };

// Set-up. The largest step of 16, 8 and 4 whose interpolation stays within 1/32 camera pixel of the
// lens model wherever the weight is not 0, sampled in the middle of the cells and of their edges.
// Where even 4 does not (small panoramas of large pictures), 1/32 of the camera pixels that one
// panorama pixel spans is accepted.
//
// Seams run where neighbouring cameras are equally far from the lines at which their pictures end
// and the neighbour's goes on; over rig.feather radians (less where the overlap is narrower) the
// weights cross over smoothly.
//
// Throws std::runtime_error if a camera shows nothing of the panorama, neighbours do not overlap,
// or (with `refuse`) a part is uncovered: it names the part and the largest extents that are
// covered.
StitchMesh make_stitch_mesh(const Rig& rig, Uncovered uncovered);

}  // namespace gantry
