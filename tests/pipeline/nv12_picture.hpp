// NV12 pictures in plain memory for references and comparisons, and PNG files read through ffmpeg.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace gantry::test {

// Rows without padding. Chroma samples are cosited with even luma columns and lie half-way between
// two luma rows: sample (i, j) is at the luma position (2i, 2j + 0.5).
struct Nv12Picture {
  int width = 0, height = 0;
  std::vector<std::uint8_t> bytes;

  Nv12Picture() = default;
  Nv12Picture(int w, int h) : width(w), height(h), bytes(static_cast<std::size_t>(w) * h * 3 / 2) {}

  // Plane 0 is luma, 1 is Cb, 2 is Cr; x and y count the samples of that plane.
  std::uint8_t& at(int plane, int x, int y) { return bytes[index(plane, x, y)]; }
  std::uint8_t at(int plane, int x, int y) const { return bytes[index(plane, x, y)]; }
  int columns(int plane) const { return plane ? width / 2 : width; }
  int rows(int plane) const { return plane ? height / 2 : height; }
  std::size_t index(int plane, int x, int y) const {
    if (plane == 0) return static_cast<std::size_t>(y) * width + x;
    return static_cast<std::size_t>(height + y) * width + 2 * static_cast<std::size_t>(x) + plane -
           1;
  }
};

// Between samples of a plane and luma positions.
inline double luma_x(int plane, double i) {
  return plane ? 2 * i : i;
}
inline double luma_y(int plane, double j) {
  return plane ? 2 * j + 0.5 : j;
}
inline double plane_x(int plane, double x) {
  return plane ? 0.5 * x : x;
}
inline double plane_y(int plane, double y) {
  return plane ? 0.5 * (y - 0.5) : y;
}

inline std::uint8_t rounded(double value) {
  return static_cast<std::uint8_t>(std::clamp(std::floor(value + 0.5), 0.0, 255.0));
}

// `count` taps a side; taps outside of the picture are moved to its edge.
template <int count, class Weights>
double filtered(const Nv12Picture& p, int plane, double x, double y, Weights weights) {
  const double left = std::floor(x), top = std::floor(y);
  double wx[count], wy[count], sum = 0;
  weights(x - left, wx);
  weights(y - top, wy);
  for (int j = 0; j < count; ++j)
    for (int i = 0; i < count; ++i) {
      const int column = static_cast<int>(left) + i + 1 - count / 2;
      const int row = static_cast<int>(top) + j + 1 - count / 2;
      sum += wx[i] * wy[j] *
             p.at(plane, std::clamp(column, 0, p.columns(plane) - 1),
                  std::clamp(row, 0, p.rows(plane) - 1));
    }
  return sum;
}

// Value at a position of the plane's own samples.
inline double bilinear(const Nv12Picture& p, int plane, double x, double y) {
  return filtered<2>(p, plane, x, y, [](double t, double* w) {
    w[0] = 1 - t;
    w[1] = t;
  });
}

// Catmull–Rom.
inline double bicubic(const Nv12Picture& p, int plane, double x, double y) {
  return filtered<4>(p, plane, x, y, [](double t, double* w) {
    w[0] = 0.5 * t * (-1 + t * (2 - t));
    w[1] = 0.5 * (2 + t * t * (3 * t - 5));
    w[2] = 0.5 * t * (1 + t * (4 - 3 * t));
    w[3] = 0.5 * t * t * (t - 1);
  });
}

// Any picture file through a chain of ffmpeg's filters that ends in the given, even size; empty if
// the file or ffmpeg is absent.
inline std::optional<Nv12Picture> read_picture(const std::filesystem::path& file,
                                               const std::string& filters, int width, int height) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  const std::string command = "ffmpeg -v error -i '" + file.string() + "' -frames:v 1 -vf " +
                              filters + " -pix_fmt nv12 -f rawvideo - 2>/dev/null";
  Nv12Picture picture(width, height);
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return std::nullopt;
  const std::size_t got = std::fread(picture.bytes.data(), 1, picture.bytes.size(), pipe);
  if (pclose(pipe) != 0 || got != picture.bytes.size()) return std::nullopt;
  return picture;
}

}  // namespace gantry::test
