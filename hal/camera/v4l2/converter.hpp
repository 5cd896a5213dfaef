// Any format of pixel_formats() to NV12 of the rig's colours, by one kernel.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <string>

#include "hal/camera/v4l2/pixel_format.hpp"
#include "hal/memory/surface.hpp"

namespace gantry::v4l2 {

// Preprocessor options of kernels/camera_convert.cl for a format and a change of colours.
std::string convert_options(const PixelFormat& pixel, const Format& format, ColourMatrix matrix,
                            ColourRange range);

class Converter {
 public:
  // Set-up: compiles the kernel. `matrix`, `range`: of the surfaces. Throws std::runtime_error.
  Converter(gpu::Device& device, const Format& format, ColourMatrix matrix, ColourRange range);

  // Enqueues the conversion of a picture in one to three buffers, which begins in each at the byte
  // `first`. One thread.
  Status convert(const cl::CommandQueue& queue, const std::array<gpu::Memory, kMostPlanes>& buffers,
                 const std::array<std::size_t, kMostPlanes>& first, const Surface& surface,
                 const gpu::Wait& wait, cl::Event* done) noexcept;

 private:
  Components components_;
  cl::Kernel kernel_;
  gpu::Range items_;
};

}  // namespace gantry::v4l2
