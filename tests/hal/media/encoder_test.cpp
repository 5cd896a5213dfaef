// The encoder: what goes in comes out, on time, whatever happens to the disk or the process.
// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <csignal>
#include <optional>
#include <random>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "hal/encoder/encoder_choice.hpp"
#include "hal/encoder/libav_encoder.hpp"
#include "hal/encoder/null_encoder.hpp"
#include "tests/hal/media/clips.hpp"

extern char** environ;

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

constexpr double kRate = 30000.0 / 1001;

EncoderConfig config_for(const std::string& path) {
  EncoderConfig c;
  c.path = path;
  c.width = 160;
  c.height = 96;
  c.frames_per_second = kRate;
  c.encoder = "software";
  return c;
}

std::int64_t nth_ns(int n) {
  return 7'000'000'000 + std::llround(n * 1e9 / kRate);
}

Status write_picture(Encoder& encoder, HostPool& surfaces, int n) {
  SurfaceRef surface = surfaces.pool.acquire();
  paint(*surface, n);
  return encoder.write(surface, nth_ns(n));
}

double luma_psnr(const AVFrame& f, int n) {
  double sum = 0;
  for (int y = 0; y < f.height; ++y)
    for (int x = 0; x < f.width; ++x) {
      const double d = f.data[0][y * f.linesize[0] + x] - luma_at(n, x, y);
      sum += d * d;
    }
  return 10 * std::log10(255.0 * 255 * f.width * f.height / (sum + 1e-9));
}

