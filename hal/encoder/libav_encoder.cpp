// Surfaces in, packets out, one at a time.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/libav_encoder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "hal/encoder/codec_session.hpp"
#include "hal/encoder/container.hpp"
#include "hal/encoder/encoder_choice.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

constexpr std::array<std::string_view, 10> kPresets = {
    "ultrafast", "superfast", "veryfast", "faster",   "fast",
    "medium",    "slow",      "slower",   "veryslow", "placebo"};

template <typename T>
void require(const std::string& path, const char* key, T value, T low, T high) {
  if (!(value >= low && value <= high))  // refuses NaN too
    throw std::invalid_argument(
        fmt::format("{}: {} = {}; it must be from {} to {}", path, key, value, low, high));
}

void check(const EncoderConfig& c) {
  const std::string path = shown_path(c.path);
  if (c.width % 2 || c.height % 2 || c.width < 16 || c.height < 16 || c.width > 16384 ||
      c.height > 16384)
    throw std::invalid_argument(
        fmt::format("{}: picture size {}x{}; an encoder takes even sizes from 16 to 16384", path,
                    c.width, c.height));
  require(path, "frames_per_second", c.frames_per_second, 1.0, 1000.0);
  require<std::int64_t>(path, "bits_per_second", c.bits_per_second, 0, 2'000'000'000);
  require(path, "quality", c.quality, 1, 51);
  require(path, "gop_s", c.gop_s, 0.0, 60.0);
  require(path, "threads", c.threads, 1, 64);
  if (std::find(kPresets.begin(), kPresets.end(), c.preset) == kPresets.end())
    throw std::invalid_argument(fmt::format("{}: preset '{}'; it must be one of {}", path, c.preset,
                                            fmt::join(kPresets, ", ")));
}

// A frame over the surface's own bytes. Its buffer holds a share of the surface until FFmpeg, on
// whatever thread, drops its last reference.
bool wrap(const SurfaceRef& surface, const EncoderConfig& config, AVFrame& frame) noexcept {
  auto* share = new (std::nothrow) SurfaceRef(surface.share());
  if (!share) return false;
  frame.buf[0] = av_buffer_create(
      surface->luma(), surface->layout.bytes(),
      [](void* opaque, std::uint8_t*) { delete static_cast<SurfaceRef*>(opaque); }, share,
      AV_BUFFER_FLAG_READONLY);
  if (!frame.buf[0]) {
    delete share;
    return false;
  }
  frame.format = AV_PIX_FMT_NV12;
  frame.width = config.width;
  frame.height = config.height;
  frame.data[0] = surface->luma();
  frame.data[1] = surface->chroma();
  frame.linesize[0] = frame.linesize[1] = surface->layout.pitch;
  frame.colorspace = av::space_of(config.matrix);
  frame.color_range = av::range_tag(config.range);
  return true;
}

}  // namespace

struct LibavEncoder::Media {
  Media(const EncoderConfig& config, const std::string& name)
      : container(config.path), codec(config, name, container.wants_global_header()) {
    container.add_stream(codec.context());
    container.open();
  }
  Container container;
  CodecSession codec;
  av::Frame frame = av::make_frame();
  av::Packet packet = av::make_packet();
};

LibavEncoder::LibavEncoder(const EncoderConfig& config)
    : config_(config), shown_(shown_path(config.path)) {
  check(config);
  const Container container(config.path);
  container.require_codec(config.codec == VideoCodec::h264 ? AV_CODEC_ID_H264 : AV_CODEC_ID_HEVC);
  codec_ = choose_encoder(config);
  std::error_code ignored;
  if (config.keep_existing && !is_url(config.path) && std::filesystem::exists(config.path, ignored))
    config_.path = next_free_path(config.path);
  if (!config.open_later)
    begin();
  else if (!is_url(config.path))
    reopen();
}

