// The formats, best first, and where their components lie.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/pixel_format.hpp"

#include <algorithm>

#include <linux/videodev2.h>

namespace gantry::v4l2 {
namespace {

using Order = PixelFormat::Order;

constexpr PixelFormat semi_planar(std::uint32_t fourcc, int buffers, int columns, int rows,
                                  bool cr_first = false) {
  PixelFormat f{fourcc, Order::semi_planar, buffers, columns, rows};
  f.chroma_step = 2;
  f.cb_first = cr_first ? 1 : 0;
  f.cr_first = cr_first ? 0 : 1;
  return f;
}

constexpr PixelFormat planar(std::uint32_t fourcc, int buffers, int columns, int rows,
                             bool cr_before_cb = false) {
  PixelFormat f{fourcc, Order::planar, buffers, columns, rows};
  f.cr_before_cb = cr_before_cb;
  return f;
}

// Two pixels in four bytes.
constexpr PixelFormat packed_422(std::uint32_t fourcc, int luma, int cb, int cr) {
  PixelFormat f{fourcc, Order::packed, 1, 2, 1};
  f.luma_first = luma, f.luma_step = 2;
  f.cb_first = cb, f.cr_first = cr, f.chroma_step = 4;
  return f;
}

// One pixel in four bytes.
constexpr PixelFormat packed_444(std::uint32_t fourcc, int luma, int cb, int cr) {
  PixelFormat f{fourcc, Order::packed, 1, 1, 1};
  f.luma_first = luma, f.luma_step = 4;
  f.cb_first = cb, f.cr_first = cr, f.chroma_step = 4;
  return f;
}

constexpr PixelFormat grey(std::uint32_t fourcc, int sample_bytes, int shift,
                           bool high_byte_first = false) {
  PixelFormat f{fourcc, Order::packed, 1, 0, 0};
  f.luma_step = f.sample_bytes = sample_bytes;
  f.shift = shift;
  f.high_byte_first = high_byte_first;
  return f;
}

constexpr PixelFormat p010() {
  PixelFormat f{V4L2_PIX_FMT_P010, Order::semi_planar, 1, 2, 2};
  f.luma_step = 2;
  f.chroma_step = 4;
  f.cr_first = 2;
  f.sample_bytes = 2;
  f.shift = 8;  // the ten bits are the upper ones of the word
  return f;
}

constexpr PixelFormat compressed(std::uint32_t fourcc) {
  return {fourcc, Order::compressed};
}

constexpr PixelFormat kFormats[] = {
    semi_planar(V4L2_PIX_FMT_NV12, 1, 2, 2),
    semi_planar(V4L2_PIX_FMT_NV12M, 2, 2, 2),
    semi_planar(V4L2_PIX_FMT_NV21, 1, 2, 2, true),
    semi_planar(V4L2_PIX_FMT_NV21M, 2, 2, 2, true),
    planar(V4L2_PIX_FMT_YUV420, 1, 2, 2),
    planar(V4L2_PIX_FMT_YVU420, 1, 2, 2, true),
    planar(V4L2_PIX_FMT_YUV420M, 3, 2, 2),
    planar(V4L2_PIX_FMT_YVU420M, 3, 2, 2, true),
    packed_422(V4L2_PIX_FMT_YUYV, 0, 1, 3),
    packed_422(V4L2_PIX_FMT_UYVY, 1, 0, 2),
    packed_422(V4L2_PIX_FMT_YVYU, 0, 3, 1),
    packed_422(V4L2_PIX_FMT_VYUY, 1, 2, 0),
    semi_planar(V4L2_PIX_FMT_NV16, 1, 2, 1),
    semi_planar(V4L2_PIX_FMT_NV16M, 2, 2, 1),
    semi_planar(V4L2_PIX_FMT_NV61, 1, 2, 1, true),
    semi_planar(V4L2_PIX_FMT_NV61M, 2, 2, 1, true),
    planar(V4L2_PIX_FMT_YUV422P, 1, 2, 1),
    planar(V4L2_PIX_FMT_YUV422M, 3, 2, 1),
    planar(V4L2_PIX_FMT_YVU422M, 3, 2, 1, true),
    p010(),
    semi_planar(V4L2_PIX_FMT_NV24, 1, 1, 1),
    semi_planar(V4L2_PIX_FMT_NV42, 1, 1, 1, true),
    planar(V4L2_PIX_FMT_YUV444M, 3, 1, 1),
    planar(V4L2_PIX_FMT_YVU444M, 3, 1, 1, true),
    packed_444(V4L2_PIX_FMT_YUV32, 1, 2, 3),
    packed_444(V4L2_PIX_FMT_AYUV32, 1, 2, 3),
    packed_444(V4L2_PIX_FMT_XYUV32, 1, 2, 3),
    packed_444(V4L2_PIX_FMT_VUYA32, 2, 1, 0),
    packed_444(V4L2_PIX_FMT_VUYX32, 2, 1, 0),
    packed_444(V4L2_PIX_FMT_YUVA32, 0, 1, 2),
    packed_444(V4L2_PIX_FMT_YUVX32, 0, 1, 2),
    compressed(V4L2_PIX_FMT_MJPEG),
    compressed(V4L2_PIX_FMT_JPEG),
    grey(V4L2_PIX_FMT_GREY, 1, 0),
    grey(V4L2_PIX_FMT_Y10, 2, 2),
    grey(V4L2_PIX_FMT_Y12, 2, 4),
    grey(V4L2_PIX_FMT_Y16, 2, 8),
    grey(V4L2_PIX_FMT_Y16_BE, 2, 8, true),
};

}  // namespace

std::span<const PixelFormat> pixel_formats() {
  return kFormats;
}

const PixelFormat* find_pixel_format(std::uint32_t fourcc) {
  const auto* found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                   [&](const PixelFormat& f) { return f.fourcc == fourcc; });
  return found == std::end(kFormats) ? nullptr : found;
}

