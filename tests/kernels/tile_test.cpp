// The tile kernels against a plain reference: native and scaled, edges, odd sizes, colours pinned.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "pipeline/plan/half.hpp"
#include "pipeline/tile_stage.hpp"

namespace gantry {
namespace {

struct Picture {
  Nv12Layout layout;
  gpu::Memory memory;
  int luma(int x, int y) const { return byte(static_cast<std::size_t>(y) * layout.pitch + x); }
  int chroma(int x, int y, int which) const {
    return byte(layout.chroma_offset() + static_cast<std::size_t>(y) * layout.pitch + 2 * x +
                which);
  }
  int byte(std::size_t at) const { return std::to_integer<int>(memory.host[at]); }
};

struct Rgb {
  double v[3];
};

// ITU-R BT.601 and BT.709 written out, not folded. y, cb, cr: stored values, 0 … 255.
Rgb to_rgb(double y, double cb, double cr, ColourMatrix matrix, ColourRange range) {
  const bool limited = range == ColourRange::limited;
  const double luma = limited ? (y - 16) * 255 / 219 : y;
  const double u = (cb - 128) * (limited ? 255.0 / 224 : 1);
  const double v = (cr - 128) * (limited ? 255.0 / 224 : 1);
  Rgb rgb =
      matrix == ColourMatrix::bt709
          ? Rgb{{luma + 1.5748 * v, luma - 0.1873242729 * u - 0.4681242729 * v, luma + 1.8556 * u}}
          : Rgb{{luma + 1.402 * v, luma - 0.3441362862 * u - 0.7141362862 * v, luma + 1.772 * u}};
  for (double& c : rgb.v) c = std::clamp(c, 0.0, 255.0);
  return rgb;
}

double bilinear(double x, double y, int width, int height, const auto& value) {
  x = std::clamp(x, 0.0, width - 1.0);
  y = std::clamp(y, 0.0, height - 1.0);
  const int x0 = static_cast<int>(x), y0 = static_cast<int>(y);
  const int x1 = std::min(x0 + 1, width - 1), y1 = std::min(y0 + 1, height - 1);
  const double fx = x - x0, fy = y - y0;
  return (value(x0, y0) * (1 - fx) + value(x1, y0) * fx) * (1 - fy) +
         (value(x0, y1) * (1 - fx) + value(x1, y1) * fx) * fy;
}

// One network pixel of a tile, before normalisation.
Rgb reference(const Picture& p, const TilePlan& plan, const Tile& tile, int column, int row,
              double pad, ColourMatrix matrix, ColourRange range) {
  const double x = tile.x + (column + 0.5) / plan.scale - 0.5;
  const double y = tile.y + (row + 0.5) / plan.scale - 0.5;
  const int width = p.layout.width, height = p.layout.height;
  if (x < -0.5 || y < -0.5 || x >= width - 0.5 || y >= height - 0.5) return {{pad, pad, pad}};
  const auto luma = [&](int i, int j) { return p.luma(i, j); };
  if (plan.scale == 1) {
    const int i = static_cast<int>(x), j = static_cast<int>(y);
    return to_rgb(p.luma(i, j), p.chroma(i / 2, j / 2, 0), p.chroma(i / 2, j / 2, 1), matrix,
                  range);
  }
  const auto cb = [&](int i, int j) { return p.chroma(i, j, 0); };
  const auto cr = [&](int i, int j) { return p.chroma(i, j, 1); };
  const double cx = (x + 0.5) / 2 - 0.5, cy = (y + 0.5) / 2 - 0.5;
  return to_rgb(bilinear(x, y, width, height, luma), bilinear(cx, cy, width / 2, height / 2, cb),
                bilinear(cx, cy, width / 2, height / 2, cr), matrix, range);
}

class TileKernel : public testing::Test {
 protected:
  gpu::Device device_{{}, {}};
  cl::CommandQueue queue_ = device_.make_queue();
  std::mt19937 random_{42};

