// Pictures in and out of files, and the colours on the way.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/picture_file.hpp"

#include <array>
#include <random>

#include <gtest/gtest.h>

#include "hal/media/nv12_converter.hpp"
#include "tests/hal/media/clips.hpp"
#include "tests/paths.hpp"

namespace gantry {
namespace {

using namespace test;

struct Yuv {
  double y, cb, cr;
};

// Rec. ITU-R BT.601-7 and BT.709-6, section 3, for R, G, B from 0 to 1.
Yuv reference_yuv(double r, double g, double b, ColourMatrix m, ColourRange range) {
  const double kr = m == ColourMatrix::bt709 ? 0.2126 : 0.299;
  const double kb = m == ColourMatrix::bt709 ? 0.0722 : 0.114;
  const double y = kr * r + (1 - kr - kb) * g + kb * b;
  const double cb = (b - y) / (2 * (1 - kb)), cr = (r - y) / (2 * (1 - kr));
  if (range == ColourRange::full) return {255 * y, 128 + 255 * cb, 128 + 255 * cr};
  return {16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr};
}

constexpr std::array<std::array<int, 3>, 8> kColours = {{{0, 0, 0},
                                                         {255, 255, 255},
                                                         {255, 0, 0},
                                                         {0, 255, 0},
                                                         {0, 0, 255},
                                                         {40, 120, 60},
                                                         {200, 180, 30},
                                                         {128, 128, 128}}};

const std::array<std::pair<ColourMatrix, ColourRange>, 4> kSpaces = {
    {{ColourMatrix::bt709, ColourRange::limited},
     {ColourMatrix::bt709, ColourRange::full},
     {ColourMatrix::bt601, ColourRange::limited},
     {ColourMatrix::bt601, ColourRange::full}}};

Picture flat_fields(ColourMatrix m, ColourRange range) {
  Picture p{nv12_layout(256, 32), {}};
  p.bytes.resize(p.layout.bytes());
  auto* luma = reinterpret_cast<std::uint8_t*>(p.bytes.data());
  for (int x = 0; x < 256; ++x) {
    const auto& c = kColours[x / 32];
    const Yuv yuv = reference_yuv(c[0] / 255., c[1] / 255., c[2] / 255., m, range);
    const auto byte = [](double v) {
      return static_cast<std::uint8_t>(std::clamp(std::lround(v), 0l, 255l));
    };
    for (int y = 0; y < 32; ++y) luma[y * p.layout.pitch + x] = byte(yuv.y);
    for (int y = 0; y < 16; ++y)
      luma[p.layout.chroma_offset() + y * p.layout.pitch + x] = byte(x % 2 ? yuv.cr : yuv.cb);
  }
  return p;
}

TEST(PictureFile, PngHasTheColoursAndComesBackAsItWas) {
  for (const auto& [matrix, range] : kSpaces) {
    Scratch scratch;
    const auto path = scratch / "out.png";
    const Picture picture = flat_fields(matrix, range);
    save_png(path, picture.layout, picture.bytes.data(), matrix, range);
    EXPECT_FALSE(fs::exists(path + ".part"));
    const auto decoded = decode_clip(path);
    ASSERT_EQ(decoded.frames.size(), 1u);
    const AVFrame& rgb = *decoded.frames[0].frame;
    ASSERT_EQ(rgb.format, AV_PIX_FMT_RGB24);
    for (int i = 0; i < 8; ++i)
      for (int c = 0; c < 3; ++c)
        EXPECT_NEAR(rgb.data[0][16 * rgb.linesize[0] + 3 * (32 * i + 16) + c], kColours[i][c], 3)
            << "colour " << i << " channel " << c;
    const Picture again = load_picture(path, matrix, range);
    ASSERT_EQ(again.layout.pitch, picture.layout.pitch);
    for (int i = 0; i < 8; ++i)
      for (const std::size_t at : {std::size_t(8 * 256 + 32 * i + 16),
                                   picture.layout.chroma_offset() + 8 * 256 + 32 * i + 16,
                                   picture.layout.chroma_offset() + 8 * 256 + 32 * i + 17})
        EXPECT_NEAR(static_cast<int>(again.bytes[at]), static_cast<int>(picture.bytes[at]), 2) << i;
  }
}

TEST(PictureFile, ReplacesAFileWholeAndLeavesNoPartBehind) {
  Scratch scratch;
  const Picture picture = flat_fields(ColourMatrix::bt709, ColourRange::limited);
  const auto save = [&](const std::string& path) {
    save_png(path, picture.layout, picture.bytes.data(), ColourMatrix::bt709, ColourRange::limited);
  };
  std::ofstream(scratch / "out.png") << "old";
  save(scratch / "out.png");
  EXPECT_EQ(decode_clip(scratch / "out.png").frames.size(), 1u);
  EXPECT_THROW(save(scratch / "no/such/out.png"), std::runtime_error);
  fs::create_directories(scratch / "folder.png/inside");
  EXPECT_THROW(save(scratch / "folder.png"), std::runtime_error);
  EXPECT_FALSE(fs::exists(scratch / "folder.png.part"));
}

TEST(PictureFile, OddSizesAreRefusedOrCroppedAsAsked) {
  Scratch scratch;
  write_clip(scratch / "odd%d.png", {.width = 161,
                                     .height = 97,
                                     .frames = 1,
                                     .encoder = "png",
                                     .format = AV_PIX_FMT_RGB24,
                                     .space = AVCOL_SPC_RGB});
  const auto path = scratch / "odd1.png";
  const auto matrix = ColourMatrix::bt709;
  const auto range = ColourRange::full;
  try {
    load_picture(path, matrix, range);
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("crop=160:96"), std::string::npos) << e.what();
  }
  const Picture cropped = load_picture(path, matrix, range, OddSize::crop);
  ASSERT_EQ(cropped.layout.width, 160);
  ASSERT_EQ(cropped.layout.height, 96);
  for (int y = 0; y < 96; ++y)
    for (int x = 0; x < 160; ++x)
      ASSERT_NEAR(static_cast<int>(cropped.bytes[y * cropped.layout.pitch + x]), luma_at(0, x, y),
                  1);
  HostPool surfaces(162, 96, 1);
  EXPECT_THROW(load_picture(path, matrix, range, surfaces.pool.slot(0)), std::runtime_error);
}

TEST(PictureFile, LoadsRealPhotographs) {
  const fs::path footage = fs::path(GANTRY_SOURCE_DIR) / "../shared/footage";
  if (!fs::exists(footage)) GTEST_SKIP() << "no real pictures beside the source: " << footage;
  for (const char* name : {"bus.jpg", "futsal_left.png", "soccer_panorama_4096x1080.png"}) {
    const Picture picture = load_picture(footage / name, ColourMatrix::bt709, ColourRange::limited);
    double sum = 0;
    for (int y = 0; y < picture.layout.height; ++y)
      for (int x = 0; x < picture.layout.width; ++x)
        sum += static_cast<int>(picture.bytes[std::size_t(y) * picture.layout.pitch + x]);
    const double mean = sum / picture.layout.width / picture.layout.height;
    EXPECT_GT(mean, 40) << name;
    EXPECT_LT(mean, 180) << name;
  }
}

// Any 8-bit 4:2:0 picture between any two spaces, against the formula in double precision.
TEST(Nv12Converter, ChangesMatrixAndRangeAsTheFormulaSays) {
  std::mt19937 random(7);
  for (const AVPixelFormat format : {AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12})
    for (const auto& [from, from_range] : kSpaces)
      for (const auto& [to, to_range] : kSpaces) {
        av::Frame f = av::make_frame();
        f->format = format;
        f->width = 70;
        f->height = 34;
        f->colorspace = av::space_of(from);
        f->color_range = av::range_tag(from_range);
        ASSERT_GE(av_frame_get_buffer(f.get(), 0), 0);
        const bool planar = format == AV_PIX_FMT_YUV420P;
        for (int plane = 0; plane < (planar ? 3 : 2); ++plane)
          for (int i = 0; i < f->linesize[plane] * (plane ? 17 : 34); ++i)
            f->data[plane][i] = static_cast<std::uint8_t>(random());
        const Nv12Layout layout = nv12_layout(70, 34);
        std::vector<std::uint8_t> out(layout.bytes(), 0xEE);
        av::Nv12Converter converter(to, to_range);
        ASSERT_TRUE(converter.convert(*f, layout, out.data()));
        for (int y = 0; y < 34; ++y)
          for (int x = 0; x < layout.pitch; ++x) {
            if (x >= 70) {
              ASSERT_EQ(out[y * layout.pitch + x], 0xEE) << "wrote beyond the row";
              continue;
            }
            const int cx = x / 2, cy = y / 2;
            const double luma = f->data[0][y * f->linesize[0] + x];
            const double cb = planar ? f->data[1][cy * f->linesize[1] + cx]
                                     : f->data[1][cy * f->linesize[1] + 2 * cx];
            const double cr = planar ? f->data[2][cy * f->linesize[2] + cx]
                                     : f->data[1][cy * f->linesize[1] + 2 * cx + 1];
            const bool full = from_range == ColourRange::full;
            const double ny = full ? luma / 255 : (luma - 16) / 219;
            const double nb = (cb - 128) / (full ? 255 : 224), nr = (cr - 128) / (full ? 255 : 224);
            const double kr = from == ColourMatrix::bt709 ? 0.2126 : 0.299;
            const double kb = from == ColourMatrix::bt709 ? 0.0722 : 0.114;
            const double r = ny + 2 * (1 - kr) * nr, b = ny + 2 * (1 - kb) * nb;
            const double g = (ny - kr * r - kb * b) / (1 - kr - kb);
            const Yuv want = reference_yuv(r, g, b, to, to_range);
            const auto clamped = [](double v) { return std::clamp(v, 0., 255.); };
            ASSERT_NEAR(out[y * layout.pitch + x], clamped(want.y), 0.55);
            const auto* pair = &out[layout.chroma_offset() + cy * layout.pitch + 2 * cx];
            ASSERT_NEAR(pair[0], clamped(want.cb), 0.55);
            ASSERT_NEAR(pair[1], clamped(want.cr), 0.55);
          }
      }
}

TEST(Nv12Converter, TakesOtherPixelFormatsThroughTheScaler) {
  for (const AVPixelFormat format : {AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUVJ422P}) {
    ClipOptions options;
    options.format = format;
    options.range = format == AV_PIX_FMT_YUVJ422P ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    const av::Frame f = painted_frame(options, 9);
    const Nv12Layout layout = nv12_layout(160, 96);
    std::vector<std::uint8_t> out(layout.bytes());
    av::Nv12Converter converter(ColourMatrix::bt709, options.range == AVCOL_RANGE_JPEG
                                                         ? ColourRange::full
                                                         : ColourRange::limited);
    ASSERT_TRUE(converter.convert(*f, layout, out.data()));
    for (int y = 0; y < 96; ++y)
      for (int x = 0; x < 160; ++x)
        ASSERT_EQ(out[y * layout.pitch + x], luma_at(9, x, y)) << av_get_pix_fmt_name(format);
  }
  ClipOptions small;
  small.width = 158;
  std::vector<std::uint8_t> out(nv12_layout(160, 96).bytes());
  EXPECT_FALSE(av::Nv12Converter(ColourMatrix::bt709, ColourRange::limited)
                   .convert(*painted_frame(small, 0), nv12_layout(160, 96), out.data()));
}

}  // namespace
}  // namespace gantry
