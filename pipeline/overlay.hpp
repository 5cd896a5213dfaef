// Draws a list of shapes over an NV12 picture on the device: kernels/overlay.cl.
//
// How: the host notes which shapes touch each tile of 32×16 pixels, and sends shapes, tiles and notes
// to the device in one piece; the kernel visits the tiles that are touched, and no others.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "hal/gpu/gpu.hpp"
#include "hal/memory/surface.hpp"
#include "pipeline/overlay_list.hpp"

namespace gantry {

class Overlay {
 public:
  static constexpr std::size_t kInFlight = 4;  // lists that the device may still be reading

  // Set-up. `picture`: the layout of every surface drawn on; at most 8192 pixels wide and high.
  // Throws std::invalid_argument, and std::runtime_error from the device.
  Overlay(gpu::Device& device, const Nv12Layout& picture);

  // Enqueues the drawing, in place. `done` completes with it, or with `wait` where nothing is to be
  // drawn. A submission thread; no allocation of ours; waits only where kInFlight lists are on their
  // way. `list` is of this picture's size and may change once the call returns. What would touch more
  // tiles than there is room to note is left out.
  Status draw(const cl::CommandQueue& queue, const Surface& surface, const OverlayList& list,
              const gpu::Wait& wait, cl::Event* done) noexcept;

 private:
  static constexpr std::size_t kMostNotes = 16384;  // of a shape in a tile
  struct Slot {
    gpu::Memory memory;
    cl::Event done;
  };
  struct TileRange {
    int left, top, right, bottom;
  };
  TileRange tiles_of(const OverlayShape& shape) const noexcept;
  bool touches(const OverlayShape& shape, int column, int row) const noexcept;
  template <typename Visit>
  void visit_tiles(const OverlayShape& shape, Visit visit) const noexcept;
  std::size_t write(const OverlayList& list, std::int32_t* out) noexcept;

  Nv12Layout picture_;
  int columns_, rows_;  // of tiles
  cl::Program program_;
  cl::Kernel kernel_;
  std::array<Slot, kInFlight> slots_;
  std::size_t next_slot_ = 0;
  std::vector<std::int32_t>
      counts_;  // by tile: notes, then the place of the next one; 0 between calls
  std::size_t tiles_at_ = 0, notes_at_ = 0,
              bytes_ = 0;  // of the list written last, in whole numbers
};

}  // namespace gantry
