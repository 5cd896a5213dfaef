// Launches of the scan-out kernels.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/screen_painter.hpp"

#include <cmath>

namespace gantry {

std::array<std::int32_t, 6> rgb_coefficients(ColourMatrix matrix, ColourRange range) {
  const bool bt709 = matrix == ColourMatrix::bt709, limited = range == ColourRange::limited;
  const double kr = bt709 ? 0.2126 : 0.299, kb = bt709 ? 0.0722 : 0.114, kg = 1 - kr - kb;
  const double luma = limited ? 255.0 / 219 : 1, chroma = limited ? 255.0 / 224 : 1;
  const auto fixed = [](double value) {
    return static_cast<std::int32_t>(std::lround(value * 65536));
  };
  return {limited ? 16 : 0,
          fixed(luma),
          fixed(2 * (1 - kr) * chroma),
          fixed(2 * kb * (1 - kb) / kg * chroma),
          fixed(2 * kr * (1 - kr) / kg * chroma),
          fixed(2 * (1 - kb) * chroma)};
}

ScreenPainter::ScreenPainter(gpu::Device& device, ColourMatrix matrix, ColourRange range)
    : device_(device), queue_(device.make_queue()) {
  const cl::Program program = device.build_family("scanout");
  copy_ = cl::Kernel(program, "scanout_copy");
  scale_ = cl::Kernel(program, "scanout_scale");
  const auto c = rgb_coefficients(matrix, range);
  const cl_int8 colour{{c[0], c[1], c[2], c[3], c[4], c[5], 0, 0}};
  copy_.setArg(5, colour);
  scale_.setArg(5, colour);
}

ScreenPainter::Canvas ScreenPainter::canvas(const ScreenMemory& memory) {
  return {device_.adopt(reinterpret_cast<std::byte*>(memory.pixels), memory.bytes, memory.dma_buf),
          memory.pitch};
}

Status ScreenPainter::paint(const Surface& picture, const ScreenRectangle& place,
                            const Canvas& canvas) noexcept {
  const Nv12Layout& l = picture.layout;
  const bool same = place.width == l.width && place.height == l.height;
  const cl::Kernel& kernel = same ? copy_ : scale_;
  const cl_int4 layout{{l.width, l.height, l.pitch, static_cast<cl_int>(l.chroma_offset())}};
  const cl_int4 at{{place.x, place.y, place.width, place.height}};
  for (const Status s :
       {gpu::acquire(queue_, canvas.memory), gpu::acquire(queue_, picture.memory),
        gpu::set_argument(kernel, 0, picture.memory.buffer), gpu::set_value(kernel, 1, layout),
        gpu::set_argument(kernel, 2, canvas.memory.buffer), gpu::set_value(kernel, 3, at),
        gpu::set_value(kernel, 4, cl_int{canvas.pitch})})
    if (s != Status::ok) return s;
  const auto width = static_cast<std::size_t>(place.width);
  const auto height = static_cast<std::size_t>(place.height);
  const gpu::Range global =
      same ? gpu::Range((width + 7) / 8, height / 2) : gpu::Range(width, height);
  cl::Event done;
  if (const Status s = gpu::launch(queue_, kernel, global, nullptr, {}, &done); s != Status::ok)
    return s;
  if (canvas.memory.hand_over)
    if (const Status s = gpu::download(queue_, canvas.memory, canvas.memory.bytes, {}, &done);
        s != Status::ok)
      return s;
  if (!canvas.memory.apart) return gpu::wait(done);
  const std::size_t row = static_cast<std::size_t>(canvas.pitch) * sizeof(std::uint32_t);
  const std::size_t from = static_cast<std::size_t>(place.y) * row;
  const cl_int error =
      clEnqueueReadBuffer(queue_(), canvas.memory.buffer(), CL_TRUE, from, height * row,
                          canvas.memory.host + from, 0, nullptr, nullptr);
  return error == CL_SUCCESS ? Status::ok : Status::device_lost;
}

}  // namespace gantry
