// Painting is the kernels' part; here are the bits, the readers, and where the boards stand.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_time_code.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr int kCells = 128, kSync = 8, kPayload = 104;
constexpr std::uint32_t kSyncCells = 0b01001101;
constexpr double kDegree = std::numbers::pi / 180;

bool cell(const TimeCodeCells& cells, int i) {
  return cells[i / 32] >> (i % 32) & 1;
}
void set(TimeCodeCells& cells, int i, bool on) {
  cells[i / 32] |= std::uint32_t{on} << (i % 32);
}

std::uint16_t checksum(const TimeCodeCells& cells) {
  std::uint32_t crc = 0xffff;
  for (int i = 0; i < kPayload; ++i) {
    const bool top = (crc >> 15 & 1) != cell(cells, kSync + (i / 8) * 8 + 7 - i % 8);
    crc = (crc << 1 & 0xffff) ^ (top ? 0x1021 : 0);
  }
  return static_cast<std::uint16_t>(crc);
}

// Mean luma of the middle of each cell; `at` maps (column, row) of the cell grid to the picture.
template <class Map>
std::optional<FrameStamp> read_grid(const LumaView& luma, int columns, Map&& at) {
  constexpr int kPoints = 5;
  std::array<float, kCells> mean{};
  for (int i = 0; i < kCells; ++i) {
    int sum = 0;
    for (int k = 0; k < kPoints * kPoints; ++k) {
      const double u = 0.3 + 0.4 * (k % kPoints) / (kPoints - 1),
                   v = 0.3 + 0.4 * (k / kPoints) / (kPoints - 1);
      const Pixel p = at(i % columns + u, i / columns + v);
      if (!(p.x > -0.5 && p.y > -0.5 && p.x < luma.width - 0.5 && p.y < luma.height - 0.5))
        return std::nullopt;
      sum += luma.pixels[static_cast<std::ptrdiff_t>(std::lround(p.y)) * luma.pitch +
                         std::lround(p.x)];
    }
    mean[i] = static_cast<float>(sum) / (kPoints * kPoints);
  }
  return decode(mean);
}

// The homography from the unit square to a quadrilateral (Heckbert 1989, "Fundamentals of texture
// mapping", eq. 2.16).
struct SquareToQuad {
  double a, b, c, d, e, f, g, h;
  explicit SquareToQuad(const std::array<Pixel, 4>& q) {
    const double sx = q[0].x - q[1].x + q[2].x - q[3].x, sy = q[0].y - q[1].y + q[2].y - q[3].y;
    const double dx1 = q[1].x - q[2].x, dx2 = q[3].x - q[2].x;
    const double dy1 = q[1].y - q[2].y, dy2 = q[3].y - q[2].y;
    const double area = dx1 * dy2 - dx2 * dy1;
    g = (sx * dy2 - dx2 * sy) / area;
    h = (dx1 * sy - sx * dy1) / area;
    a = q[1].x - q[0].x + g * q[1].x, b = q[3].x - q[0].x + h * q[3].x, c = q[0].x;
    d = q[1].y - q[0].y + g * q[1].y, e = q[3].y - q[0].y + h * q[3].y, f = q[0].y;
  }
  Pixel operator()(double u, double v) const {
    const double w = g * u + h * v + 1;
    return {(a * u + b * v + c) / w, (d * u + e * v + f) / w};
  }
};

// Upright, facing the eye, its lower edge just above the horizon; `cell_margin` adds the frame.
std::array<Vector3, 4> board_at(double yaw, double width, double cell_margin) {
  constexpr double kDistance = 45, kLift = 1.3 * kDegree;  // metres; radians
  const double half = kDistance * std::tan(width / 2), size = half / 8;
  const double bottom = kDistance * std::tan(kLift), m = cell_margin * size;
  const auto corner = [&](double right, double up) {
    return Vector3{kDistance * std::sin(yaw) + right * std::cos(yaw), -up,
                   kDistance * std::cos(yaw) - right * std::sin(yaw)};
  };
  const double low = bottom - m, high = bottom + 8 * size + m, side = half + m;
  return {corner(-side, high), corner(side, high), corner(side, low), corner(-side, low)};
}

bool sees(const RigCamera& camera, const Vector3& direction, double margin) {
  const auto p = camera.lens.project(apply(camera_from_panorama(camera.mounting), direction));
  const double m = margin * camera.lens.width;
  return p && p->x > m && p->y > m && p->x < camera.lens.width - 1 - m &&
         p->y < camera.lens.height - 1 - m;
}

