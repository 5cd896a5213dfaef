// The conversion kernel against a plain reference, bit for bit, for every format and odd layouts.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <linux/videodev2.h>

#include "hal/camera/v4l2/converter.hpp"
#include "hal/camera/yuv_transform.hpp"

namespace gantry::v4l2 {
namespace {

// One picture as its bytes, by buffer; each format says how a component is read.
struct Source {
  Format format;
  std::array<std::vector<std::byte>, kMostPlanes> buffers;

  int at(int buffer, int offset) const {
    return std::to_integer<int>(buffers[buffer][static_cast<std::size_t>(offset)]);
  }
};

struct Reading {
  std::uint32_t fourcc;
  int columns, rows;  // luma samples to a chroma sample
  // Component 0 … 2 (luma, Cb, Cr) at its own column and row, as 8 bits.
  std::function<int(const Source&, int component, int x, int y)> read;
};

int eight_bits(int word, int bits) {
  return std::min(255, (word + (1 << (bits - 9))) >> (bits - 8));
}

// Written from the tables of the Linux documentation, not from the product's.
std::vector<Reading> readings() {
  std::vector<Reading> list;
  const auto pair = [&](std::uint32_t fourcc, int luma, int cb, int cr) {
    list.push_back({fourcc, 2, 1, [=](const Source& s, int c, int x, int y) {
                      const int row = y * s.format.pitch[0];
                      return s.at(0,
                                  c == 0 ? row + 2 * x + luma : row + 4 * x + (c == 1 ? cb : cr));
                    }});
  };
  pair(V4L2_PIX_FMT_YUYV, 0, 1, 3);
  pair(V4L2_PIX_FMT_UYVY, 1, 0, 2);
  pair(V4L2_PIX_FMT_YVYU, 0, 3, 1);
  pair(V4L2_PIX_FMT_VYUY, 1, 2, 0);
  const auto quad = [&](std::uint32_t fourcc, int luma, int cb, int cr) {
    list.push_back(
        {fourcc, 1, 1, [=](const Source& s, int c, int x, int y) {
           return s.at(0, y * s.format.pitch[0] + 4 * x + (c == 0 ? luma : c == 1 ? cb : cr));
         }});
  };
  quad(V4L2_PIX_FMT_YUV32, 1, 2, 3);
  quad(V4L2_PIX_FMT_VUYX32, 2, 1, 0);
  quad(V4L2_PIX_FMT_YUVX32, 0, 1, 2);
  const auto semi = [&](std::uint32_t fourcc, int columns, int rows, bool swapped, int buffers) {
    list.push_back({fourcc, columns, rows, [=](const Source& s, int c, int x, int y) {
                      const Format& f = s.format;
                      if (c == 0) return s.at(0, y * f.pitch[0] + x);
                      const int pitch = buffers == 2 ? f.pitch[1] : f.pitch[0] * 2 / columns;
                      const int start = buffers == 2 ? 0 : f.pitch[0] * f.height;
                      return s.at(buffers - 1,
                                  start + y * pitch + 2 * x + ((c == 2) != swapped ? 1 : 0));
                    }});
  };
  semi(V4L2_PIX_FMT_NV12, 2, 2, false, 1);
  semi(V4L2_PIX_FMT_NV21, 2, 2, true, 1);
  semi(V4L2_PIX_FMT_NV16, 2, 1, false, 1);
  semi(V4L2_PIX_FMT_NV61, 2, 1, true, 1);
  semi(V4L2_PIX_FMT_NV24, 1, 1, false, 1);
  semi(V4L2_PIX_FMT_NV12M, 2, 2, false, 2);
  semi(V4L2_PIX_FMT_NV61M, 2, 1, true, 2);
  const auto planar = [&](std::uint32_t fourcc, int columns, int rows, bool cr_first, int buffers) {
    list.push_back({fourcc, columns, rows, [=](const Source& s, int c, int x, int y) {
                      const Format& f = s.format;
                      if (c == 0) return s.at(0, y * f.pitch[0] + x);
                      const bool second = (c == 2) != cr_first;
                      if (buffers == 3) return s.at(second ? 2 : 1, y * f.pitch[1] + x);
                      const int pitch = f.pitch[0] / columns;
                      const int start =
                          f.pitch[0] * f.height + (second ? pitch * (f.height / rows) : 0);
                      return s.at(0, start + y * pitch + x);
                    }});
  };
  planar(V4L2_PIX_FMT_YUV420, 2, 2, false, 1);
  planar(V4L2_PIX_FMT_YVU420, 2, 2, true, 1);
  planar(V4L2_PIX_FMT_YUV422P, 2, 1, false, 1);
  planar(V4L2_PIX_FMT_YVU420M, 2, 2, true, 3);
  planar(V4L2_PIX_FMT_YUV444M, 1, 1, false, 3);
  const auto grey = [&](std::uint32_t fourcc, int bits, bool big) {
    list.push_back({fourcc, 0, 0, [=](const Source& s, int, int x, int y) {
                      const int row = y * s.format.pitch[0];
                      if (bits == 8) return s.at(0, row + x);
                      const int low = s.at(0, row + 2 * x + (big ? 1 : 0));
                      return eight_bits(low + 256 * s.at(0, row + 2 * x + (big ? 0 : 1)), bits);
                    }});
  };
  grey(V4L2_PIX_FMT_GREY, 8, false);
  grey(V4L2_PIX_FMT_Y10, 10, false);
  grey(V4L2_PIX_FMT_Y12, 12, false);
  grey(V4L2_PIX_FMT_Y16, 16, false);
  grey(V4L2_PIX_FMT_Y16_BE, 16, true);
  list.push_back({V4L2_PIX_FMT_P010, 2, 2, [](const Source& s, int c, int x, int y) {
                    const int pitch = s.format.pitch[0];
                    const int at = c == 0
                                       ? y * pitch + 2 * x
                                       : pitch * (s.format.height + y) + 4 * x + (c == 2 ? 2 : 0);
                    return eight_bits(s.at(0, at) + 256 * s.at(0, at + 1), 16);
                  }});
  return list;
}

std::uint8_t scaled(double a, int b, double c, int d, double e, int f, double offset) {
  const auto fixed = [](double v) { return static_cast<int>(std::lround(v * 16384)); };
  const int sum = fixed(a) * b + fixed(c) * d + fixed(e) * f + fixed(offset);
  return static_cast<std::uint8_t>(std::clamp(sum >> 14, 0, 255));
}

std::vector<std::uint8_t> expected(const Source& s, const Reading& r, const YuvTransform& t,
                                   const Nv12Layout& layout) {
  std::vector<std::uint8_t> out(layout.bytes(), 0);
  for (int y = 0; y < layout.height / 2; ++y)
    for (int x = 0; x < layout.width / 2; ++x) {
      int chroma[2] = {128, 128};
      for (int c = 1; c < 3 && r.columns; ++c) {
        const int columns = 2 / r.columns, rows = 2 / r.rows, count = columns * rows;
        int sum = 0;
        for (int j = 0; j < rows; ++j)
          for (int i = 0; i < columns; ++i) sum += r.read(s, c, x * columns + i, y * rows + j);
        chroma[c - 1] = (sum + count / 2) / count;
      }
      const int cb = chroma[0] - 128, cr = chroma[1] - 128;
      for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
          const int luma = r.read(s, 0, 2 * x + i, 2 * y + j);
          out[static_cast<std::size_t>((2 * y + j) * layout.pitch + 2 * x + i)] =
              t.identity ? static_cast<std::uint8_t>(luma)
                         : scaled(t.luma, luma, t.luma_cb, cb, t.luma_cr, cr, t.offset + 0.5);
        }
      auto* pair =
          &out[layout.chroma_offset() + static_cast<std::size_t>(y * layout.pitch + 2 * x)];
      pair[0] = t.identity ? static_cast<std::uint8_t>(chroma[0])
                           : scaled(t.cb_cb, cb, t.cb_cr, cr, 0, 0, 128.5);
      pair[1] = t.identity ? static_cast<std::uint8_t>(chroma[1])
                           : scaled(t.cr_cb, cb, t.cr_cr, cr, 0, 0, 128.5);
    }
  return out;
}

// Rows with `padding` bytes behind the pixels, the last row without.
Source random_source(const Reading& r, int width, int height, int padding, std::mt19937& random) {
  const PixelFormat& pixel = *find_pixel_format(r.fourcc);
  Source s;
  s.format = {r.fourcc, width, height, pixel.buffers};
  s.format.pitch[0] = width * pixel.luma_step + padding;
  if (pixel.buffers > 1) {
    const int step = pixel.order == PixelFormat::Order::planar ? 1 : 2;
    s.format.pitch[1] = s.format.pitch[2] = width / r.columns * step + padding;
  }
  const auto size = [&](int buffer) {
    if (pixel.buffers > 1)
      return buffer == 0 ? s.format.pitch[0] * height : s.format.pitch[1] * (height / r.rows);
    int rows = height * s.format.pitch[0];
    if (r.columns && pixel.order != PixelFormat::Order::packed)
      rows += 2 * (s.format.pitch[0] / r.columns) * (height / r.rows);
    return rows;
  };
  std::uniform_int_distribution<int> byte(0, 255);
  for (int b = 0; b < pixel.buffers; ++b) {
    s.buffers[b].resize(static_cast<std::size_t>(size(b)));
    for (auto& v : s.buffers[b]) v = static_cast<std::byte>(byte(random));
  }
  if (r.fourcc == V4L2_PIX_FMT_Y10 || r.fourcc == V4L2_PIX_FMT_Y12)  // upper bits are not used
    for (std::size_t i = 1; i < s.buffers[0].size(); i += 2)
      s.buffers[0][i] &=
          std::byte{static_cast<std::uint8_t>(r.fourcc == V4L2_PIX_FMT_Y10 ? 3 : 15)};
  return s;
}

class ConvertTest : public testing::Test {
 protected:
  // Pixels that differ, and one more for every byte written beside the picture.
  int differences(const Reading& r, int width, int height, int padding, ColourMatrix matrix,
                  ColourRange range, std::size_t header = 0) {
    Source s = random_source(r, width, height, padding, random_);
    const auto layout = nv12_layout(width, height);
    Converter converter(device_, s.format, matrix, range);
    std::array<gpu::Memory, kMostPlanes> memory;
    std::array<std::size_t, kMostPlanes> first{};
    for (int b = 0; b < s.format.buffers; ++b) {
      std::vector<std::byte> bytes = s.buffers[b];  // behind a header, as some drivers have one
      first[b] = header;
      bytes.insert(bytes.begin(), header, std::byte{0xee});
      memory[b].bytes = bytes.size();
      memory[b].buffer = device_.constant(bytes.data(), memory[b].bytes);
    }
    Surface surface;
    surface.layout = layout;
    surface.memory = device_.allocate(layout.bytes(), gpu::Access::download);
    cl::Event done;
    EXPECT_EQ(converter.convert(queue_, memory, first, surface, {}, nullptr), Status::ok);
    EXPECT_EQ(gpu::download(queue_, surface.memory, layout.bytes(), {}, &done), Status::ok);
    EXPECT_EQ(gpu::wait(done), Status::ok);
    queue_.finish();
    const auto want =
        expected(s, r, yuv_transform(s.format.matrix, s.format.range, matrix, range), layout);
    int different = 0;
    for (int y = 0; y < height * 3 / 2; ++y)
      for (int x = 0; x < width; ++x) {
        const auto i = static_cast<std::size_t>(y * layout.pitch + x);
        different += surface.luma()[i] != want[i];
      }
    return different;
  }

