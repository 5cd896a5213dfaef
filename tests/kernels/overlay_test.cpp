// The overlay kernel against plain loops, bit for bit; what shapes look like; pictures made smaller.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/overlay.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/font.hpp"
#include "pipeline/debug_picture.hpp"

namespace gantry {
namespace {

// Plain loops over the whole picture, shape by shape: no tiles, no lists.
struct Reference {
  Nv12Layout layout;
  std::vector<std::uint8_t> bytes;

  static int inside(int sixteenths) { return std::clamp(16 * sixteenths, 0, 256); }
  static int coverage(const OverlayShape& s, int x, int y) {
    if (x < s.left || x >= s.right || y < s.top || y >= s.bottom) return 0;
    switch (s.kind) {
      case OverlayShape::Kind::filled:
        return 256;
      case OverlayShape::Kind::outline: {
        const int from_edge = std::min({x - s.left, s.right - 1 - x, y - s.top, s.bottom - 1 - y});
        return from_edge < s.size ? 256 : 0;
      }
      case OverlayShape::Kind::line: {
        const int dx = 16 * x - s.x, dy = 16 * y - s.y;
        const int along = (dx * s.along_x + dy * s.along_y) >> 12,
                  across = (dy * s.along_x - dx * s.along_y) >> 12;
        return std::min({inside(along + s.size + 8), inside(s.length - along + s.size + 8),
                         inside(s.size + 8 - std::abs(across))});
      }
      default: {
        const int dot = (y - s.top) / s.size * font::kColumns + (x - s.left) / s.size;
        const std::uint64_t dots = s.low | static_cast<std::uint64_t>(s.high) << 32;
        return dots >> dot & 1 ? 256 : 0;
      }
    }
  }
  static void blend(std::uint8_t& under, int ink, int alpha) {
    under = static_cast<std::uint8_t>(under + (((ink - under) * alpha + 128) >> 8));
  }
  void draw(const OverlayShape& s) {
    for (int y = std::max(s.top, 0) / 2 * 2; y < std::min(s.bottom, layout.height); y += 2)
      for (int x = std::max(s.left, 0) / 2 * 2; x < std::min(s.right, layout.width); x += 2) {
        int sum = 0;
        for (int k = 0; k < 4; ++k) {
          const int px = x + k % 2, py = y + k / 2;
          const int alpha = coverage(s, px, py) * s.opacity >> 8;
          blend(bytes[static_cast<std::size_t>(py) * layout.pitch + px], s.ink & 255, alpha);
          sum += alpha;
        }
        std::uint8_t* c =
            &bytes[layout.chroma_offset() + static_cast<std::size_t>(y / 2) * layout.pitch + x];
        blend(c[0], s.ink >> 8 & 255, (sum + 2) / 4);
        blend(c[1], s.ink >> 16 & 255, (sum + 2) / 4);
      }
  }
  std::uint8_t luma(int x, int y) const {
    return bytes[static_cast<std::size_t>(y) * layout.pitch + x];
  }
  std::uint8_t chroma(int x, int y, int c) const {
    return bytes[layout.chroma_offset() + static_cast<std::size_t>(y / 2) * layout.pitch +
                 x / 2 * 2 + c];
  }
};

class OverlayKernel : public testing::Test {
 protected:
  static void SetUpTestSuite() { device_ = std::make_unique<gpu::Device>(gpu::Choice{}, ""); }
  static void TearDownTestSuite() { device_.reset(); }

  std::mt19937 random_{11};
  double number(double low, double high) {
    return low + (high - low) * static_cast<double>(random_()) / 4294967296.0;
  }
  Ink any_ink() {
    const auto byte = [&] { return static_cast<std::uint8_t>(random_() >> 9); };
    return {byte(), byte(), byte()};
  }

  // A picture of noise, drawn on by the device and by the reference.
  struct Drawn {
    Reference device, reference, before;
  };
  Drawn draw(const OverlayList& list, bool noise = true) {
    const Nv12Layout layout = nv12_layout(list.width(), list.height());
    auto pool = make_surface_pool(*device_, layout, 1, gpu::Access::download);
    Surface& s = pool->slot(0);
    Drawn d;
    d.before = {layout, std::vector<std::uint8_t>(layout.bytes(), 128)};
    if (noise)
      for (auto& b : d.before.bytes) b = static_cast<std::uint8_t>(random_() >> 7);
    d.reference = d.before;
    std::memcpy(s.memory.host, d.before.bytes.data(), layout.bytes());
    const auto queue = device_->make_queue();
    Overlay overlay(*device_, layout);
    cl::Event sent, drawn, read;
    EXPECT_EQ(gpu::upload(queue, s.memory, layout.bytes(), {}, &sent), Status::ok);
    EXPECT_EQ(overlay.draw(queue, s, list, {sent()}, &drawn), Status::ok);
    EXPECT_EQ(gpu::download(queue, s.memory, layout.bytes(), {drawn()}, &read), Status::ok);
    EXPECT_EQ(gpu::wait(read), Status::ok);
    d.device = d.before;
    std::memcpy(d.device.bytes.data(), s.memory.host, layout.bytes());
    for (const auto& shape : list.shapes()) d.reference.draw(shape);
    return d;
  }

