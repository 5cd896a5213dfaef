// The time code: bits, readers, and pictures that were warped, blurred and made noisy on the way.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_time_code.hpp"

#include <algorithm>
#include <random>

#include "tests/hal/camera/sim_fixture.hpp"

namespace gantry {
namespace {

using namespace simtest;

const FrameStamp kStamp{3, 4'000'000'123u, 0x0123'4567'89ab'cdefll};

bool bit(const TimeCodeCells& cells, int i) {
  return cells[i / 32] >> (i % 32) & 1;
}

std::array<float, 128> luma_of(const TimeCodeCells& cells, float black, float white) {
  std::array<float, 128> luma{};
  for (int i = 0; i < 128; ++i) luma[i] = bit(cells, i) ? white : black;
  return luma;
}

TEST(TimeCode, ComesBackWhatWentIn) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    const FrameStamp s{static_cast<std::uint8_t>(random()), static_cast<std::uint32_t>(random()),
                       static_cast<std::int64_t>(random())};
    EXPECT_EQ(decode(luma_of(encode(s), 40, 190)), s);
  }
}

TEST(TimeCode, RefusesEveryWrongCellAndNoContrast) {
  for (int i = 0; i < 128; ++i) {
    TimeCodeCells cells = encode(kStamp);
    cells[i / 32] ^= 1u << (i % 32);
    EXPECT_FALSE(decode(luma_of(cells, 16, 235))) << i;
  }
  EXPECT_FALSE(decode(luma_of(encode(kStamp), 100, 104)));
  EXPECT_FALSE(decode(luma_of(encode(kStamp), 235, 16))) << "a negative";
}

// The order of the cells and the polynomial, spelled out another way.
TEST(TimeCode, IsPinned) {
  const TimeCodeCells cells = encode({1, 2, 3});
  EXPECT_EQ(cells[0] & 0xffff, 0x014du);
  EXPECT_EQ(cells[0] >> 16 | (cells[1] & 0xffff) << 16, 2u);
  std::uint32_t crc = 0xffff;
  for (const int byte : {1, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0}) {
    crc ^= static_cast<std::uint32_t>(byte) << 8;
    for (int i = 0; i < 8; ++i) crc = crc & 0x8000 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1;
  }
  EXPECT_EQ(cells[3] >> 16, crc);
}

TEST(TimeCodeBand, IsPaintedToTheByteAndReadBack) {
  const Rig r = rig();
  SimRendererConfig config;
  config.time_code = TimeCode::band;
  SimRenderer renderer(device(), r, plain_look(), config);
  const Picture p = render(renderer, state_at(3), kStamp);
  const int cell = band_cell(640);
  ASSERT_EQ(cell, 10);
  const TimeCodeCells cells = encode(kStamp);
  for (int y = 0; y < 2 * cell; ++y)
    for (int x = 0; x < 64 * cell; ++x) {
      ASSERT_EQ(p.luma(x, y), bit(cells, y / cell * 64 + x / cell) ? 235 : 16) << x << ' ' << y;
      ASSERT_EQ(p.cb(x, y), 128);
      ASSERT_EQ(p.cr(x, y), 128);
    }
  EXPECT_EQ(read_band(p.view(), band_region(640)), kStamp);
}

// Halved, or cropped and shifted, it is still there.
TEST(TimeCodeBand, SurvivesRescaling) {
  const Rig r = rig();
  SimRendererConfig config;
  config.time_code = TimeCode::band;
  SimRenderer renderer(device(), r, plain_look(), config);
  const Picture p = render(renderer, state_at(3), kStamp);
  std::vector<std::uint8_t> half(320 * 180);
  for (int y = 0; y < 180; ++y)
    for (int x = 0; x < 320; ++x)
      half[y * 320 + x] =
          static_cast<std::uint8_t>((p.luma(2 * x, 2 * y) + p.luma(2 * x + 1, 2 * y) +
                                     p.luma(2 * x, 2 * y + 1) + p.luma(2 * x + 1, 2 * y + 1)) /
                                    4);
  EXPECT_EQ(read_band({half.data(), 320, 180, 320}, {0, 0, 320, 10}), kStamp);
  EXPECT_FALSE(read_band({half.data(), 320, 180, 320}, {0, 40, 320, 10}));
  EXPECT_FALSE(read_band({half.data(), 320, 180, 320}, {0, -8, 320, 10}))
      << "outside of the picture";
  EXPECT_THROW(band_cell(254), std::invalid_argument);
}