  Picture random_picture(int width, int height) {
    Picture p{nv12_layout(width, height), {}};
    p.memory = device_.allocate(p.layout.bytes(), gpu::Access::upload);
    for (std::size_t i = 0; i < p.layout.bytes(); ++i)
      p.memory.host[i] = static_cast<std::byte>(random_() & 255);
    return p;
  }

  std::vector<float> cut(const Picture& p, const TilePlan& plan, const TileInput& input,
                         ColourMatrix matrix, ColourRange range, int first, int count) {
    const std::size_t values = 3 * static_cast<std::size_t>(plan.network_width) *
                               plan.network_height * static_cast<std::size_t>(count);
    // One value more: what lies behind the tensor must stay.
    auto tensor = device_.allocate((values + 1) * sizeof(float), gpu::Access::download);
    const float poison = std::nanf("");
    const std::vector<float> poisoned(values + 1, poison);
    queue_.enqueueWriteBuffer(tensor.buffer, CL_TRUE, 0, poisoned.size() * sizeof(float),
                              poisoned.data());
    TileStage stage(device_, plan, input, p.layout, matrix, range, tensor.buffer);
    cl::Event uploaded, done, read;
    EXPECT_EQ(gpu::upload(queue_, p.memory, p.memory.bytes, {}, &uploaded), Status::ok);
    EXPECT_EQ(stage.cut(queue_, p.memory.buffer, first, count, {uploaded()}, &done), Status::ok);
    EXPECT_EQ(gpu::download(queue_, tensor, tensor.bytes, {done()}, &read), Status::ok);
    EXPECT_EQ(gpu::wait(read), Status::ok);
    std::vector<float> out(values + 1);
    std::memcpy(out.data(), tensor.host, tensor.bytes);
    EXPECT_TRUE(std::isnan(out.back())) << "wrote behind the tensor";
    out.pop_back();
    return out;
  }