  static std::unique_ptr<gpu::Device> device_;
};
std::unique_ptr<gpu::Device> OverlayKernel::device_;

TEST_F(OverlayKernel, DrawsWhatPlainLoopsDrawBitForBit) {
  struct Size {
    int width, height;
  };
  for (const Size size :
       {Size{2, 2}, Size{30, 14}, Size{34, 18}, Size{320, 180}, Size{1282, 720}}) {
    const double w = size.width, h = size.height;
    for (int round = 0; round < 3; ++round) {
      OverlayList list(size.width, size.height);
      for (int i = 0; i < 40; ++i) {
        const double x = number(-0.3 * w, 1.2 * w), y = number(-0.3 * h, 1.2 * h);
        const double dx = number(0, 0.5 * w), dy = number(0, 0.5 * h);
        const double opacity = number(0, 1.2);
        list.fill(x, y, x + dx / 8, y + dy / 8, any_ink(), opacity);
        list.box(x, y, x + dx, y + dy, 1 + static_cast<int>(random_() % 4), any_ink(), opacity);
        list.line(x, y, number(-w, 2 * w), number(-h, 2 * h), number(0.5, 9), any_ink(), opacity);
        list.text(x, y, "Ball 0.83 (yaw +12.5)", 1 + static_cast<int>(random_() % 3), any_ink(),
                  opacity);
      }
      const Drawn d = draw(list);
      EXPECT_TRUE(size.width < 100 || d.before.bytes != d.reference.bytes) << "nothing was drawn";
      ASSERT_TRUE(d.device.bytes == d.reference.bytes) << size.width << "x" << size.height;
    }
  }
}

TEST_F(OverlayKernel, AnEmptyListChangesNothing) {
  const Drawn d = draw(OverlayList(320, 180));
  EXPECT_TRUE(d.device.bytes == d.before.bytes);
}

TEST_F(OverlayKernel, TheSameOverlayDrawsManyTimes) {
  // More lists than may be on their way, of changing length: nothing of one is left in the next.
  const Nv12Layout layout = nv12_layout(640, 360);
  auto pool = make_surface_pool(*device_, layout, 12, gpu::Access::download);
  const auto queue = device_->make_queue();
  Overlay overlay(*device_, layout);
  std::vector<Reference> want;
  for (std::uint32_t i = 0; i < 12; ++i) {
    OverlayList list(640, 360);
    for (std::uint32_t k = 0; k < (i % 3) * 40; ++k)
      list.box(number(0, 600), number(0, 300), number(0, 640), number(0, 360), 2, any_ink());
    want.push_back({layout, std::vector<std::uint8_t>(layout.bytes(), 0)});
    for (const auto& shape : list.shapes()) want.back().draw(shape);
    std::memset(pool->slot(i).memory.host, 0, layout.bytes());
    gpu::upload(queue, pool->slot(i).memory, layout.bytes(), {}, nullptr);
    ASSERT_EQ(overlay.draw(queue, pool->slot(i), list, {}, nullptr), Status::ok);
    gpu::download(queue, pool->slot(i).memory, layout.bytes(), {}, nullptr);
  }
  queue.finish();
  for (std::uint32_t i = 0; i < 12; ++i)
    EXPECT_EQ(std::memcmp(pool->slot(i).memory.host, want[i].bytes.data(), layout.bytes()), 0) << i;
}

TEST_F(OverlayKernel, MoreThanThereIsRoomForIsLeftOut) {
  OverlayList full(1920, 1080);
  for (int i = 0; i < 3000; ++i) full.fill(0, 0, 9, 9, {});
  EXPECT_EQ(full.shapes().size(), OverlayList::kCapacity);
  OverlayList list(1920, 1080);
  for (int i = 0; i < 8; ++i) list.fill(0, 0, 1919, 1079, {static_cast<std::uint8_t>(i), 128, 128});
  const Drawn d = draw(list);
  // Four of them, of 4080 tiles each, find room: whole, in their order.
  const int last = d.device.luma(0, 0);
  EXPECT_EQ(last, 3);
  for (int y = 0; y < 1080; y += 31)
    for (int x = 0; x < 1920; x += 17) ASSERT_EQ(d.device.luma(x, y), last) << x << ", " << y;
}

TEST_F(OverlayKernel, NumbersThatAreNoneAndPlacesOutsideAreLeftOut) {
  OverlayList list(320, 180);
  const double nan = std::nan(""), far = 1e30;
  for (const double v : {nan, double{INFINITY}, -double{INFINITY}}) {
    list.fill(v, 0, 10, 10, {});
    list.box(0, v, 10, 10, 1, {});
    list.line(0, 0, v, 10, 2, {});
    list.text(0, v, "x", 1, {});
  }
  list.text(10, 10, "x", 0, {});
  list.line(5, 5, 5, 5, 2, {});
  list.line(-50, -50, 400, -20, 2, {});
  list.box(-20, -20, -5, -5, 1, {});
  list.fill(320, 0, 400, 400, {});
  EXPECT_EQ(list.shapes().size(), 0u);
  list.box(-far, -far, far, far, 1, {200, 90, 90});  // around the picture: nothing of it is seen
  list.line(-far, 90, far, 90, 2, {200, 90, 90});
  const Drawn d = draw(list);
  EXPECT_TRUE(d.device.bytes == d.reference.bytes);
}

TEST_F(OverlayKernel, LinesHaveTheirWidthAndSoftEdges) {
  for (const double angle : {0.0, 0.3, 0.785398, 1.2, 1.5708, 2.5}) {
    OverlayList list(200, 200);
    const double c = std::cos(angle), s = std::sin(angle), length = 120, width = 5;
    const double x0 = 100 - c * length / 2, y0 = 100 - s * length / 2;
    list.line(x0, y0, x0 + c * length, y0 + s * length, width, {255, 128, 128});
    const Drawn d = draw(list, false);
    double sum = 0;
    for (int y = 0; y < 200; ++y)
      for (int x = 0; x < 200; ++x) {
        const double share = (d.device.luma(x, y) - 128) / 127.0;
        sum += share;
        const double along = (x - x0) * c + (y - y0) * s,
                     across = std::abs((y - y0) * c - (x - x0) * s);
        if (along > 0 && along < length && across < width / 2 - 0.7) {
          EXPECT_GT(share, 0.98) << x << "," << y;
        }
        if (across > width / 2 + 0.7 || along < -width / 2 - 1 || along > length + width / 2 + 1) {
          EXPECT_EQ(share, 0) << x << "," << y;
        }
      }
    EXPECT_NEAR(sum, width * (length + width), 0.02 * width * length) << angle;
  }
}

TEST_F(OverlayKernel, ChromaGoesWithThePixelsThatAreCovered) {
  OverlayList list(64, 32);
  list.fill(0, 0, 0, 31, {200, 40, 220});     // one column: half of each chroma sample
  list.fill(10, 10, 11, 11, {200, 40, 220});  // 2×2 pixels on a sample
  list.fill(20, 20, 23, 23, {200, 40, 220}, 0.5);
  const Drawn d = draw(list, false);
  EXPECT_EQ(d.device.luma(0, 5), 200);
  EXPECT_EQ(d.device.luma(1, 5), 128);
  EXPECT_EQ(d.device.chroma(0, 5, 0), (128 + 40) / 2);
  EXPECT_EQ(d.device.chroma(0, 5, 1), (128 + 220) / 2);
  EXPECT_EQ(d.device.chroma(10, 10, 0), 40);
  EXPECT_EQ(d.device.chroma(12, 10, 0), 128);
  EXPECT_EQ(d.device.luma(22, 22), (128 + 200) / 2);
  EXPECT_EQ(d.device.chroma(22, 22, 1), (128 + 220) / 2);
}

TEST_F(OverlayKernel, TextShowsItsGlyphs) {
  OverlayList list(64, 32);
  list.text(3, 5, "T%", 2, {255, 128, 128});
  const Drawn d = draw(list, false);
  const std::string_view t = "T%";
  for (int i = 0; i < 2; ++i)
    for (int row = 0; row < font::kRows; ++row)
      for (int column = 0; column < font::kAdvance; ++column) {
        const bool on =
            column < font::kColumns &&
            (font::glyph(t[static_cast<std::size_t>(i)])[static_cast<std::size_t>(row)] >>
                 (font::kColumns - 1 - column) &
             1);
        for (int k = 0; k < 4; ++k)
          EXPECT_EQ(
              d.device.luma(3 + 2 * (font::kAdvance * i + column) + k % 2, 5 + 2 * row + k / 2),
              on ? 255 : 128);
      }
}

TEST_F(OverlayKernel, ColoursAreThoseOfTheMatrix) {
  const Ink white = ink(1, 1, 1, ColourMatrix::bt709, ColourRange::limited);
  EXPECT_EQ(white.y, 235);
  EXPECT_EQ(white.cb, 128);
  EXPECT_EQ(white.cr, 128);
  const Ink red = ink(1, 0, 0, ColourMatrix::bt709, ColourRange::limited);
  EXPECT_EQ(red.y, 63);
  EXPECT_EQ(red.cb, 102);
  EXPECT_EQ(red.cr, 240);
  EXPECT_EQ(ink(1, 1, 1, ColourMatrix::bt601, ColourRange::full).y, 255);
}

// The debug picture's reduction against plain means, with the overlay on top.
TEST_F(OverlayKernel, PicturesAreMadeSmallerByPlainMeansAndTheSourceStays) {
  struct Sizes {
    int from_width, from_height, width;
  };
  for (const Sizes z :
       {Sizes{950, 316, 950}, Sizes{950, 316, 474}, Sizes{1900, 634, 640}, Sizes{640, 320, 1280}}) {
    const PanoramaGeometry g{z.from_width, z.from_height, -1.5, 1.5, 0.3, -0.6};
    const Nv12Layout from = nv12_layout(z.from_width, z.from_height),
                     to = nv12_layout(z.width, debug_height(g, z.width));
    EXPECT_NEAR(1.0 * to.width / to.height, 1.0 * from.width / from.height, 0.02);
    auto panoramas = make_surface_pool(*device_, from, 1, gpu::Access::download);
    auto pictures = make_surface_pool(*device_, to, 1, gpu::Access::download);
    Surface& source = panoramas->slot(0);
    for (std::size_t i = 0; i < from.bytes(); ++i)
      source.luma()[i] = static_cast<std::uint8_t>(random_() >> 5);
    const std::vector<std::uint8_t> before(source.luma(), source.luma() + from.bytes());
    PanoramaFrame panorama{panoramas->acquire(), {}, 1234, 5};
    const auto queue = device_->make_queue();
    gpu::upload(queue, source.memory, from.bytes(), {}, &panorama.ready);
    gpu::flush(queue);
    OverlaySceneConfig config{g, 1280, 720, ColourMatrix::bt709, ColourRange::limited, 7, {}};
    Decision decision;
    decision.capture_ns = 1234;
    decision.pose = {0, -0.1, 0.8};
    decision.tracks.ball = {true, false, 0.1, -0.1, 0, 0, 0.01, 0.9};
    DebugPicture debug(*device_, from, to, config);
    ViewFrame out;
    ASSERT_EQ(debug.make(panorama, decision, pictures->acquire(), out), Status::ok);
    ASSERT_EQ(gpu::wait(out.ready), Status::ok);
    EXPECT_EQ(out.capture_ns, 1234);
    EXPECT_EQ(std::memcmp(before.data(), source.luma(), before.size()), 0) << "the panorama stays";

    Reference want{to, std::vector<std::uint8_t>(to.bytes())};
    const auto mean = [&](int x, int y, int divisor, int channel) {
      const auto range = [](int i, int n, int m) {
        return std::pair{i * n / m, ((i + 1) * n + m - 1) / m};
      };
      const auto [x0, x1] = range(x, from.width / divisor, to.width / divisor);
      const auto [y0, y1] = range(y, from.height / divisor, to.height / divisor);
      int sum = 0, count = 0;
      for (int j = y0; j < y1; ++j)
        for (int i = x0; i < x1; ++i, ++count)
          sum += divisor == 1 ? before[static_cast<std::size_t>(j) * from.pitch + i]
                              : before[from.chroma_offset() +
                                       static_cast<std::size_t>(j) * from.pitch + 2 * i + channel];
      return static_cast<std::uint8_t>((sum + count / 2) / count);
    };
    for (int y = 0; y < to.height; ++y)
      for (int x = 0; x < to.width; ++x) {
        want.bytes[static_cast<std::size_t>(y) * to.pitch + x] = mean(x, y, 1, 0);
        if (y % 2 == 0)
          want.bytes[to.chroma_offset() + static_cast<std::size_t>(y / 2) * to.pitch + x] =
              mean(x / 2, y / 2, 2, x % 2);
      }
    OverlayScene scene(config);
    OverlayList list(to.width, to.height);
    scene.on_panorama(decision, list);
    EXPECT_GT(list.shapes().size(), 20u);
    for (const auto& shape : list.shapes()) want.draw(shape);
    for (int y = 0; y < to.height * 3 / 2; ++y)
      ASSERT_EQ(std::memcmp(&want.bytes[static_cast<std::size_t>(y) * to.pitch],
                            out.surface->luma() + static_cast<std::size_t>(y) * to.pitch,
                            static_cast<std::size_t>(to.width)),
                0)
          << "row " << y << " of " << z.from_width << " to " << z.width;
  }
}

}  // namespace
}  // namespace gantry