// A board drawn by hand into a slanted quadrilateral, blurred, dimmed, with noise over it.
TEST(TimeCodeBoard, SurvivesWarpBlurAndNoise) {
  constexpr int kWidth = 480, kHeight = 270;
  const std::array<Pixel, 4> corners{{{90.3, 60.8}, {371.2, 41.5}, {360.7, 190.4}, {101.9, 171.6}}};
  const TimeCodeCells cells = encode(kStamp);
  // By cross products: the ratios u and v at which the pixel divides the opposite edges, bisected.
  const auto side = [](const Pixel& a, const Pixel& b, double x, double y) {
    return (b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x);
  };
  const auto meet = [](const Pixel& a, const Pixel& b, const Pixel& c, const Pixel& d) {
    const double n = (a.x - b.x) * (c.y - d.y) - (a.y - b.y) * (c.x - d.x);
    const double p = a.x * b.y - a.y * b.x, q = c.x * d.y - c.y * d.x;
    return Pixel{(p * (c.x - d.x) - (a.x - b.x) * q) / n, (p * (c.y - d.y) - (a.y - b.y) * q) / n};
  };
  // Cell edges by repeated halving with the diagonals: perspective's own construction.
  std::array<std::array<Pixel, 17>, 9> grid;
  struct Quad {
    Pixel a, b, c, d;
    int x0, y0, x1, y1;
  };
  std::vector<Quad> todo{{corners[0], corners[1], corners[2], corners[3], 0, 0, 16, 8}};
  const Pixel across = meet(corners[0], corners[1], corners[3], corners[2]);
  const Pixel down = meet(corners[0], corners[3], corners[1], corners[2]);
  while (!todo.empty()) {
    const Quad q = todo.back();
    todo.pop_back();
    grid[q.y0][q.x0] = q.a, grid[q.y0][q.x1] = q.b, grid[q.y1][q.x1] = q.c, grid[q.y1][q.x0] = q.d;
    const Pixel m = meet(q.a, q.c, q.b, q.d);
    const int xm = (q.x0 + q.x1) / 2, ym = (q.y0 + q.y1) / 2;
    if (q.x1 - q.x0 > 1) {
      const Pixel t = meet(q.a, q.b, m, down), b = meet(q.d, q.c, m, down);
      if (q.y1 - q.y0 == 1) {
        todo.push_back({q.a, t, b, q.d, q.x0, q.y0, xm, q.y1});
        todo.push_back({t, q.b, q.c, b, xm, q.y0, q.x1, q.y1});
        continue;
      }
      const Pixel l = meet(q.a, q.d, m, across), r = meet(q.b, q.c, m, across);
      todo.push_back({q.a, t, m, l, q.x0, q.y0, xm, ym});
      todo.push_back({t, q.b, r, m, xm, q.y0, q.x1, ym});
      todo.push_back({m, r, q.c, b, xm, ym, q.x1, q.y1});
      todo.push_back({l, m, b, q.d, q.x0, ym, xm, q.y1});
    }
  }
  std::vector<double> sharp(kWidth * kHeight, 90), soft(sharp);
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 16; ++column)
      for (int y = 0; y < kHeight; ++y)
        for (int x = 0; x < kWidth; ++x)
          if (side(grid[row][column], grid[row][column + 1], x, y) >= 0 &&
              side(grid[row][column + 1], grid[row + 1][column + 1], x, y) >= 0 &&
              side(grid[row + 1][column + 1], grid[row + 1][column], x, y) >= 0 &&
              side(grid[row + 1][column], grid[row][column], x, y) >= 0)
            sharp[y * kWidth + x] = bit(cells, row * 16 + column) ? 180 : 50;
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0, 8);
  std::vector<std::uint8_t> bytes(sharp.size(), 90);
  for (int y = 3; y < kHeight - 3; ++y)
    for (int x = 3; x < kWidth - 3; ++x) {
      double sum = 0;
      for (int j = -3; j <= 3; ++j)
        for (int i = -3; i <= 3; ++i) sum += sharp[(y + j) * kWidth + x + i] / 49;
      bytes[y * kWidth + x] =
          static_cast<std::uint8_t>(std::clamp(sum + noise(random), 0.0, 255.0));
    }
  EXPECT_EQ(read_board({bytes.data(), kWidth, kHeight, kWidth}, corners), kStamp);
  std::array<Pixel, 4> elsewhere = corners;
  for (Pixel& p : elsewhere) p.x += 30;
  EXPECT_FALSE(read_board({bytes.data(), kWidth, kHeight, kWidth}, elsewhere));
}