std::string fourcc_text(std::uint32_t fourcc) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const char c = static_cast<char>(fourcc >> (8 * i) & 0x7f);
    text += c >= ' ' && c < 0x7f ? c : '.';
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::uint32_t fourcc_of(const std::string& text) {
  if (text.size() < 3 || text.size() > 4) return 0;
  std::uint32_t fourcc = 0;
  for (std::size_t i = 0; i < 4; ++i)
    fourcc |= static_cast<std::uint32_t>(i < text.size() ? text[i] : ' ') << (8 * i);
  // Big-endian formats have bit 31 set, which no text shows; Y16 is the only one taken here.
  return text == "Y16B" ? V4L2_PIX_FMT_Y16_BE : fourcc;
}

Components components_of(const PixelFormat& pixel, const Format& format) {
  const int pitch = format.pitch[0];
  Components c;
  c.luma = {0, pixel.luma_first, pitch};
  if (pixel.chroma_columns == 0) return c;
  if (pixel.order == Order::packed) {
    c.cb = {0, pixel.cb_first, pitch};
    c.cr = {0, pixel.cr_first, pitch};
  } else if (pixel.order == Order::semi_planar) {
    const int buffer = pixel.buffers - 1;
    const int start = buffer == 0 ? pitch * format.height : 0;
    const int chroma_pitch = buffer == 0 ? pitch * 2 / pixel.chroma_columns : format.pitch[1];
    c.cb = {buffer, start + pixel.cb_first, chroma_pitch};
    c.cr = {buffer, start + pixel.cr_first, chroma_pitch};
  } else {
    const bool apart = pixel.buffers > 1;
    const int chroma_pitch = apart ? format.pitch[1] : pitch / pixel.chroma_columns;
    const int first = apart ? 0 : pitch * format.height;
    const int second = apart ? 0 : first + chroma_pitch * (format.height / pixel.chroma_rows);
    c.cb = {apart ? 1 : 0, first, chroma_pitch};
    c.cr = {apart ? 2 : 0, second, chroma_pitch};
    if (pixel.cr_before_cb) std::swap(c.cb, c.cr);
  }
  return c;
}

}  // namespace gantry::v4l2
