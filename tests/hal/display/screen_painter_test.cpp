// The scan-out kernels against plain C++, to the bit, and against the definition of the colours.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/screen_painter.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "hal/memory/heap.hpp"

namespace gantry {
namespace {

using Coefficients = std::array<std::int32_t, 6>;

std::uint32_t convert(int y, int u, int v, const Coefficients& c) {
  const int luma = (y - c[0]) * c[1] + 32768;
  const auto byte = [](int value) {
    return static_cast<std::uint32_t>(std::clamp(value >> 16, 0, 255));
  };
  return 0xff000000u | byte(luma + c[2] * v) << 16 | byte(luma - c[3] * u - c[4] * v) << 8 |
         byte(luma + c[5] * u);
}

struct Plane {
  const std::uint8_t* bytes;
  int pitch, step, width, height;
  int at(int x, int y) const { return bytes[static_cast<std::ptrdiff_t>(y) * pitch + x * step]; }
};

int mean(const Plane& p, int width, int height, int x, int y) {
  const int nx = std::max(1, (p.width + width - 1) / width);
  const int ny = std::max(1, (p.height + height - 1) / height);
  const auto spread = [](std::int64_t at, int k, int taps, int from, int to) {
    return static_cast<int>((2 * (at * taps + k) + 1) * from / (2 * std::int64_t{to} * taps));
  };
  int sum = nx * ny / 2;
  for (int j = 0; j < ny; ++j)
    for (int i = 0; i < nx; ++i)
      sum += p.at(spread(x, i, nx, p.width, width), spread(y, j, ny, p.height, height));
  return sum / (nx * ny);
}

int bilinear(const Plane& p, int width, int height, int x, int y) {
  const auto between = [](std::int64_t at, int from, int to) {
    return static_cast<int>(
        std::clamp<std::int64_t>((2 * at + 1) * from * 128 / to - 128, 0, (from - 1) * 256));
  };
  const int px = between(x, p.width, width), py = between(y, p.height, height);
  const int x0 = px >> 8, x1 = std::min(x0 + 1, p.width - 1), fx = px & 255;
  const int y0 = py >> 8, y1 = std::min(y0 + 1, p.height - 1), fy = py & 255;
  const int top = p.at(x0, y0) * (256 - fx) + p.at(x1, y0) * fx;
  const int bottom = p.at(x0, y1) * (256 - fx) + p.at(x1, y1) * fx;
  return (top * (256 - fy) + bottom * fy + 32768) >> 16;
}

int sample(const Plane& p, int width, int height, int x, int y) {
  return p.width > width || p.height > height ? mean(p, width, height, x, y)
                                              : bilinear(p, width, height, x, y);
}

std::uint32_t reference(const Surface& s, const ScreenRectangle& place, int x, int y,
                        const Coefficients& c) {
  const Nv12Layout& l = s.layout;
  if (place.width == l.width && place.height == l.height) {
    const std::uint8_t* uv = s.chroma() + static_cast<std::ptrdiff_t>(y / 2) * l.pitch + (x & ~1);
    return convert(s.luma()[static_cast<std::ptrdiff_t>(y) * l.pitch + x], uv[0] - 128, uv[1] - 128,
                   c);
  }
  const Plane luma{s.luma(), l.pitch, 1, l.width, l.height};
  const Plane u{s.chroma(), l.pitch, 2, l.width / 2, l.height / 2};
  const Plane v{s.chroma() + 1, l.pitch, 2, l.width / 2, l.height / 2};
  const auto at = [&](const Plane& p) { return sample(p, place.width, place.height, x, y); };
  return convert(at(luma), at(u) - 128, at(v) - 128, c);
}

class ScreenPainterTest : public testing::Test {
 protected:
  static gpu::Device& device() {
    static gpu::Device device(gpu::Choice{gpu::Kind::cpu, "", false}, {});
    return device;
  }
  SurfaceRef noise(int width, int height) {
    pool_ = make_surface_pool(device(), nv12_layout(width, height), 1, gpu::Access::upload);
    SurfaceRef surface = pool_->acquire();
    std::mt19937 random(7);
    for (std::size_t i = 0; i < surface->layout.bytes(); ++i)
      surface->luma()[i] = static_cast<std::uint8_t>(random());
    return surface;
  }
  std::unique_ptr<SurfacePool> pool_;
};

struct Screen {
  static constexpr int kWidth = 200, kHeight = 120, kPitch = 224;
  HeapBlock block = open_heap("plain")->allocate(kPitch * kHeight * 4);
  std::uint32_t* pixels() const { return reinterpret_cast<std::uint32_t*>(block.host.data()); }
  std::uint32_t at(int x, int y) const { return pixels()[y * kPitch + x]; }
  ScreenMemory memory() const { return {pixels(), kPitch, kPitch * kHeight * 4}; }
};

struct Case {
  int width, height;
  ScreenRectangle place;
};

TEST_F(ScreenPainterTest, EqualsTheReferenceToTheBitAndTouchesNothingElse) {
  const Case cases[] = {
      {200, 120, {0, 0, 200, 120}},   // the screen itself
      {150, 90, {10, 4, 150, 90}},    // a width that no vector divides
      {2, 2, {100, 50, 2, 2}},        // the smallest
      {570, 190, {0, 0, 190, 64}},    // smaller, by a little less than three
      {64, 36, {4, 6, 192, 108}},     // larger
      {198, 30, {50, 20, 100, 100}},  // narrower and higher
  };
  for (const auto matrix : {ColourMatrix::bt709, ColourMatrix::bt601})
    for (const auto range : {ColourRange::limited, ColourRange::full}) {
      ScreenPainter painter(device(), matrix, range);
      const auto c = rgb_coefficients(matrix, range);
      for (const Case& k : cases) {
        SCOPED_TRACE(testing::Message() << k.width << "x" << k.height << " at " << k.place.width);
        const SurfaceRef picture = noise(k.width, k.height);
        const Screen screen;
        const auto canvas = painter.canvas(screen.memory());
        ASSERT_EQ(painter.paint(*picture, k.place, canvas), Status::ok);
        int wrong = 0;
        for (int y = 0; y < Screen::kHeight; ++y)
          for (int x = 0; x < Screen::kPitch; ++x) {
            const int px = x - k.place.x, py = y - k.place.y;
            const bool inside = px >= 0 && py >= 0 && px < k.place.width && py < k.place.height;
            wrong += screen.at(x, y) != (inside ? reference(*picture, k.place, px, py, c) : 0);
          }
        EXPECT_EQ(wrong, 0);
      }
    }
}

// Grey stays grey and the ends of the range are black and white, whatever the matrix.
TEST_F(ScreenPainterTest, ConvertsByTheDefinition) {
  for (const auto matrix : {ColourMatrix::bt709, ColourMatrix::bt601}) {
    const auto limited = rgb_coefficients(matrix, ColourRange::limited);
    EXPECT_EQ(convert(16, 0, 0, limited), 0xff000000u);
    EXPECT_EQ(convert(235, 0, 0, limited), 0xffffffffu);
    EXPECT_EQ(convert(128, 0, 0, rgb_coefficients(matrix, ColourRange::full)), 0xff808080u);
  }
  // ITU-R BT.709, limited: the code values of saturated red and blue.
  const auto c = rgb_coefficients(ColourMatrix::bt709, ColourRange::limited);
  const auto near = [](std::uint32_t pixel, int red, int green, int blue) {
    return std::abs(static_cast<int>(pixel >> 16 & 255) - red) <= 2 &&
           std::abs(static_cast<int>(pixel >> 8 & 255) - green) <= 2 &&
           std::abs(static_cast<int>(pixel & 255) - blue) <= 2;
  };
  EXPECT_TRUE(near(convert(63, 102 - 128, 240 - 128, c), 255, 0, 0));
  EXPECT_TRUE(near(convert(32, 240 - 128, 118 - 128, c), 0, 0, 255));
}

}  // namespace
}  // namespace gantry
