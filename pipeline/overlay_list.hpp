// What is drawn over a picture: boxes, lines and text, in pixels, in the order of drawing.
//
// Fixed capacity; what finds no room, lies outside of the picture or is not a number is left out.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "hal/camera/rig.hpp"

namespace gantry {

// A colour as the picture stores it.
struct Ink {
  std::uint8_t y = 0, cb = 128, cr = 128;
};
// `red`, `green`, `blue`: 0 … 1, as shown.
Ink ink(double red, double green, double blue, ColourMatrix matrix, ColourRange range);

// As kernels/overlay.cl reads it.
struct OverlayShape {
  enum class Kind : std::int32_t { filled, outline, line, glyph };
  Kind kind = Kind::filled;
  std::int32_t left = 0, top = 0, right = 0, bottom = 0;  // [left, right) × [top, bottom)
  std::int32_t size = 0;      // outline: pixels; line: half of its width, 1/16; glyph: of a dot
  std::int32_t x = 0, y = 0;  // line: its start, 1/16 pixel
  std::int32_t along_x = 0, along_y = 0;  // line: its direction, 1/4096
  std::int32_t length = 0;                // line: 1/16 pixel
  std::uint32_t low = 0, high = 0;        // glyph: its dots, row by row
  std::int32_t ink = 0;                   // Y, Cb, Cr from the low byte up
  std::int32_t opacity = 0;               // 0 … 256
  std::int32_t unused = 0;
};
static_assert(sizeof(OverlayShape) == 64);

class OverlayList {
 public:
  static constexpr std::size_t kCapacity = 1024;

  // Pixels of the picture, even.
  OverlayList(int width, int height) : width_(width), height_(height) {}

  // One thread at a time, no allocation. Coordinates are those of pixel centres; a box's edges pass
  // through the centres of its border's outer pixels. `opacity`: 0 … 1.
  void clear() noexcept { count_ = 0; }
  void fill(double left, double top, double right, double bottom, Ink ink,
            double opacity = 1) noexcept;
  void box(double left, double top, double right, double bottom, int thickness, Ink ink,
           double opacity = 1) noexcept;
  void line(double x0, double y0, double x1, double y1, double width, Ink ink,
            double opacity = 1) noexcept;
  // A line of text from its top left corner; dots of `dot` pixels, see font.hpp.
  void text(double x, double y, std::string_view text, int dot, Ink ink,
            double opacity = 1) noexcept;

  std::span<const OverlayShape> shapes() const noexcept { return {shapes_.data(), count_}; }
  int width() const noexcept { return width_; }
  int height() const noexcept { return height_; }

 private:
  void add(OverlayShape shape, Ink ink, double opacity) noexcept;

  int width_, height_;
  std::size_t count_ = 0;
  std::array<OverlayShape, kCapacity> shapes_;
};

}  // namespace gantry
