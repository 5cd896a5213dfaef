// Paints NV12 pictures into XRGB8888 screen memory, on the device: kernels/scanout.cl.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "hal/camera/rig.hpp"
#include "hal/display/screen_layout.hpp"

namespace gantry {

// XRGB8888 pixels in the host's memory.
struct ScreenMemory {
  std::uint32_t* pixels = nullptr;
  int pitch = 0;  // pixels from one row to the next
  std::size_t bytes = 0;
  int dma_buf = -1;  // the same memory, for a GPU that imports; the owner's
};

// Of NV12 to RGB, in 16.16 fixed point: luma offset and gain, red of Cr, green of Cb and of Cr, blue
// of Cb. ITU-R BT.601 and BT.709, section 3; RGB is full range.
std::array<std::int32_t, 6> rgb_coefficients(ColourMatrix matrix, ColourRange range);

class ScreenPainter {
 public:
  // Set-up: builds the program; throws std::runtime_error.
  ScreenPainter(gpu::Device& device, ColourMatrix matrix, ColourRange range);

  // Screen memory as kernels see it. Set-up or reopening; throws. The memory must outlive it.
  struct Canvas {
    gpu::Memory memory;
    int pitch = 0;  // pixels
  };
  Canvas canvas(const ScreenMemory& memory);

  // Paints and waits for it. The display's thread. ok or device_lost.
  Status paint(const Surface& picture, const ScreenRectangle& place, const Canvas& canvas) noexcept;

 private:
  gpu::Device& device_;
  cl::CommandQueue queue_;
  cl::Kernel copy_, scale_;
};

}  // namespace gantry