  void compare(const Picture& p, const TilePlan& plan, const TileInput& input, ColourMatrix matrix,
               ColourRange range, int first, int count) {
    const auto out = cut(p, plan, input, matrix, range, first, count);
    const std::size_t plane = static_cast<std::size_t>(plan.network_width) * plan.network_height;
    double worst = 0;
    for (int t = 0; t < count; ++t)
      for (int y = 0; y < plan.network_height; ++y)
        for (int x = 0; x < plan.network_width; ++x) {
          const Rgb rgb = reference(p, plan, plan.tiles[static_cast<std::size_t>(first + t)], x, y,
                                    input.pad, matrix, range);
          for (int c = 0; c < 3; ++c) {
            const double want =
                rgb.v[input.order == ColourOrder::rgb ? c : 2 - c] * input.scale[c] + input.bias[c];
            const double got = out[(static_cast<std::size_t>(t) * 3 + c) * plane +
                                   static_cast<std::size_t>(y) * plan.network_width + x];
            const double error = std::abs(got - want) / (255 * input.scale[c]);
            ASSERT_LE(error, plan.scale == 1 ? 1e-6 : 1e-5)
                << "tile " << t << " pixel " << x << ", " << y << " channel " << c << ": " << got
                << ", not " << want;
            worst = std::max(worst, error);
          }
        }
    RecordProperty("worst_error_of_range", std::to_string(worst));
  }
};

TilePlan plan_of(int width, int height, double scale, std::vector<Tile> tiles) {
  return {width, height, scale, 0, 0, std::move(tiles)};
}

TEST_F(TileKernel, NativeTilesAgreeInsideAcrossAndOutsideOfThePicture) {
  const Picture p = random_picture(158, 94);
  const TilePlan plan =
      plan_of(64, 32, 1, {{0, 0}, {94, 62}, {-20, -6}, {130, 80}, {-64, 0}, {400, 10}, {30, 94}});
  for (const auto matrix : {ColourMatrix::bt601, ColourMatrix::bt709})
    for (const auto range : {ColourRange::limited, ColourRange::full})
      compare(p, plan, TileInput::unit(), matrix, range, 0, 7);
  compare(p, plan, TileInput::imagenet(), ColourMatrix::bt709, ColourRange::limited, 2, 3);
  compare(p, plan, TileInput::raw_bgr(), ColourMatrix::bt601, ColourRange::limited, 6, 1);
}

TEST_F(TileKernel, NetworkSizesThatNoVectorDivides) {
  const Picture p = random_picture(98, 58);
  for (const auto& [width, height] : {std::pair{37, 21}, {16, 1}, {1, 16}, {17, 2}, {95, 57}})
    compare(p, plan_of(width, height, 1, {{2, 4}, {60, 40}, {-8, -8}}), TileInput::imagenet(),
            ColourMatrix::bt709, ColourRange::full, 0, 3);
}

TEST_F(TileKernel, ScaledTilesAreBilinear) {
  const Picture p = random_picture(130, 74);
  for (const double scale : {0.5, 0.59259, 1.3333, 2.0, 0.0625})
    for (const auto range : {ColourRange::limited, ColourRange::full})
      compare(p, plan_of(45, 33, scale, {{0, 0}, {40, 30}, {-10, -4}, {120, 60}}),
              scale < 1 ? TileInput::unit() : TileInput::raw_bgr(), ColourMatrix::bt709, range, 0,
              4);
}

// What tensor cores want: fp16, four channels together, the fourth zero.
TEST_F(TileKernel, PixelsOfHalvesHoldTheSameValues) {
  const Picture p = random_picture(130, 74);
  for (const double scale : {1.0, 0.7})
    for (const auto& [width, height] : {std::pair{48, 16}, {37, 21}}) {
      const TilePlan plan = plan_of(width, height, scale, {{0, 0}, {94, 62}, {-20, -6}});
      const auto planes =
          cut(p, plan, TileInput::imagenet(), ColourMatrix::bt709, ColourRange::limited, 0, 3);
      const std::int64_t w = width, h = height;
      PlanTensor tensor{"x", {3, 3, h, w}, {h * w * 4, 1, w * 4, 4}, Plan::Element::f16, {}};
      const auto values = static_cast<std::size_t>(3 * h * w * 4);
      tensor.memory = device_.allocate(values * 2, gpu::Access::download);
      const std::vector<std::uint16_t> poisoned(values, 0x7e00);
      queue_.enqueueWriteBuffer(tensor.memory.buffer, CL_TRUE, 0, values * 2, poisoned.data());
      TileStage stage(device_, plan, TileInput::imagenet(), p.layout, ColourMatrix::bt709,
                      ColourRange::limited, tensor);
      EXPECT_EQ(stage.bytes_written(), static_cast<std::uint64_t>(h * w * 8));
      cl::Event uploaded, done, read;
      EXPECT_EQ(gpu::upload(queue_, p.memory, p.memory.bytes, {}, &uploaded), Status::ok);
      EXPECT_EQ(stage.cut(queue_, p.memory.buffer, 0, 3, {uploaded()}, &done), Status::ok);
      EXPECT_EQ(gpu::download(queue_, tensor.memory, tensor.memory.bytes, {done()}, &read),
                Status::ok);
      EXPECT_EQ(gpu::wait(read), Status::ok);
      const auto* halves = reinterpret_cast<const std::uint16_t*>(tensor.memory.host);
      for (std::int64_t t = 0; t < 3; ++t)
        for (std::int64_t i = 0; i < h * w; ++i)
          for (std::int64_t c = 0; c < 4; ++c) {
            const float want =
                c == 3 ? 0 : planes[static_cast<std::size_t>((t * 3 + c) * h * w + i)];
            ASSERT_NEAR(float_of_half(halves[(t * h * w + i) * 4 + c]), want, 2e-3)
                << "scale " << scale << ", tile " << t << ", pixel " << i << ", channel " << c;
          }
    }
  const PlanTensor other{"x", {1, 3, 16, 16}, {768, 256, 16, 1}, Plan::Element::f16, {}};
  EXPECT_THROW(TileStage(device_, plan_of(16, 16, 1, {{0, 0}}), {}, p.layout, ColourMatrix::bt709,
                         ColourRange::limited, other),
               std::invalid_argument);
}

// 100 % and 75 % colour bars as the recommendations give them in 8 bits, limited range.
TEST_F(TileKernel, ColourBarsComeOutAsTheRecommendationsSay) {
  struct Bar {
    ColourMatrix matrix;
    int y, cb, cr;
    double rgb[3];
  };
  const Bar bars[] = {
      {ColourMatrix::bt601, 235, 128, 128, {255, 255, 255}},
      {ColourMatrix::bt601, 16, 128, 128, {0, 0, 0}},
      {ColourMatrix::bt601, 81, 90, 240, {255, 0, 0}},
      {ColourMatrix::bt601, 145, 54, 34, {0, 255, 0}},
      {ColourMatrix::bt601, 41, 240, 110, {0, 0, 255}},
      {ColourMatrix::bt601, 162, 44, 142, {191, 191, 0}},
      {ColourMatrix::bt709, 63, 102, 240, {255, 0, 0}},
      {ColourMatrix::bt709, 173, 42, 26, {0, 255, 0}},
      {ColourMatrix::bt709, 32, 240, 118, {0, 0, 255}},
      {ColourMatrix::bt709, 188, 154, 16, {0, 255, 255}},
      {ColourMatrix::bt709, 168, 44, 136, {191, 191, 0}},
      {ColourMatrix::bt709, 180, 128, 128, {191, 191, 191}},
  };
  for (const Bar& bar : bars) {
    Picture p = random_picture(32, 2);
    for (int i = 0; i < 32; ++i) {
      for (int row = 0; row < 2; ++row)
        p.memory.host[row * p.layout.pitch + i] = static_cast<std::byte>(bar.y);
      p.memory.host[p.layout.chroma_offset() + i] = static_cast<std::byte>(i % 2 ? bar.cr : bar.cb);
    }
    TileInput raw;
    raw.scale = {1, 1, 1};
    const auto out =
        cut(p, plan_of(32, 2, 1, {{0, 0}}), raw, bar.matrix, ColourRange::limited, 0, 1);
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < 64; ++i)
        ASSERT_NEAR(out[c * 64 + i], bar.rgb[c], 1.6)  // the bars' bytes are rounded themselves
            << "Y " << bar.y << " channel " << c;
  }
}

TEST(TileColour, RefusesWhatIsNotANormalisation) {
  TileInput input;
  input.scale[1] = 0;
  EXPECT_THROW(fold_colour(input, ColourMatrix::bt709, ColourRange::full), std::invalid_argument);
  input = {};
  input.bias[2] = std::nan("");
  EXPECT_THROW(fold_colour(input, ColourMatrix::bt709, ColourRange::full), std::invalid_argument);
  input = {};
  input.pad = 256;
  EXPECT_THROW(fold_colour(input, ColourMatrix::bt709, ColourRange::full), std::invalid_argument);
}

TEST_F(TileKernel, CountsTheBytesOfWhatLiesInside) {
  const Nv12Layout layout = nv12_layout(100, 60);
  const cl::Buffer tensor(device_.context(), CL_MEM_READ_WRITE, 3 * 64 * 32 * sizeof(float));
  const TileStage stage(device_, plan_of(64, 32, 1, {{0, 0}, {70, 40}, {200, 0}}), {}, layout,
                        ColourMatrix::bt709, ColourRange::full, tensor);
  EXPECT_EQ(stage.bytes_read(0), 64u * 32 * 3 / 2);
  EXPECT_EQ(stage.bytes_read(1), 30u * 20 * 3 / 2);
  EXPECT_EQ(stage.bytes_read(2), 0u);
  EXPECT_EQ(stage.bytes_written(), 3u * 64 * 32 * 4);
}

}  // namespace
}  // namespace gantry