// True where the picture's instant, measured from the first, is exact to the container's tick.
void expect_exact(const DecodedClip& clip, int frames) {
  ASSERT_EQ(clip.frames.size(), static_cast<std::size_t>(frames));
  for (int n = 0; n < frames; ++n) {
    EXPECT_EQ(clip.frames[n].number, n);
    const std::int64_t encoder_ticks =
        std::llround(static_cast<double>(nth_ns(n) - nth_ns(0)) * 90e3 / 1e9);
    EXPECT_EQ(clip.frames[n].pts - clip.frames[0].pts,
              av_rescale_q(encoder_ticks, {1, 90'000}, clip.time_base))
        << n;
  }
}

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

TEST(LibavEncoder, ADiskThatIsFullFromTheStartIsToldAtOnceAndNothingIsLeft) {
  Scratch scratch;
  fs::create_symlink("/dev/full", scratch.path() / "full.mp4");
  try {
    LibavEncoder encoder(config_for(scratch / "full.mp4"));
    FAIL() << "was taken";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("No space left on device"), std::string::npos) << e.what();
  }
}

// Writes until the disk refuses; the file then must hold, playable, all but the last second.
void expect_kept_up_to_the_failure(const std::string& path, const char* cause) {
  auto config = config_for(path);
  config.quality = 1;
  HostPool surfaces(160, 96, 1);
  LibavEncoder encoder(config);
  log_lines();
  int n = 0;
  while (n < 20'000 && write_picture(encoder, surfaces, n) == Status::ok) ++n;
  ASSERT_LT(n, 20'000);
  EXPECT_EQ(write_picture(encoder, surfaces, n + 1), Status::lost);
  EXPECT_EQ(encoder.finish(), Status::lost);
  const auto lines = log_lines();
  EXPECT_EQ(lines.size(), 1u) << "one line for one cause";
  EXPECT_EQ(lines_with(lines, path), 1);
  EXPECT_EQ(lines_with(lines, cause), 1) << lines.front();
  EXPECT_EQ(surfaces.pool.available(), 1u);
  if (!fs::exists(path)) return;
  const auto clip = decode_clip(path);
  EXPECT_EQ(clip.errors, 0) << "cut back to whole pieces";
  EXPECT_EQ(clip.frames.size(), encoder.report().frames);
  EXPECT_EQ(fs::file_size(path), encoder.report().bytes);
  EXPECT_GE(static_cast<double>(clip.frames.size()), n - 1.2 * kRate);
  for (std::size_t i = 0; i < clip.frames.size(); ++i)
    ASSERT_EQ(clip.frames[i].number, static_cast<int>(i));
}

TEST(LibavEncoder, AFullDiskEndsTheOutputAndKeepsItPlayable) {
  Scratch scratch;
  const auto mount_point = scratch / "disk";
  fs::create_directories(mount_point);
  if (mount("gantry", mount_point.c_str(), "tmpfs", 0, "size=400k") != 0)
    GTEST_SKIP() << "a file system of our own needs root: " << std::strerror(errno);
  for (const char* extension : {".mp4", ".mkv"}) {
    const auto path = mount_point + "/out" + extension;
    expect_kept_up_to_the_failure(path, "No space left on device");
    fs::remove(path);
  }
  umount(mount_point.c_str());
}

TEST(LibavEncoder, AFileThatMayNotGrowEndsTheOutputAndKeepsItPlayable) {
  Scratch scratch;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{300'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  for (const char* extension : {".mp4", ".mkv", ".ts"})
    expect_kept_up_to_the_failure(scratch / "out" + extension, "File too large");
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
}

TEST(LibavEncoder, AFolderThatIsDeletedIsNoticed) {
  Scratch scratch;
  fs::create_directories(scratch / "usb");
  std::atomic<bool> gone{false};
  std::thread other([&] {
    while (!fs::exists(scratch / "usb/out.mp4")) std::this_thread::yield();
    fs::remove_all(scratch / "usb");
    gone = true;
  });
  expect_kept_up_to_the_failure(scratch / "usb/out.mp4", "the file was deleted");
  other.join();
  EXPECT_TRUE(gone);
}

// Port 0: any that is free.
int listen_on(int socket, int port) {
  const int again = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  bind(socket, reinterpret_cast<sockaddr*>(&address), length);
  listen(socket, 1);
  getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

int free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int port = listen_on(listener, 0);
  close(listener);
  return port;
}

// A peer on this machine that takes one connection and closes it after some bytes.
class ShortPeer {
 public:
  explicit ShortPeer(std::size_t bytes, int port = 0) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    port_ = listen_on(socket_, port);
    thread_ = std::thread([this, bytes] {
      const int peer = accept(socket_, nullptr, nullptr);
      char buffer[1024];
      while (received_.size() < bytes) {
        const auto n = read(peer, buffer, sizeof buffer);
        if (n <= 0) break;
        received_.insert(received_.end(), buffer, buffer + n);
      }
      close(peer);
    });
  }
  ~ShortPeer() {
    join();
    close(socket_);
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  int port() const { return port_; }
  const std::vector<char>& received() const { return received_; }

 private:
  int socket_, port_ = 0;
  std::thread thread_;
  std::vector<char> received_;
};

TEST(LibavEncoder, APeerThatHangsUpEndsTheStream) {
  ShortPeer peer(40'000);
  HostPool surfaces(160, 96, 1);
  LibavEncoder encoder(config_for(fmt::format("tcp://127.0.0.1:{}/key", peer.port())));
  log_lines();
  int n = 0;
  while (n < 20'000 && write_picture(encoder, surfaces, n) == Status::ok) ++n;
  EXPECT_LT(n, 20'000);
  EXPECT_EQ(encoder.finish(), Status::lost);
  const auto lines = log_lines();
  EXPECT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines_with(lines, "key"), 0) << "a stream key is no matter for a log";
  EXPECT_EQ(lines_with(lines, fmt::format("tcp://127.0.0.1:{}/***", peer.port())), 1);
}

TEST(LibavEncoder, AStreamThatIsOpenedAnewPlaysFromItsStart) {
  Scratch scratch;
  HostPool surfaces(160, 96, 1);
  std::optional<ShortPeer> peer(std::in_place, 20'000);
  auto config = config_for(fmt::format("tcp://127.0.0.1:{}", peer->port()));
  config.open_later = true;
  auto stream = std::make_unique<LibavEncoder>(config);
  LibavEncoder& encoder = *stream;
  EXPECT_FALSE(encoder.open());
  EXPECT_EQ(write_picture(encoder, surfaces, 0), Status::lost);
  ASSERT_EQ(encoder.reopen(), Status::ok);
  int n = 0;
  while (n < 20'000 && write_picture(encoder, surfaces, n) == Status::ok) ++n;
  ASSERT_LT(n, 20'000);
  EXPECT_FALSE(encoder.open());
  const int port = peer->port();
  peer.reset();
  log_lines();
  for (int attempt = 0; attempt < 3; ++attempt) EXPECT_EQ(encoder.reopen(), Status::lost);
  EXPECT_EQ(log_lines().size(), 1u) << "one line for one cause";
  const auto before = encoder.frames_written();
  peer.emplace(SIZE_MAX, port);
  ASSERT_EQ(encoder.reopen(), Status::ok);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(write_picture(encoder, surfaces, i), Status::ok);
  EXPECT_EQ(encoder.finish(), Status::ok);
  EXPECT_EQ(encoder.reopen(), Status::lost) << "finished is finished";
  EXPECT_EQ(encoder.report().frames, before + 50) << "of both connections";
  stream.reset();
  peer->join();
  write_bytes(scratch / "received.ts", peer->received());
  expect_exact(decode_clip(scratch / "received.ts"), 50);
}

TEST(LibavEncoder, AFileThatIsLostIsContinuedUnderTheNextNumber) {
  Scratch scratch;
  HostPool surfaces(160, 96, 1);
  write_bytes(scratch / "match-1.mp4", std::vector<char>(10));
  LibavEncoder encoder(config_for(scratch / "match.mp4"));
  for (int n = 0; n < 40; ++n) ASSERT_EQ(write_picture(encoder, surfaces, n), Status::ok);
  fs::remove(scratch.path() / "match.mp4");
  int n = 40;
  while (n < 1000 && write_picture(encoder, surfaces, n) == Status::ok) ++n;
  ASSERT_LT(n, 1000) << "a deleted file is noticed";
  const auto before = encoder.frames_written();
  ASSERT_EQ(encoder.reopen(), Status::ok);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(write_picture(encoder, surfaces, n + i), Status::ok);
  EXPECT_EQ(encoder.finish(), Status::ok);
  EXPECT_EQ(fs::file_size(scratch.path() / "match-1.mp4"), 10u) << "not ours";
  EXPECT_EQ(decode_clip(scratch / "match-2.mp4").frames.size(), 50u);
  EXPECT_EQ(encoder.report().frames, before + 50);
  EXPECT_EQ(encoder.report().path, scratch / "match.mp4");
}

TEST(LibavEncoder, ADiskThatIsNotThereAtTheStartIsTriedAgain) {
  Scratch scratch;
  HostPool surfaces(160, 96, 1);
  auto config = config_for(scratch / "disk/match.mp4");
  config.open_later = true;
  log_lines();
  LibavEncoder encoder(config);
  EXPECT_FALSE(encoder.open());
  EXPECT_EQ(write_picture(encoder, surfaces, 0), Status::lost);
  EXPECT_EQ(encoder.reopen(), Status::lost);
  EXPECT_EQ(lines_with(log_lines(), "tried again"), 1) << "one line for one cause";
  fs::create_directory(scratch.path() / "disk");
  ASSERT_EQ(encoder.reopen(), Status::ok);
  for (int n = 0; n < 20; ++n) ASSERT_EQ(write_picture(encoder, surfaces, n), Status::ok);
  EXPECT_EQ(encoder.finish(), Status::ok);
  EXPECT_EQ(decode_clip(scratch / "disk/match.mp4").frames.size(), 20u);
}

TEST(LibavEncoder, ARecordingThatExistsIsKeptWhereThatIsAskedFor) {
  Scratch scratch;
  HostPool surfaces(160, 96, 1);
  for (const bool keep : {true, true, false}) {
    auto config = config_for(scratch / "match.mp4");
    config.keep_existing = keep;
    LibavEncoder encoder(config);
    for (int n = 0; n < (keep ? 10 : 20); ++n) write_picture(encoder, surfaces, n);
    EXPECT_EQ(encoder.finish(), Status::ok);
  }
  EXPECT_EQ(decode_clip(scratch / "match.mp4").frames.size(), 20u) << "overwritten";
  EXPECT_EQ(decode_clip(scratch / "match-1.mp4").frames.size(), 10u);
  EXPECT_FALSE(fs::exists(scratch.path() / "match-2.mp4"));
}

TEST(LibavEncoder, StreamsATransportStreamThatPlays) {
  Scratch scratch;
  ShortPeer peer(SIZE_MAX);
  HostPool surfaces(160, 96, 1);
  {
    LibavEncoder encoder(config_for(fmt::format("tcp://127.0.0.1:{}", peer.port())));
    for (int n = 0; n < 50; ++n) ASSERT_EQ(write_picture(encoder, surfaces, n), Status::ok);
    EXPECT_EQ(encoder.finish(), Status::ok);
  }
  peer.join();
  write_bytes(scratch / "received.ts", peer.received());
  expect_exact(decode_clip(scratch / "received.ts"), 50);
}

TEST(LibavEncoder, SpeaksRtmpToAServer) {
  av::silence();
  const int port = free_port();
  const auto url = fmt::format("rtmp://127.0.0.1:{}/live/secret", port);
  std::vector<int> numbers;
  std::thread server([&] {
    AVFormatContext* context = nullptr;
    av::Options options;
    options.set("listen", "1");
    options.set("timeout", "20");
    ASSERT_GE(avformat_open_input(&context, url.c_str(), nullptr, options.address()), 0);
    const av::Demuxer demuxer(context);
    ASSERT_GE(avformat_find_stream_info(context, nullptr), 0);
    av::Codec decoder(avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264)));
    avcodec_parameters_to_context(decoder.get(), context->streams[0]->codecpar);
    ASSERT_GE(avcodec_open2(decoder.get(), nullptr, nullptr), 0);
    const av::Packet packet = av::make_packet();
    const av::Frame frame = av::make_frame();
    for (bool more = true; more;) {
      more = av_read_frame(context, packet.get()) >= 0;
      avcodec_send_packet(decoder.get(), more ? packet.get() : nullptr);
      av_packet_unref(packet.get());
      while (avcodec_receive_frame(decoder.get(), frame.get()) == 0)
        numbers.push_back(number_in(frame->data[0], frame->linesize[0]));
    }
  });
  HostPool surfaces(160, 96, 1);
  std::unique_ptr<LibavEncoder> encoder;
  std::string refusal;
  for (int attempt = 0; attempt < 100 && !encoder; ++attempt) try {
      encoder = std::make_unique<LibavEncoder>(config_for(url));
    } catch (const std::runtime_error& e) {
      refusal = e.what();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the server is not up yet
    }
  if (!encoder) server.join();
  ASSERT_TRUE(encoder) << refusal;
  for (int n = 0; n < 60; ++n) ASSERT_EQ(write_picture(*encoder, surfaces, n), Status::ok);
  EXPECT_EQ(encoder->finish(), Status::ok);
  EXPECT_EQ(encoder->report().path, fmt::format("rtmp://127.0.0.1:{}/live/***", port));
  encoder.reset();
  server.join();
  ASSERT_EQ(numbers.size(), 60u);
  for (int n = 0; n < 60; ++n) EXPECT_EQ(numbers[n], n);
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

// --- sudden death: this program starts itself again and kills the copy ---------------------------

TEST(DISABLED_EncoderChild, EncodesUntilItIsKilled) {
  const char* path = std::getenv("GANTRY_CHILD_OUTPUT");
  ASSERT_NE(path, nullptr);
  HostPool surfaces(160, 96, 1);
  LibavEncoder encoder(config_for(path));
  std::ofstream progress(std::string(path) + ".progress", std::ios::binary);
  for (int n = 0; n < 30'000; ++n) {
    write_picture(encoder, surfaces, n);
    progress.put('x').flush();
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  }
}

pid_t start_child(const std::string& output) {
  std::string program = fs::read_symlink("/proc/self/exe"),
              filter = "--gtest_filter=*EncoderChild*", all = "--gtest_also_run_disabled_tests",
              brief = "--gtest_brief=1", variable = "GANTRY_CHILD_OUTPUT=" + output;
  std::vector<char*> arguments{program.data(), filter.data(), all.data(), brief.data(), nullptr};
  std::vector<char*> environment{variable.data()};
  for (char** e = environ; *e; ++e) environment.push_back(*e);
  environment.push_back(nullptr);
  pid_t child = 0;
  posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environment.data());
  return child;
}

TEST(LibavEncoder, AKilledProcessLeavesFilesThatPlayUpToTheLastSecond) {
  const int kills = is_long_run() ? 50 : 6;
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  int longest_loss = 0, empty = 0;
  for (int i = 0; i < kills; ++i) {
    Scratch scratch;
    const std::string extension = i % 2 ? ".mkv" : ".mp4", path = scratch / "out" + extension;
    const pid_t child = start_child(path);
    ASSERT_GT(child, 0);
    for (int wait = 0; !fs::exists(path + ".progress") && wait < 5000; ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 1'200'000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto given = static_cast<int>(fs::file_size(path + ".progress"));
    DecodedClip clip;
    try {
      clip = decode_clip(path);
    } catch (const std::runtime_error& e) {
      EXPECT_LT(given, kRate) << e.what() << ": only what the encoder still held may be missing";
    }
    const auto kept = static_cast<int>(clip.frames.size());
    for (int n = 0; n < kept; ++n) ASSERT_EQ(clip.frames[n].number, n) << path;
    longest_loss = std::max(longest_loss, given - kept);
    empty += kept == 0;
    EXPECT_LE(given - kept, 1.2 * kRate) << extension << ", seed " << seed;
  }
  std::printf("%d kills: at most %.2f s lost, %d files still without a picture\n", kills,
              longest_loss / kRate, empty);
}

}  // namespace
}  // namespace gantry
