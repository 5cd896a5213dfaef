// The encoder: what goes in comes out, on time.
// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include <fmt/format.h>

#include "hal/encoder/encoder_choice.hpp"
#include "hal/encoder/null_encoder.hpp"
#include "tests/hal/media/encoding.hpp"

// libx265 leaks its parameters at every open, and its thread pool synchronises where the sanitizer
// cannot see it; what is ours is still found.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libx265";
}
extern "C" const char* __tsan_default_suppressions() {
  return "race:libx265";
}

namespace gantry {
namespace {

using namespace test;

class RoundTrip : public testing::TestWithParam<std::tuple<const char*, VideoCodec>> {};

TEST_P(RoundTrip, KeepsEveryPictureItsInstantItsColoursAndItsTags) {
  const auto [extension, codec] = GetParam();
  Scratch scratch;
  auto config = config_for(scratch / "out" + extension);
  config.codec = codec;
  config.quality = 12;
  config.preset = "medium";  // with B-frames
  HostPool surfaces(160, 96, 3);
  LibavEncoder encoder(config);
  for (int n = 0; n < 70; ++n) ASSERT_EQ(write_picture(encoder, surfaces, n), Status::ok);
  ASSERT_EQ(encoder.finish(), Status::ok);
  EXPECT_EQ(surfaces.pool.available(), 3u) << "no surface is kept";

  const auto clip = decode_clip(config.path);
  EXPECT_EQ(clip.errors, 0);
  expect_exact(clip, 70);
  const double start_s = static_cast<double>(clip.frames[0].pts) * av_q2d(clip.time_base);
  if (std::string(extension) == ".mkv") {
    EXPECT_EQ(start_s, 0);
  } else if (std::string(extension) == ".mp4") {
    EXPECT_LE(start_s, 3 / kRate);
  }
  for (const auto& f : clip.frames) EXPECT_GT(luma_psnr(*f.frame, f.number), 36) << f.number;
  const AVFrame& f = *clip.frames[69].frame;
  double chroma_error = 0;
  for (int y = 0; y < 48; ++y)
    for (int x = 0; x < 80; ++x)
      chroma_error += std::abs(f.data[1][y * f.linesize[1] + x] - cb_at(69, x, y)) +
                      std::abs(f.data[2][y * f.linesize[2] + x] - cr_at(69, x, y));
  EXPECT_LT(chroma_error / (2 * 80 * 48), 3.5);
  EXPECT_EQ(clip.codec, codec == VideoCodec::h264 ? AV_CODEC_ID_H264 : AV_CODEC_ID_HEVC);
  EXPECT_EQ(clip.space, AVCOL_SPC_BT709);
  EXPECT_EQ(clip.primaries, AVCOL_PRI_BT709);
  EXPECT_EQ(clip.range, AVCOL_RANGE_MPEG);

  const auto report = encoder.report();
  EXPECT_EQ(report.path, config.path);
  EXPECT_EQ(report.codec, codec == VideoCodec::h264 ? "libx264" : "libx265");
  EXPECT_EQ(report.frames, 70u);
  EXPECT_NEAR(report.duration_s, 70 / kRate, 1e-3);
  EXPECT_EQ(report.bytes, fs::file_size(config.path));
}

INSTANTIATE_TEST_SUITE_P(Containers, RoundTrip,
                         testing::Values(std::tuple{".mp4", VideoCodec::h264},
                                         std::tuple{".mkv", VideoCodec::h264},
                                         std::tuple{".ts", VideoCodec::h264},
                                         std::tuple{".mp4", VideoCodec::hevc},
                                         std::tuple{".mkv", VideoCodec::hevc}));

TEST(LibavEncoder, CanBeFinishedAtAnyPictureAndOnlyOnce) {
  for (const char* extension : {".mp4", ".mkv"})
    for (const int frames : {0, 1, 2, 14, 15, 16, 47}) {
      Scratch scratch;
      const auto config = config_for(scratch / "out" + extension);
      HostPool surfaces(160, 96, 2);
      LibavEncoder encoder(config);
      for (int n = 0; n < frames; ++n) ASSERT_EQ(write_picture(encoder, surfaces, n), Status::ok);
      EXPECT_EQ(encoder.finish(), Status::ok);
      EXPECT_EQ(encoder.finish(), Status::ok);
      EXPECT_EQ(write_picture(encoder, surfaces, frames), Status::lost);
      if (frames == 0) {
        EXPECT_TRUE(scratch.empty()) << "a file without a picture plays nowhere";
        continue;
      }
      const auto clip = decode_clip(config.path);
      EXPECT_EQ(clip.frames.size(), static_cast<std::size_t>(frames));
      EXPECT_EQ(clip.errors, 0);
    }
}

TEST(LibavEncoder, RefusesAnInstantThatDoesNotGrow) {
  Scratch scratch;
  HostPool surfaces(160, 96, 1);
  LibavEncoder encoder(config_for(scratch / "out.mp4"));
  const SurfaceRef surface = surfaces.pool.acquire();
  paint(*surface, 0);
  EXPECT_EQ(encoder.write(surface, 1000), Status::ok);
  EXPECT_EQ(encoder.write(surface, 1000), Status::dropped);
  EXPECT_EQ(encoder.write(surface, 500), Status::dropped);
  EXPECT_EQ(encoder.write(surface, 50'000'000), Status::ok);
  EXPECT_EQ(encoder.finish(), Status::ok);
  EXPECT_EQ(encoder.report().frames, 2u);
}

TEST(LibavEncoder, TwoOutputsShareASurfaceWithoutACopy) {
  Scratch scratch;
  HostPool surfaces(160, 96, 2);
  LibavEncoder first(config_for(scratch / "a.mp4")), second(config_for(scratch / "b.mkv"));
  std::thread threads[2];
  for (int i = 0; i < 2; ++i)
    threads[i] = std::thread([&, i] {
      for (int n = 0; n < 60; ++n) {
        SurfaceRef surface;
        while (!(surface = surfaces.pool.acquire())) std::this_thread::yield();
        paint(*surface, n);
        EXPECT_EQ((i == 0 ? first : second).write(surface, nth_ns(n)), Status::ok);
      }
    });
  for (auto& t : threads) t.join();
  SurfaceRef shared = surfaces.pool.acquire();
  paint(*shared, 60);
  EXPECT_EQ(first.write(shared, nth_ns(60)), Status::ok);
  EXPECT_EQ(second.write(shared, nth_ns(60)), Status::ok);
  shared.reset();
  EXPECT_EQ(first.finish(), Status::ok);
  EXPECT_EQ(second.finish(), Status::ok);
  expect_exact(decode_clip(scratch / "a.mp4"), 61);
  expect_exact(decode_clip(scratch / "b.mkv"), 61);
}

TEST(LibavEncoder, RefusesABadSettingAndLeavesNothingBehind) {
  const struct {
    std::function<void(EncoderConfig&, const Scratch&)> spoil;
    const char* says;
  } kCases[] = {
      {[](auto& c, auto&) { c.width = 161; }, "even sizes"},
      {[](auto& c, auto&) { c.height = 0; }, "even sizes"},
      {[](auto& c, auto&) { c.frames_per_second = std::nan(""); }, "frames_per_second"},
      {[](auto& c, auto&) { c.quality = 99; }, "quality = 99; it must be from 1 to 51"},
      {[](auto& c, auto&) { c.bits_per_second = -5; }, "bits_per_second"},
      {[](auto& c, auto&) { c.gop_s = -1; }, "gop_s"},
      {[](auto& c, auto&) { c.threads = 0; }, "threads"},
      {[](auto& c, auto&) { c.preset = "warp"; }, "ultrafast, superfast"},
      {[](auto& c, auto&) { c.encoder = "h264_magic"; }, "'h264_magic' is not in this FFmpeg"},
      {[](auto& c, auto&) { c.encoder = "libx265"; }, "makes hevc, but h264 is asked for"},
      {[](auto& c, auto& s) { c.path = s / "out.xyz"; }, "'.xyz' says no container"},
      {[](auto& c, auto& s) { c.path = s / "no/such/out.mp4"; }, "mkdir -p"},
      {[](auto& c, auto& s) { c.path = s / "a.flv", c.codec = VideoCodec::hevc; },
       "cannot carry hevc"},
      {[](auto& c, auto&) { c.path = ""; }, "no path"},
      {[](auto& c, auto&) { c.path = "/proc/out.mp4"; }, "cannot be written"},
      {[](auto& c, auto&) { c.path = "tcp://127.0.0.1:1/secret"; }, "cannot be opened"},
  };
  for (const auto& c : kCases) {
    Scratch scratch;
    auto config = config_for(scratch / "out.mp4");
    c.spoil(config, scratch);
    try {
      LibavEncoder encoder(config);
      ADD_FAILURE() << c.says << ": was taken";
    } catch (const std::exception& e) {
      EXPECT_NE(std::string(e.what()).find(c.says), std::string::npos) << e.what();
      EXPECT_EQ(std::string(e.what()).find("secret"), std::string::npos) << e.what();
    }
    EXPECT_TRUE(scratch.empty()) << c.says;
  }
}

TEST(EncoderChoice, TakesHardwareThatWorksElseSoftwareAndSaysWhich) {
  auto config = config_for("out.mp4");
  config.width = 640;
  config.height = 360;
  const auto probes = probe_encoders(config);
  ASSERT_EQ(probes.size(), 4u);
  EXPECT_EQ(probes.back().name, "libx264");
  EXPECT_TRUE(probes.back().works) << probes.back().cause;
  std::string best;
  for (const auto& p : probes) {
    EXPECT_NE(p.works, !p.cause.empty()) << p.name << " works or says why not: " << p.cause;
    if (p.works && best.empty()) best = p.name;
  }
  config.encoder = "auto";
  log_lines();
  EXPECT_EQ(choose_encoder(config), best);
  EXPECT_EQ(lines_with(log_lines(), "encoder " + best), 1);
  config.encoder = "software";
  EXPECT_EQ(choose_encoder(config), "libx264");
}

TEST(NullEncoder, Counts) {
  HostPool surfaces(160, 96, 1);
  NullEncoder encoder;
  const SurfaceRef surface = surfaces.pool.acquire();
  EXPECT_EQ(encoder.write(surface, 100), Status::ok);
  EXPECT_EQ(encoder.write(surface, 100), Status::dropped);
  EXPECT_EQ(encoder.write(surface, 500'000'100), Status::ok);
  EXPECT_EQ(encoder.finish(), Status::ok);
  EXPECT_EQ(encoder.report().frames, 2u);
  EXPECT_DOUBLE_EQ(encoder.report().duration_s, 1);
  EXPECT_EQ(encoder.report().bytes, 2u * 160 * 96 * 3 / 2);
}

}  // namespace
}  // namespace gantry