// Each camera's own board, straight from its picture, and as a virtual camera would show it.
TEST(TimeCodeBoard, IsReadFromTheCameraAndFromARectilinearView) {
  const Rig r = rig();
  for (std::size_t camera = 0; camera < 2; ++camera) {
    SimRendererConfig config;
    config.camera = camera;
    config.time_code = TimeCode::board;
    SimLook look = plain_look();
    look.noise = 3;
    SimRenderer renderer(device(), r, look, config);
    const Picture p = render(renderer, state_at(20), kStamp);
    const auto corners = board_corners(r, camera);
    std::array<Pixel, 4> in_camera, in_view;
    const Rotation rotation = camera_from_panorama(r.cameras[camera].mounting);
    const Rotation view = camera_from_panorama({(camera ? 10 : -10) * kDegree, -3 * kDegree, 0});
    const double focal = 480 / std::tan(35 * kDegree);  // 960×540, 70° wide
    for (int i = 0; i < 4; ++i) {
      in_camera[i] = *r.cameras[camera].lens.project(apply(rotation, corners[i]));
      const Vector3 d = apply(view, corners[i]);
      in_view[i] = {479.5 + focal * d.x / d.z, 269.5 + focal * d.y / d.z};
    }
    EXPECT_EQ(read_board(p.view(), in_camera), kStamp) << camera;
    std::vector<std::uint8_t> output(960 * 540, 16);
    for (int y = 0; y < 540; ++y)
      for (int x = 0; x < 960; ++x) {
        const Vector3 d = apply_inverse(view, {(x - 479.5) / focal, (y - 269.5) / focal, 1});
        const auto at = r.cameras[camera].lens.project(apply(rotation, d));
        if (at && at->x > 0 && at->y > 0 && at->x < 638 && at->y < 358)
          output[y * 960 + x] = static_cast<std::uint8_t>(p.bilinear(at->x, at->y));
      }
    EXPECT_EQ(read_board({output.data(), 960, 540, 960}, in_view), kStamp) << camera;
  }
}

TEST(TimeCodeBoard, StandsWhereItsOwnCameraAloneSeesIt) {
  const Rig r = rig();
  for (std::size_t camera = 0; camera < 2; ++camera)
    for (const Vector3& corner : board_corners(r, camera))
      for (std::size_t k = 0; k < 2; ++k) {
        const auto p =
            r.cameras[k].lens.project(apply(camera_from_panorama(r.cameras[k].mounting), corner));
        const bool inside = p && p->x > 0 && p->x < 639 && p->y > 0 && p->y < 359;
        EXPECT_EQ(inside, k == camera);
      }
  Rig steep = rig();
  for (RigCamera& c : steep.cameras) c.mounting.pitch = -60 * kDegree;
  EXPECT_THROW(board_corners(steep, 0), std::invalid_argument);
}

}  // namespace
}  // namespace gantry
