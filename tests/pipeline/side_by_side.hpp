// Two cameras side by side over one scene, each with an exposure and white balance of its own.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "pipeline/colour_match.hpp"
#include "pipeline/stitch_mesh.hpp"

namespace gantry::test {

struct Exposure {
  double red = 1, green = 1, blue = 1;  // gains on non-linear values
};

// Greens and greys with some brighter colours, 0 … 1, like a pitch with players.
inline std::array<double, 3> scene_colour(int n) {
  const double a = 0.5 + 0.5 * std::sin(n * 1.7), b = 0.5 + 0.5 * std::sin(n * 0.9 + 1);
  if (n % 5 == 0) return {0.25 + 0.35 * a, 0.2 + 0.2 * b, 0.2 + 0.3 * (1 - a)};
  return {0.2 + 0.15 * a, 0.35 + 0.2 * b, 0.15 + 0.15 * a * b};
}

// Y, Cb, Cr as a camera stores them: BT.601-7 and BT.709-6, equations of digital representation.
inline std::array<std::uint8_t, 3> encode(const ColourFormat& format, const Exposure& e,
                                          std::array<double, 3> c) {
  const bool limited = format.range == ColourRange::limited;
  const double kr = format.matrix == ColourMatrix::bt709 ? 0.2126 : 0.299;
  const double kb = format.matrix == ColourMatrix::bt709 ? 0.0722 : 0.114;
  const double r = std::min(1.0, c[0] * e.red), g = std::min(1.0, c[1] * e.green),
               b = std::min(1.0, c[2] * e.blue);
  const double y = kr * r + (1 - kr - kb) * g + kb * b;
  const auto byte = [](double v) {
    return static_cast<std::uint8_t>(std::clamp(std::lround(v), 0L, 255L));
  };
  const double luma = limited ? 219 : 255, chroma = limited ? 224 : 255;
  return {byte((limited ? 16 : 0) + luma * y), byte(128 + chroma * (b - y) / (2 * (1 - kb))),
          byte(128 + chroma * (r - y) / (2 * (1 - kr)))};
}

// Panorama columns 0 … 223 are the left camera's, 96 … 319 the right one's; the seam lies in the
// middle and is 16 pixels wide. Pixels are not moved by fractions.
struct SideBySide {
  static constexpr int kWidth = 320, kHeight = 96, kCameraWidth = 224, kSeam = 160;

  static StitchMesh mesh() {
    StitchMesh mesh;
    mesh.step = 8;
    mesh.columns = (kWidth - 1) / 8 + 2;
    mesh.rows = (kHeight - 1) / 8 + 2;
    mesh.panorama_width = kWidth;
    mesh.panorama_height = kHeight;
    mesh.cameras.resize(2);
    for (int j = 0; j < mesh.rows; ++j)
      for (int i = 0; i < mesh.columns; ++i) {
        const float x = static_cast<float>(8 * i), y = static_cast<float>(8 * j);
        const float right = std::clamp((x - (kSeam - 8)) / 16.0f, 0.0f, 1.0f);
        mesh.cameras[0].nodes.push_back({x, y, 1 - right});
        mesh.cameras[1].nodes.push_back({x - 96, y, right});
      }
    return mesh;
  }

  // Fills a picture of camera 0 or 1: 4×4 patches that repeat every 32 columns. `clipped`: the left
  // 8 columns of each repeat are overexposed in every camera that gets it.
  static void film(int camera, const ColourFormat& format, const Exposure& exposure, bool clipped,
                   int pitch, std::uint8_t* nv12) {
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kCameraWidth; ++x) {
        const int column = (x + 96 * camera) % 32;
        auto colour = scene_colour(column / 4 + 8 * (y / 4));
        if (clipped && column < 8) colour = {1, 1, 1};
        const auto c = encode(format, exposure, colour);
        nv12[y * pitch + x] = c[0];
        std::uint8_t* chroma = nv12 + (kHeight + y / 2) * pitch + x / 2 * 2;
        chroma[0] = c[1];
        chroma[1] = c[2];
      }
  }
};

}  // namespace gantry::test
