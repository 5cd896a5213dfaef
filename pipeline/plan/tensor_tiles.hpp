// How a tensor-core convolution is cut into work-groups: the choices there are, and a usual one.
//
// The choice changes neither the plan's tensors nor its weights, only a step's options and sizes, so
// that `gantry tune` may make another for a device; see kernels/nn_tensor.cl.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan/plan.hpp"

namespace gantry {

struct TensorTile {
  std::int64_t across = 1, down = 1;      // fragments of 16 pixels of a warp: FX, FY
  std::int64_t channels = 1;              // fragments of 8 output channels of a warp: N_FRAGS
  std::int64_t warps_m = 1, warps_n = 1;  // of a work-group
  bool prefetch = false;
  bool operator==(const TensorTile&) const = default;
};

// What the choice depends on.
struct TensorWork {
  bool pointwise = false;
  std::int64_t images = 1, height = 1, width = 1;  // of the output
  std::int64_t fragments = 1, group = 1;           // of output channels
  std::int64_t k_blocks = 1;
};

// The convolution that a step is; nothing where it is another kernel.
std::optional<TensorWork> tensor_work(const Plan::Step& step);
TensorTile usual_tile(const TensorWork& work);
std::vector<TensorTile> possible_tiles(const TensorWork& work);
// Whether the kernel can be cut so.
bool fits(const TensorWork& work, const TensorTile& tile);
// A step's options without those of its tile.
std::string own_options(const Plan::Step& step);
// Gives a step of that work the tile: options and global and local size.
void cut(Plan::Step& step, const TensorWork& work, const TensorTile& tile);

}  // namespace gantry
