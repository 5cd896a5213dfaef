// How the bytes of a V4L2 picture become luma and chroma: one row per format that is converted here.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "hal/camera/rig.hpp"

namespace gantry::v4l2 {

inline constexpr int kMostPlanes = 3;  // buffers that make up one picture

// Field names and orders: Linux user-space API, part "Image formats". Steps and firsts in bytes.
struct PixelFormat {
  enum class Order : std::uint8_t { packed, semi_planar, planar, compressed };
  std::uint32_t fourcc;
  Order order = Order::packed;
  int buffers = 1;         // that the kernel gives for one picture
  int chroma_columns = 2;  // luma columns to a chroma sample; 0: there is no chroma
  int chroma_rows = 2;
  int luma_first = 0, luma_step = 1;
  int cb_first = 0, cr_first = 0, chroma_step = 1;
  bool cr_before_cb = false;     // planar: the order of the planes
  int sample_bytes = 1;          // 2: little-endian words
  int shift = 0;                 // that makes 8 bits of a word
  bool high_byte_first = false;  // words are big-endian
};

// Best first: least to move, least to lose.
std::span<const PixelFormat> pixel_formats();
const PixelFormat* find_pixel_format(std::uint32_t fourcc);  // null: not converted here
std::string fourcc_text(std::uint32_t fourcc);               // "NV12"; odd bytes as "."
std::uint32_t fourcc_of(const std::string& text);            // 0 where it is not four characters

// What a device delivers: agreed at set-up, and asked for again whenever it comes back.
struct Format {
  std::uint32_t fourcc = 0;
  int width = 0, height = 0;
  int buffers = 1;
  std::array<int, kMostPlanes> pitch{};          // bytes from row to row
  std::array<std::size_t, kMostPlanes> bytes{};  // of each buffer
  ColourMatrix matrix = ColourMatrix::bt709;
  ColourRange range = ColourRange::limited;
  bool operator==(const Format&) const = default;
};

// Where each component of a picture begins.
struct Component {
  int buffer = 0, offset = 0, pitch = 0;
};
struct Components {
  Component luma, cb, cr;
};
Components components_of(const PixelFormat& pixel, const Format& format);

}  // namespace gantry::v4l2
