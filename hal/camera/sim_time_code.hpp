// The time code: camera, frame number and capture instant as black and white cells in a picture, so
// that a test can read from any later picture when it was taken.
//
// 128 cells: 8 of a fixed pattern (they tell black from white), then least bit first camera (8),
// frame (32), capture instant (64), CRC-16/CCITT-FALSE of these 13 bytes (16).
//   band   64 × 2 cells along the top of a camera's picture, each picture width / 64 pixels
//          (rounded down to even) wide and high
//   board  16 × 8 cells on an LED board that stands in the world, one per camera, where that camera
//          alone sees it; a dark frame one cell wide surrounds it
// Any thread; nothing allocates but where said.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "hal/camera/rig.hpp"

namespace gantry {

enum class TimeCode : std::uint8_t { none, band, board };

struct FrameStamp {
  std::uint8_t camera = 0;
  std::uint32_t frame = 0;
  std::int64_t capture_ns = 0;
  bool operator==(const FrameStamp&) const = default;
};

using TimeCodeCells = std::array<std::uint32_t, 4>;  // cell i: bit i % 32 of word i / 32

TimeCodeCells encode(const FrameStamp& code);
// From the 128 cells' mean luma, in order; empty where the fixed pattern or the checksum is wrong.
std::optional<FrameStamp> decode(const std::array<float, 128>& luma);

struct LumaView {
  const std::uint8_t* pixels = nullptr;
  int width = 0, height = 0, pitch = 0;
};
struct CodeRegion {  // pixels; edges, so that the first pixel spans 0…1
  double left = 0, top = 0, width = 0, height = 0;
};

// Throws std::invalid_argument for pictures less than 256 pixels wide: no room for the cells.
int band_cell(int picture_width);
CodeRegion band_region(int picture_width);
// The band of a camera's picture, or, with another region, of one that was cropped or rescaled.
std::optional<FrameStamp> read_band(const LumaView& luma, const CodeRegion& region);
// The board, from where the corners of its cells (top left, top right, bottom right, bottom left)
// are in the picture: pixel centres, first pixel (0, 0). Exact in a rectilinear view; close enough in
// a panorama or a fisheye picture.
std::optional<FrameStamp> read_board(const LumaView& luma, const std::array<Pixel, 4>& corners);

// The corners of a camera's board, top left first, clockwise: directions in the panorama frame, of
// the length of their distance in metres from the eye. Throws std::invalid_argument where the camera
// has no place for one of its own at 12° or more of width.
std::array<Vector3, 4> board_corners(const Rig& rig, std::size_t camera);

}  // namespace gantry
