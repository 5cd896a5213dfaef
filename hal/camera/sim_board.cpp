// Set-up of the LED board: where it stands, and which of its cells each pixel shows.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "hal/camera/sim_renderer.hpp"

namespace gantry {

sim::SimBoard SimRenderer::board_in_world(const Rig& rig) const {
  const auto corners = board_corners(rig, config_.camera);
  const auto world = [&](int i) { return world_from_panorama(corners[i]); };
  const Vector3 origin = world(0), right = world(1), down = world(3), eye = view_.eye();
  sim::SimBoard b{};
  const auto set = [](double x, double y, double z, float* out) {
    out[0] = static_cast<float>(x), out[1] = static_cast<float>(y), out[2] = static_cast<float>(z);
  };
  set(origin.x + eye.x, origin.y + eye.y, origin.z + eye.z, b.corner);
  set(right.x - origin.x, right.y - origin.y, right.z - origin.z, b.right);
  set(down.x - origin.x, down.y - origin.y, down.z - origin.z, b.down);
  return b;
}

// The even pixels around the board and its frame.
void SimRenderer::find_board_box(const sim::SimBoard& b) {
  double left = width(), top = height(), right = 0, bottom = 0;
  for (int i = -1; i <= 17; ++i)
    for (int j = -1; j <= 9; ++j) {
      const double u = i / 16.0, v = j / 8.0;
      const auto p = view_.project({b.corner[0] + u * b.right[0] + v * b.down[0],
                                    b.corner[1] + u * b.right[1] + v * b.down[1],
                                    b.corner[2] + u * b.right[2] + v * b.down[2]});
      if (!p) continue;
      left = std::min(left, p->x), right = std::max(right, p->x);
      top = std::min(top, p->y), bottom = std::max(bottom, p->y);
    }
  board_box_.left = std::max(0, static_cast<int>(left) - 2) & ~1;
  board_box_.top = std::max(0, static_cast<int>(top) - 2) & ~1;
  board_box_.columns = (std::min(width(), static_cast<int>(right) + 4) - board_box_.left) / 2;
  board_box_.rows = (std::min(height(), static_cast<int>(bottom) + 4) - board_box_.top) / 2;
}

void SimRenderer::place_board(gpu::Device& device, const Rig& rig) {
  const sim::SimBoard board = board_in_world(rig);
  find_board_box(board);
  const cl::NDRange pixels(2 * board_box_.columns, 2 * board_box_.rows);
  constexpr std::size_t kEntryBytes = 8;
  board_map_ = device.allocate(pixels[0] * pixels[1] * kEntryBytes, gpu::Access::device);
  cl::Kernel map(program_, "sim_board_map");
  map.setArg(0, ground_.buffer);
  map.setArg(1, board);
  map.setArg(2, mesh_.buffer);
  map.setArg(3, mesh_nodes_);
  map.setArg(4, board_map_.buffer);
  map.setArg(5, board_box_.left);
  map.setArg(6, board_box_.top);
  queue_.enqueueNDRangeKernel(map, cl::NullRange, pixels);
  queue_.finish();
  board_.setArg(1, board_map_.buffer);
  board_.setArg(3, board_box_.left);
  board_.setArg(4, board_box_.top);
}

}  // namespace gantry
