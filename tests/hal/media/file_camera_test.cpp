// The file camera: order, pacing, loops, ends, and files that are not what they should be.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/file_camera.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hal/camera/file_timeline.hpp"
#include "hal/clock/clock.hpp"
#include "tests/hal/media/clips.hpp"
#include "tests/paths.hpp"

namespace gantry {
namespace {

using namespace test;

FileCameraConfig fast(const std::string& path) {
  FileCameraConfig config;
  config.name = "test";
  config.path = path;
  config.real_time = false;
  return config;
}

int number_of(const CameraFrame& frame) {
  return number_in(frame.surface->luma(), frame.surface->layout.pitch);
}

struct Taken {
  int number;
  std::int64_t capture_ns;
};

// Until `end`, or `most` pictures.
std::vector<Taken> take_all(FileCamera& camera, std::size_t most = SIZE_MAX) {
  HostPool surfaces(camera.format().width, camera.format().height, 2);
  std::vector<Taken> taken;
  CameraFrame frame;
  while (taken.size() < most) {
    const Status status = camera.capture(surfaces.pool, frame);
    if (status == Status::end) break;
    EXPECT_EQ(status, Status::ok);
    EXPECT_EQ(frame.sequence, taken.size());
    taken.push_back({number_of(frame), frame.capture_ns});
    frame.surface.reset();
  }
  return taken;
}

std::int64_t nth_ns(int n, double rate) {
  return std::llround(n * 1e9 / rate);
}

TEST(FileCamera, GivesEveryPictureInOrderBitExactAndWritesEachByteOnce) {
  Scratch scratch;
  const auto path = scratch / "clip.mp4";
  write_clip(path, {.frames = 60});
  const auto reference = decode_clip(path);
  ASSERT_EQ(reference.frames.size(), 60u);

  FileCamera camera(fast(path));
  EXPECT_EQ(camera.format().width, 160);
  EXPECT_EQ(camera.format().height, 96);
  EXPECT_DOUBLE_EQ(camera.format().frames_per_second, 30);
  camera.start_at(5'000'000'000);
  HostPool surfaces(160, 96, 1);
  for (int n = 0; n < 60; ++n) {
    CameraFrame frame;
    ASSERT_EQ(camera.capture(surfaces.pool, frame), Status::ok);
    EXPECT_EQ(number_of(frame), n);
    EXPECT_EQ(frame.sequence, static_cast<std::uint64_t>(n));
    EXPECT_PRED3(near_ns, frame.capture_ns, 5'000'000'000 + nth_ns(n, 30), 12'000);
    EXPECT_EQ(frame.host_bytes_written, 160u * 96 * 3 / 2);
    const AVFrame& f = *reference.frames[n].frame;
    const Surface& s = *frame.surface;
    for (int y = 0; y < 96; ++y)
      ASSERT_EQ(0, std::memcmp(s.luma() + y * s.layout.pitch, f.data[0] + y * f.linesize[0], 160));
    for (int y = 0; y < 48; ++y)
      for (int x = 0; x < 80; ++x) {
        ASSERT_EQ(s.chroma()[y * s.layout.pitch + 2 * x], f.data[1][y * f.linesize[1] + x]);
        ASSERT_EQ(s.chroma()[y * s.layout.pitch + 2 * x + 1], f.data[2][y * f.linesize[2] + x]);
      }
    EXPECT_EQ(s.luma()[160], 0xEE) << "the padding of the rows is not the camera's to write";
  }
  CameraFrame frame;
  EXPECT_EQ(camera.capture(surfaces.pool, frame), Status::end);
  EXPECT_EQ(camera.capture(surfaces.pool, frame), Status::end);
  EXPECT_EQ(camera.counts().pictures, 60u);
  EXPECT_EQ(camera.counts().damaged, 0u);
}

TEST(FileCamera, RealTimeGivesAPictureWhenItsInstantHasComeAndNotBefore) {
  Scratch scratch;
  write_clip(scratch / "clip.mkv", {.frames = 20});
  auto config = fast(scratch / "clip.mkv");
  config.real_time = true;
  FileCamera camera(config);
  const std::int64_t start = clock::now_ns() + 50 * clock::kMillisecond_ns;
  camera.start_at(start);
  HostPool surfaces(160, 96, 1);
  std::vector<std::int64_t> late;
  for (int n = 0; n < 20; ++n) {
    CameraFrame frame;
    ASSERT_EQ(camera.capture(surfaces.pool, frame), Status::ok);
    late.push_back(clock::now_ns() - frame.capture_ns);
    EXPECT_PRED3(near_ns, frame.capture_ns, start + nth_ns(n, 30), 600'000)
        << "Matroska stamps are whole ms";
    EXPECT_GE(late.back(), 0);
  }
  std::sort(late.begin(), late.end());
  EXPECT_LT(late[10], nth_ns(1, 30)) << "the median";
}

TEST(FileCamera, LoopsWithTimeThatGoesOn) {
  Scratch scratch;
  const int kFrames = 10;
  write_clip(scratch / "a.mp4", {.frames = kFrames, .gop = 4});
  write_clip(scratch / "b.mkv", {.frames = kFrames});
  write_clip(scratch / "c.ts", {.frames = kFrames});
  write_clip(scratch / "d.h264", {.frames = kFrames});
  write_clip(scratch / "e%03d.png", {.frames = kFrames,
                                     .rate = {25, 1},
                                     .encoder = "png",
                                     .format = AV_PIX_FMT_RGB24,
                                     .space = AVCOL_SPC_RGB,
                                     .time_base = {1, 25}});
  for (const char* name : {"a.mp4", "b.mkv", "c.ts", "d.h264", "e%03d.png"}) {
    auto config = fast(scratch / name);
    config.loop = true;
    FileCamera camera(config);
    camera.start_at(0);
    const double rate = camera.format().frames_per_second;
    const auto taken = take_all(camera, 35);
    ASSERT_EQ(taken.size(), 35u) << name;
    for (int n = 0; n < 35; ++n) {
      EXPECT_EQ(taken[n].number, n % kFrames) << name << " picture " << n;
      EXPECT_PRED3(near_ns, taken[n].capture_ns, nth_ns(n, rate), 2'500'000)
          << name << " picture " << n;
    }
    EXPECT_EQ(camera.counts().loops, 3u) << name;
    EXPECT_EQ(camera.counts().stamp_jumps, 0u) << name;
  }
}

TEST(FileCamera, AStillPictureLastsAsLongAsItIsLooped) {
  Scratch scratch;
  write_clip(scratch / "still%d.png", {.frames = 1,
                                       .encoder = "png",
                                       .format = AV_PIX_FMT_RGB24,
                                       .space = AVCOL_SPC_RGB,
                                       .time_base = {1, 30},
                                       .first_number = 77});
  auto config = fast(scratch / "still1.png");
  config.pictures_per_second = 50;
  {
    FileCamera once(config);
    EXPECT_EQ(take_all(once).size(), 1u);
  }
  config.loop = true;
  FileCamera camera(config);
  camera.start_at(0);
  EXPECT_DOUBLE_EQ(camera.format().frames_per_second, 50);
  const auto taken = take_all(camera, 100);
  ASSERT_EQ(taken.size(), 100u);
  for (int n = 0; n < 100; ++n) {
    EXPECT_EQ(taken[n].number, 77);
    EXPECT_EQ(taken[n].capture_ns, n * 20'000'000ll);
  }
}

TEST(FileCamera, VariableFrameRateKeepsItsInstants) {
  Scratch scratch;
  const auto stamp_ms = [](int n) { return n * 33ll + (n % 5) * 6 + (n > 12 ? 700 : 0); };
  write_clip(scratch / "vfr.mkv", {.frames = 25, .time_base = {1, 1000}, .pts = stamp_ms});
  FileCamera camera(fast(scratch / "vfr.mkv"));
  camera.start_at(1'000);
  const auto taken = take_all(camera);
  ASSERT_EQ(taken.size(), 25u);
  for (int n = 0; n < 25; ++n) EXPECT_EQ(taken[n].capture_ns, 1'000 + stamp_ms(n) * 1'000'000) << n;
}

TEST(FileTimeline, GrowsWhateverTheStampsDo) {
  FileTimeline t(40);
  EXPECT_EQ(t.place(1000), 0);
  EXPECT_EQ(t.place(1040), 40);
  EXPECT_EQ(t.place(FileTimeline::kNoStamp), 80);
  EXPECT_EQ(t.place(1120), 120);
  EXPECT_EQ(t.place(500), 160) << "went back";
  EXPECT_EQ(t.place(530), 190) << "and goes on from there";
  EXPECT_EQ(t.place(530), 230) << "stood still";
  EXPECT_EQ(t.jumps(), 2u);
  EXPECT_EQ(t.place(530 + FileTimeline::kLargestGap_ns + 1), 270) << "leapt";
  EXPECT_EQ(t.jumps(), 3u);
  t.continue_from_start();
  EXPECT_EQ(t.place(1000), 310);
  EXPECT_EQ(t.jumps(), 3u) << "a loop is no jump";
}

TEST(FileCamera, TimeStampsThatJumpBackAreReplacedCountedAndToldOnce) {
  Scratch scratch;
  write_clip(scratch / "a.ts", {.frames = 30});
  auto bytes = bytes_of(scratch / "a.ts");
  const auto once = bytes;
  for (int i = 0; i < 2; ++i) bytes.insert(bytes.end(), once.begin(), once.end());
  write_bytes(scratch / "thrice.ts", bytes);
  FileCamera camera(fast(scratch / "thrice.ts"));
  camera.start_at(0);
  log_lines();
  const auto taken = take_all(camera);
  ASSERT_EQ(taken.size(), 90u);
  for (int n = 0; n < 90; ++n) {
    EXPECT_EQ(taken[n].number, n % 30);
    EXPECT_PRED3(near_ns, taken[n].capture_ns, nth_ns(n, 30), 1'000'000);
  }
  EXPECT_EQ(camera.counts().stamp_jumps, 2u);
  EXPECT_EQ(lines_with(log_lines(), "time stamps jump"), 1);
}

TEST(FileCamera, RefusesWhatIsNoVideoAndSaysWhatWouldBeRight) {
  Scratch scratch;
  write_clip(scratch / "good.mp4", {.frames = 150});
  write_clip(scratch / "front.mp4", {.frames = 150, .movflags = "+faststart"});
  write_clip(scratch / "odd.mkv",
             {.width = 161, .height = 97, .encoder = "ffv1", .format = AV_PIX_FMT_YUV444P});
  write_bytes(scratch / "empty.mp4", {});
  write_bytes(scratch / "zeros.mp4", std::vector<char>(100'000, 0));
  std::ofstream notes(scratch / "notes.txt");
  for (int i = 0; i < 200; ++i) notes << "\033[31mKick-off at three.\033[0m\n";
  notes.close();
  std::ofstream(scratch / "renamed.mp4") << "Kick-off at three.\n";
  std::ofstream(scratch / "sound.wav") << std::string(
      "RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\x08\0\0\0"
      "\0\0\0\0\0\0\0\0",
      52);
  auto bytes = bytes_of(scratch / "good.mp4");
  bytes.resize(bytes.size() / 2);
  write_bytes(scratch / "no_index.mp4", bytes);
  bytes = bytes_of(scratch / "front.mp4");
  bytes.resize(bytes.size() / 2);
  write_bytes(scratch / "cut.mp4", bytes);
  const struct {
    const char* file;
    const char* says;
  } kCases[] = {
      {"missing.mp4", "no such file"},
      {"empty.mp4", "is empty (0 bytes)"},
      {"zeros.mp4", "cannot be opened as a video"},
      {"notes.txt", "is a text"},
      {"renamed.mp4", "cannot be opened as a video"},
      {"sound.wav", "has no video stream"},
      {"no_index.mp4", "moov atom not found"},
      {"cut.mp4", "is cut short: its index promises 150 pictures"},
      {"odd.mkv", "161x97 pixels; a camera's width and height must be even"},
      {"odd.mkv", "crop=160:96"},
      {"", "is a folder"},
      {"none%03d.png", "cannot be opened"},
  };
  for (const auto& c : kCases) {
    try {
      FileCamera camera(fast(scratch / c.file));
      ADD_FAILURE() << c.file << " was taken";
    } catch (const std::runtime_error& e) {
      const std::string what = e.what();
      EXPECT_NE(what.find(c.says), std::string::npos) << what;
      EXPECT_EQ(what.find(scratch / c.file), 0u) << "names the file first: " << what;
    }
  }
}

TEST(FileCamera, AFileThatIsCutInTheMiddleGivesWhatItHasThenEnds) {
  Scratch scratch;
  write_clip(scratch / "good.mkv", {.frames = 120});
  auto bytes = bytes_of(scratch / "good.mkv");
  bytes.resize(bytes.size() * 6 / 10);
  write_bytes(scratch / "cut.mkv", bytes);
  FileCamera camera(fast(scratch / "cut.mkv"));
  log_lines();
  const auto taken = take_all(camera);
  EXPECT_GT(taken.size(), 50u);
  EXPECT_LT(taken.size(), 90u);
  for (std::size_t n = 0; n + 1 < taken.size(); ++n)
    EXPECT_EQ(taken[n].number, static_cast<int>(n));
  const auto lines = log_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("cut.mkv"), std::string::npos);
  EXPECT_NE(lines[0].find("of 4.00 s"), std::string::npos) << lines[0];
}

TEST(FileCamera, DamageInTheMiddleIsCountedAndPlayedOver) {
  Scratch scratch;
  write_clip(scratch / "good.mp4", {.frames = 120});
  auto bytes = bytes_of(scratch / "good.mp4");
  std::fill(bytes.begin() + bytes.size() * 4 / 10, bytes.begin() + bytes.size() * 5 / 10, '\x55');
  write_bytes(scratch / "bad.mp4", bytes);
  FileCamera camera(fast(scratch / "bad.mp4"));
  log_lines();
  const auto taken = take_all(camera);
  EXPECT_GT(taken.size(), 60u);
  EXPECT_EQ(taken.back().number, 119) << "it recovers";
  EXPECT_GT(camera.counts().damaged, 0u);
  EXPECT_EQ(log_lines().size(), 1u);
  for (std::size_t n = 1; n < taken.size(); ++n)
    EXPECT_GT(taken[n].capture_ns, taken[n - 1].capture_ns);
}

TEST(FileCamera, AnEmptyPoolDropsInRealTimeAndWaitsOtherwise) {
  Scratch scratch;
  write_clip(scratch / "clip.mp4", {.frames = 6});
  HostPool surfaces(160, 96, 1);
  auto config = fast(scratch / "clip.mp4");
  config.real_time = true;
  FileCamera live(config);
  CameraFrame held, frame;
  ASSERT_EQ(live.capture(surfaces.pool, held), Status::ok);
  ASSERT_EQ(live.capture(surfaces.pool, frame), Status::dropped);
  EXPECT_EQ(frame.sequence, 1u);
  EXPECT_FALSE(frame.surface);
  held.surface.reset();
  ASSERT_EQ(live.capture(surfaces.pool, frame), Status::ok);
  EXPECT_EQ(number_of(frame), 2);
  EXPECT_EQ(live.counts().dropped, 1u);
  frame.surface.reset();

  FileCamera patient(fast(scratch / "clip.mp4"));
  ASSERT_EQ(patient.capture(surfaces.pool, held), Status::ok);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    held.surface.reset();
  });
  ASSERT_EQ(patient.capture(surfaces.pool, frame), Status::ok);
  other.join();
  EXPECT_EQ(number_of(frame), 1);
}

TEST(FileCamera, StopWakesACaptureThatWaits) {
  Scratch scratch;
  write_clip(scratch / "clip.mp4", {.frames = 6});
  auto config = fast(scratch / "clip.mp4");
  config.real_time = true;
  FileCamera camera(config);
  camera.start_at(clock::now_ns() + 3600 * clock::kSecond_ns);
  HostPool surfaces(160, 96, 1);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    camera.stop();
  });
  CameraFrame frame;
  const auto before = clock::now_ns();
  EXPECT_EQ(camera.capture(surfaces.pool, frame), Status::end);
  EXPECT_LT(clock::now_ns() - before, clock::kSecond_ns);
  EXPECT_EQ(camera.capture(surfaces.pool, frame), Status::end);
  other.join();
}

TEST(FileCamera, UploadsToADeviceWithAnEventToWaitFor) {
  Scratch scratch;
  write_clip(scratch / "clip.mp4", {.frames = 3});
  gpu::Device device({}, {});
  const auto queue = device.make_queue();
  auto config = fast(scratch / "clip.mp4");
  config.upload_queue = &queue;
  FileCamera camera(config);
  const auto pool = make_surface_pool(device, nv12_layout(160, 96), 1, gpu::Access::upload);
  for (int n = 0; n < 3; ++n) {
    CameraFrame frame;
    ASSERT_EQ(camera.capture(*pool, frame), Status::ok);
    ASSERT_NE(frame.ready(), nullptr);
    ASSERT_EQ(gpu::wait(frame.ready), Status::ok);
    std::vector<std::uint8_t> device_bytes(frame.surface->layout.bytes());
    queue.enqueueReadBuffer(frame.surface->memory.buffer, CL_TRUE, 0, device_bytes.size(),
                            device_bytes.data());
    EXPECT_EQ(number_in(device_bytes.data(), frame.surface->layout.pitch), n);
  }
}

TEST(FileCamera, ProbeTellsWhatAFileHolds) {
  Scratch scratch;
  write_clip(
      scratch / "clip.mkv",
      {.width = 320, .height = 180, .frames = 50, .rate = {25, 1}, .space = AVCOL_SPC_SMPTE170M});
  const FileInfo info = probe_file(scratch / "clip.mkv");
  EXPECT_EQ(info.format.width, 320);
  EXPECT_EQ(info.format.height, 180);
  EXPECT_DOUBLE_EQ(info.format.frames_per_second, 25);
  EXPECT_NEAR(info.duration_s, 2, 0.01);
  EXPECT_EQ(info.codec, "h264");
  EXPECT_EQ(info.pixel_format, "yuv420p");
  EXPECT_EQ(info.matrix, ColourMatrix::bt601);
  EXPECT_EQ(info.range, ColourRange::limited);
}

TEST(FileCamera, DecodesRealRecordingsToTheirEnd) {
  const fs::path footage = fs::path(GANTRY_SOURCE_DIR) / "../shared/footage";
  if (!fs::exists(footage)) GTEST_SKIP() << "no real recordings beside the source: " << footage;
  const struct {
    const char* file;
    std::size_t pictures;
    double rate;
  } kClips[] = {{"aerial_960x540.mp4", 202, 25},
                {"broadcast_1280x720_aac.mp4", 840,
                 30000. / 1001}};  // 14 of its 854 packets lie before its start
  for (const auto& clip : kClips) {
    FileCamera camera(fast((footage / clip.file).string()));
    EXPECT_NEAR(camera.format().frames_per_second, clip.rate, 1e-6);
    const auto taken = take_all(camera);
    EXPECT_EQ(taken.size(), clip.pictures);
    EXPECT_EQ(camera.counts().damaged, 0u);
    for (std::size_t n = 1; n < taken.size(); ++n)
      ASSERT_PRED3(near_ns, taken[n].capture_ns - taken[n - 1].capture_ns, nth_ns(1, clip.rate),
                   1000)
          << n;
  }
}

}  // namespace
}  // namespace gantry