// A new file or connection; the first picture that comes is its first.
void LibavEncoder::begin() {
  media_ = std::make_unique<Media>(config_, codec_);
  first_ns_.reset();
  last_pts_ = -1;
  failed_ = false;
  cause_.clear();
}

void LibavEncoder::end_part() noexcept {
  if (!media_) return;
  former_.frames += media_->container.packets_written();
  former_.duration_s += media_->container.duration_s();
  former_.bytes += media_->container.bytes();
  media_.reset();
}

Status LibavEncoder::reopen() noexcept {
  if (finished_) return Status::lost;
  try {
    const bool again = media_ != nullptr;
    end_part();
    if (again && !is_url(config_.path)) config_.path = next_free_path(shown_);
    begin();
    if (again && !is_url(config_.path)) log::info("output {}: continues {}", config_.path, shown_);
    return Status::ok;
  } catch (const std::exception& e) {
    if (cause_ != e.what()) log::warning("output: {}; it is tried again", e.what());
    cause_ = e.what();
    return Status::lost;
  }
}

std::uint64_t LibavEncoder::frames_written() const noexcept {
  return former_.frames + (media_ ? media_->container.packets_written() : 0);
}

LibavEncoder::~LibavEncoder() {
  finish();
}

Status LibavEncoder::write(const SurfaceRef& surface, std::int64_t presentation_ns) noexcept {
  if (!open()) return Status::lost;
  if (surface->layout.width != config_.width || surface->layout.height != config_.height ||
      !surface->memory.host)
    return fail("got a picture of another size or without host memory", AVERROR(EINVAL));
  if (!first_ns_) first_ns_ = presentation_ns;
  const std::int64_t pts = av_rescale_q_rnd(presentation_ns - *first_ns_, {1, 1'000'000'000},
                                            CodecSession::kTimeBase, AV_ROUND_NEAR_INF);
  if (pts <= last_pts_) return Status::dropped;
  last_pts_ = pts;
  AVFrame& frame = *media_->frame;
  if (!wrap(surface, config_, frame)) return fail("has no memory", AVERROR(ENOMEM));
  frame.pts = pts;
  av::forget_messages();
  const int sent = media_->codec.send(&frame);
  av_frame_unref(&frame);
  if (sent < 0) return fail("cannot encode", sent);
  return write_packets();
}

Status LibavEncoder::write_packets() noexcept {
  const std::int64_t interval = std::llround(90'000 / config_.frames_per_second);
  for (;;) {
    AVPacket& packet = *media_->packet;
    const int received = media_->codec.receive(packet);
    if (received == AVERROR(EAGAIN) || received == AVERROR_EOF) return Status::ok;
    if (received < 0) return fail("cannot encode", received);
    if (packet.duration == 0) packet.duration = interval;
    if (media_->container.write(packet, 0) != Status::ok) {
      failed_ = true;
      return Status::lost;
    }
  }
}

Status LibavEncoder::fail(const char* what, int code) noexcept {
  failed_ = true;
  log::error("output {}: {} {}: {}", media_->container.shown(), media_->codec.name(), what,
             av::error_text(code));
  media_->container.close();
  return Status::lost;
}

Status LibavEncoder::finish() noexcept {
  if (finished_) return failed_ ? Status::lost : Status::ok;
  finished_ = true;
  if (!media_) {
    failed_ = true;
    return Status::lost;
  }
  if (!failed_) {
    const int sent = media_->codec.send(nullptr);
    if (sent < 0)
      fail("cannot be flushed", sent);
    else
      write_packets();
  }
  if (media_->container.close() != Status::ok) failed_ = true;
  return failed_ ? Status::lost : Status::ok;
}

EncoderReport LibavEncoder::report() const {
  EncoderReport report = former_;
  report.path = shown_;
  report.codec = codec_;
  if (!media_) return report;
  report.frames += media_->container.packets_written();
  report.duration_s += media_->container.duration_s();
  report.bytes += media_->container.bytes();
  return report;
}

}  // namespace gantry