  gpu::Device device_{{}, {}};
  cl::CommandQueue queue_ = device_.make_queue();
  std::mt19937 random_{5};
};

TEST_F(ConvertTest, EveryFormatIsBitExactAndKeepsToItsPicture) {
  for (const Reading& r : readings()) {
    SCOPED_TRACE(fourcc_text(r.fourcc));
    EXPECT_EQ(differences(r, 38, 6, 0, ColourMatrix::bt709, ColourRange::limited), 0);
  }
}

TEST_F(ConvertTest, PaddedRowsAndOtherColoursToo) {
  for (const Reading& r : readings()) {
    if (r.fourcc != V4L2_PIX_FMT_YUYV && r.fourcc != V4L2_PIX_FMT_NV12 &&
        r.fourcc != V4L2_PIX_FMT_Y10 && r.fourcc != V4L2_PIX_FMT_YVU420M)
      continue;
    SCOPED_TRACE(fourcc_text(r.fourcc));
    EXPECT_EQ(differences(r, 64, 4, 16, ColourMatrix::bt709, ColourRange::limited), 0);
    EXPECT_EQ(differences(r, 50, 4, 8, ColourMatrix::bt601, ColourRange::limited), 0);
    EXPECT_EQ(differences(r, 16, 2, 0, ColourMatrix::bt601, ColourRange::full), 0);
  }
}

TEST_F(ConvertTest, PicturesMayBeginBehindAHeader) {
  for (const Reading& r : readings()) {
    SCOPED_TRACE(fourcc_text(r.fourcc));
    EXPECT_EQ(differences(r, 38, 6, 0, ColourMatrix::bt709, ColourRange::limited, 128), 0);
  }
}

TEST(PixelFormats, AreNamedByFourCharacters) {
  EXPECT_EQ(fourcc_of("NV12"), V4L2_PIX_FMT_NV12);
  EXPECT_EQ(fourcc_of("Y16"), V4L2_PIX_FMT_Y16);
  EXPECT_EQ(fourcc_of("Y16B"), V4L2_PIX_FMT_Y16_BE);
  EXPECT_EQ(fourcc_of("auto?"), 0u);
  EXPECT_EQ(fourcc_of(""), 0u);
  EXPECT_EQ(fourcc_text(V4L2_PIX_FMT_GREY), "GREY");
  EXPECT_EQ(fourcc_text(V4L2_PIX_FMT_Y10), "Y10");
  EXPECT_EQ(find_pixel_format(V4L2_PIX_FMT_RGB24), nullptr);
}

}  // namespace
}  // namespace gantry::v4l2
