// The encoder into streams, and peers that hang up.
// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <csignal>
#include <optional>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/hal/media/encoding.hpp"

namespace gantry {
namespace {

using namespace test;

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

}  // namespace
}  // namespace gantry
