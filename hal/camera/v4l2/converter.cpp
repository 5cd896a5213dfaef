// The conversion kernel's options and arguments.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/converter.hpp"

#include <cmath>

#include <fmt/format.h>

#include "hal/camera/yuv_transform.hpp"

namespace gantry::v4l2 {
namespace {

long fixed(double value) {
  return std::lround(value * (1 << 14));
}

}  // namespace

std::string convert_options(const PixelFormat& p, const Format& format, ColourMatrix matrix,
                            ColourRange range) {
  std::string options = fmt::format(
      "-DLUMA_STEP={} -DCHROMA_STEP={} -DSAMPLE_BYTES={} -DSHIFT={} -DHIGH_BYTE={} "
      "-DCHROMA_COLUMNS={} -DCHROMA_ROWS={}",
      p.luma_step, p.chroma_step, p.sample_bytes, p.shift, p.high_byte_first ? 0 : 1,
      p.chroma_columns, p.chroma_rows);
  const auto t = yuv_transform(format.matrix, format.range, matrix, range);
  if (t.identity) return options;
  return options + fmt::format(
                       " -DTRANSFORM -DY_Y={} -DY_CB={} -DY_CR={} -DY_OFFSET={} -DCB_CB={} "
                       "-DCB_CR={} -DCR_CB={} -DCR_CR={}",
                       fixed(t.luma), fixed(t.luma_cb), fixed(t.luma_cr), fixed(t.offset + 0.5),
                       fixed(t.cb_cb), fixed(t.cb_cr), fixed(t.cr_cb), fixed(t.cr_cr));
}

Converter::Converter(gpu::Device& device, const Format& format, ColourMatrix matrix,
                     ColourRange range)
    : components_(components_of(*find_pixel_format(format.fourcc), format)),
      items_((static_cast<std::size_t>(format.width) + 7) / 8,
             static_cast<std::size_t>(format.height) / 2) {
  const auto& pixel = *find_pixel_format(format.fourcc);
  const cl::Program program =
      device.build_family("camera_convert", convert_options(pixel, format, matrix, range));
  kernel_ = cl::Kernel(program, "camera_convert");
  kernel_.setArg(2, static_cast<cl_int>(components_.luma.pitch));
  kernel_.setArg(5, static_cast<cl_int>(components_.cb.pitch));
  kernel_.setArg(8, static_cast<cl_int>(components_.cr.pitch));
  kernel_.setArg(10, static_cast<cl_int>(format.width));
  kernel_.setArg(11, static_cast<cl_int>(format.height));
}

Status Converter::convert(const cl::CommandQueue& queue,
                          const std::array<gpu::Memory, kMostPlanes>& buffers,
                          const std::array<std::size_t, kMostPlanes>& first, const Surface& surface,
                          const gpu::Wait& wait, cl::Event* done) noexcept {
  const auto set_component = [&](cl_uint argument, const Component& c) {
    const auto offset = c.offset + static_cast<cl_int>(first[c.buffer]);
    return gpu::set_argument(kernel_, argument, buffers[c.buffer].buffer) == Status::ok &&
           clSetKernelArg(kernel_(), argument + 1, sizeof offset, &offset) == CL_SUCCESS;
  };
  const cl_int pitch = surface.layout.pitch;
  const bool set = set_component(0, components_.luma) && set_component(3, components_.cb) &&
                   set_component(6, components_.cr) &&
                   gpu::set_argument(kernel_, 9, surface.memory.buffer) == Status::ok &&
                   clSetKernelArg(kernel_(), 12, sizeof pitch, &pitch) == CL_SUCCESS;
  return set ? gpu::launch(queue, kernel_, items_, nullptr, wait, done) : Status::device_lost;
}

}  // namespace gantry::v4l2
