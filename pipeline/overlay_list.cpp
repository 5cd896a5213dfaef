// From coordinates to shapes in whole numbers.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/overlay_list.hpp"

#include <algorithm>
#include <cmath>

#include "hal/camera/sim_colour.hpp"
#include "kernels/font.hpp"

namespace gantry {
namespace {

constexpr double kFarthest = 30'000;  // pixels: whole numbers of the kernel stay in range

std::int32_t whole(double v, double unit = 1) {
  return static_cast<std::int32_t>(std::lround(std::clamp(v, -kFarthest, kFarthest) * unit));
}

// The part of the segment p + t·d, t in 0 … 1, that lies in [low, high] along one axis.
bool clip(double p, double d, double low, double high, double& from, double& to) {
  if (d == 0) return p >= low && p <= high;
  const double a = (low - p) / d, b = (high - p) / d;
  from = std::max(from, std::min(a, b));
  to = std::min(to, std::max(a, b));
  return from < to;
}

}  // namespace

Ink ink(double red, double green, double blue, ColourMatrix matrix, ColourRange range) {
  const ColourTransform m = ycc_from_rgb(matrix);
  const double luma = range == ColourRange::limited ? 219 : 255,
               chroma = range == ColourRange::limited ? 224 : 255,
               black = range == ColourRange::limited ? 16 : 0;
  const auto row = [&](std::size_t i) { return m[i] * red + m[i + 1] * green + m[i + 2] * blue; };
  const auto byte = [](double v) {
    return static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0, 255.0)));
  };
  return {byte(black + luma * row(0)), byte(128 + chroma * row(3)), byte(128 + chroma * row(6))};
}

void OverlayList::add(OverlayShape s, Ink ink, double opacity) noexcept {
  if (count_ == kCapacity || std::max(s.left, 0) >= std::min(s.right, width_) ||
      std::max(s.top, 0) >= std::min(s.bottom, height_))
    return;
  s.ink = ink.y | ink.cb << 8 | ink.cr << 16;
  s.opacity = static_cast<std::int32_t>(std::lround(256 * std::clamp(opacity, 0.0, 1.0)));
  shapes_[count_++] = s;
}

void OverlayList::fill(double left, double top, double right, double bottom, Ink ink,
                       double opacity) noexcept {
  if (!std::isfinite(left + top + right + bottom)) return;
  OverlayShape s;
  s.left = whole(left), s.top = whole(top), s.right = whole(right) + 1,
  s.bottom = whole(bottom) + 1;
  add(s, ink, opacity);
}

void OverlayList::box(double left, double top, double right, double bottom, int thickness, Ink ink,
                      double opacity) noexcept {
  if (!std::isfinite(left + top + right + bottom)) return;
  OverlayShape s;
  s.kind = OverlayShape::Kind::outline;
  s.left = whole(left), s.top = whole(top), s.right = whole(right) + 1,
  s.bottom = whole(bottom) + 1;
  s.size = thickness;
  add(s, ink, opacity);
}

void OverlayList::line(double x0, double y0, double x1, double y1, double width, Ink ink,
                       double opacity) noexcept {
  if (!std::isfinite(x0 + y0 + x1 + y1 + width)) return;
  const double margin = width / 2 + 1, dx = x1 - x0, dy = y1 - y0;
  double from = 0, to = 1;
  if (!clip(x0, dx, -margin, width_ - 1 + margin, from, to) ||
      !clip(y0, dy, -margin, height_ - 1 + margin, from, to))
    return;
  // Once more, as the ends may have been too far away to be exact.
  const auto within = [&](double v, int size) { return std::clamp(v, -margin, size - 1 + margin); };
  x1 = within(x0 + to * dx, width_), y1 = within(y0 + to * dy, height_);
  x0 = within(x0 + from * dx, width_), y0 = within(y0 + from * dy, height_);
  const double length = std::hypot(x1 - x0, y1 - y0);
  if (length == 0) return;
  OverlayShape s;
  s.kind = OverlayShape::Kind::line;
  s.left = whole(std::floor(std::min(x0, x1) - margin));
  s.top = whole(std::floor(std::min(y0, y1) - margin));
  s.right = whole(std::ceil(std::max(x0, x1) + margin)) + 1;
  s.bottom = whole(std::ceil(std::max(y0, y1) + margin)) + 1;
  s.size = whole(width / 2, 16);
  s.x = whole(x0, 16), s.y = whole(y0, 16);
  s.along_x = whole((x1 - x0) / length, 4096), s.along_y = whole((y1 - y0) / length, 4096);
  s.length = whole(length, 16);
  add(s, ink, opacity);
}

void OverlayList::text(double x, double y, std::string_view text, int dot, Ink ink,
                       double opacity) noexcept {
  if (!std::isfinite(x + y) || dot < 1) return;
  OverlayShape s;
  s.kind = OverlayShape::Kind::glyph;
  s.size = dot;
  s.top = whole(y), s.bottom = s.top + font::kRows * dot;
  for (std::size_t i = 0; i < text.size(); ++i) {
    s.left = whole(x) + static_cast<int>(i) * font::kAdvance * dot;
    s.right = s.left + font::kColumns * dot;
    s.low = s.high = 0;
    const auto rows = font::glyph(text[i]);
    for (int n = 0; n < font::kRows * font::kColumns; ++n)
      if (rows[static_cast<std::size_t>(n / font::kColumns)] >>
              (font::kColumns - 1 - n % font::kColumns) &
          1)
        (n < 32 ? s.low : s.high) |= 1u << n % 32;
    if (s.low | s.high) add(s, ink, opacity);
  }
}

}  // namespace gantry