// Wholly in this camera and in no other, corners and edges' middles.
bool own_place(const Rig& rig, std::size_t camera, double yaw, double width) {
  const auto corners = board_at(yaw, width, 1.2);
  for (int i = 0; i < 4; ++i)
    for (double t : {0.0, 0.25, 0.5, 0.75}) {
      const Vector3 &a = corners[i], &b = corners[(i + 1) % 4];
      const Vector3 p{a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), a.z + t * (b.z - a.z)};
      for (std::size_t k = 0; k < rig.cameras.size(); ++k)
        if (sees(rig.cameras[k], p, k == camera ? 0.005 : -0.005) != (k == camera)) return false;
    }
  return true;
}

}  // namespace

TimeCodeCells encode(const FrameStamp& code) {
  TimeCodeCells cells{kSyncCells};
  const auto instant = static_cast<std::uint64_t>(code.capture_ns);
  for (int i = 0; i < 8; ++i) set(cells, kSync + i, code.camera >> i & 1);
  for (int i = 0; i < 32; ++i) set(cells, kSync + 8 + i, code.frame >> i & 1);
  for (int i = 0; i < 64; ++i) set(cells, kSync + 40 + i, instant >> i & 1);
  const std::uint16_t crc = checksum(cells);
  for (int i = 0; i < 16; ++i) set(cells, kSync + kPayload + i, crc >> i & 1);
  return cells;
}

std::optional<FrameStamp> decode(const std::array<float, 128>& luma) {
  float white = 0, black = 0;
  for (int i = 0; i < kSync; ++i) (kSyncCells >> i & 1 ? white : black) += luma[i] / (kSync / 2);
  if (white - black < 8) return std::nullopt;
  TimeCodeCells cells{};
  for (int i = 0; i < kCells; ++i) set(cells, i, luma[i] > 0.5f * (white + black));
  if ((cells[0] & 0xff) != kSyncCells) return std::nullopt;
  FrameStamp code;
  std::uint64_t instant = 0;
  std::uint32_t crc = 0;
  for (int i = 0; i < 8; ++i) code.camera |= static_cast<std::uint8_t>(cell(cells, kSync + i) << i);
  for (int i = 0; i < 32; ++i) code.frame |= std::uint32_t{cell(cells, kSync + 8 + i)} << i;
  for (int i = 0; i < 64; ++i) instant |= std::uint64_t{cell(cells, kSync + 40 + i)} << i;
  for (int i = 0; i < 16; ++i) crc |= std::uint32_t{cell(cells, kSync + kPayload + i)} << i;
  code.capture_ns = static_cast<std::int64_t>(instant);
  return crc == checksum(cells) ? std::optional(code) : std::nullopt;
}

int band_cell(int picture_width) {
  if (picture_width < 256)
    throw std::invalid_argument(fmt::format(
        "time code: a picture {} pixels wide has no room for it; 256 are needed", picture_width));
  return picture_width / 64 & ~1;
}

CodeRegion band_region(int picture_width) {
  const int cell = band_cell(picture_width);
  return {0, 0, 64.0 * cell, 2.0 * cell};
}

std::optional<FrameStamp> read_band(const LumaView& luma, const CodeRegion& r) {
  return read_grid(luma, 64, [&](double column, double row) {
    return Pixel{r.left + column / 64 * r.width - 0.5, r.top + row / 2 * r.height - 0.5};
  });
}

std::optional<FrameStamp> read_board(const LumaView& luma, const std::array<Pixel, 4>& corners) {
  const SquareToQuad map(corners);
  return read_grid(luma, 16, [&](double column, double row) { return map(column / 16, row / 8); });
}

std::array<Vector3, 4> board_corners(const Rig& rig, std::size_t camera) {
  for (double width = 20; width >= 12; width -= 2)
    for (double away = 0; away < 150; away += 0.5)
      for (double side : {-1.0, 1.0})
        if (own_place(rig, camera, side * away * kDegree, width * kDegree))
          return board_at(side * away * kDegree, width * kDegree, 0);
  throw std::invalid_argument(fmt::format(
      "rig: camera '{}' has no place for a time code board that no other camera sees, just above "
      "the horizon; use the band, or tilt the camera up",
      rig.cameras[camera].name));
}

}  // namespace gantry
