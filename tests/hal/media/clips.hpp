// Test clips: pictures that carry their number, written and read back by libav alone.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "hal/log/log.hpp"
#include "hal/media/av.hpp"
#include "hal/memory/surface.hpp"

namespace gantry::test {

namespace fs = std::filesystem;

// A folder of its own that goes away with the test.
class Scratch {
 public:
  Scratch()
      : path_(fs::temp_directory_path() /
              ("gantry-media-" + std::to_string(getpid()) + "-" + std::to_string(count_++))) {
    fs::create_directories(path_);
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  const fs::path& path() const { return path_; }
  bool empty() const { return fs::is_empty(path_); }

 private:
  static inline int count_ = 0;
  fs::path path_;
};

// Surfaces in plain host memory.
class HostPool {
 public:
  HostPool(int width, int height, std::uint32_t count)
      : layout(nv12_layout(width, height)),
        bytes_(count, std::vector<std::byte>(layout.bytes(), std::byte{0xEE})),
        pool(count, [this](std::uint32_t i) {
          Surface surface;
          surface.layout = layout;
          surface.memory.host = bytes_[i].data();
          surface.memory.bytes = layout.bytes();
          return surface;
        }) {}
  const Nv12Layout layout;

 private:
  std::vector<std::vector<std::byte>> bytes_;

 public:
  SurfacePool pool;
};

constexpr int kBlock = 16, kBits = 16;  // the number: 2 rows of 8 blocks in the upper left corner

inline std::uint8_t luma_at(int n, int x, int y) {
  if (x < 8 * kBlock && y < 2 * kBlock) {
    const int bit = y / kBlock * 8 + x / kBlock;
    return (n >> bit & 1) ? 210 : 40;
  }
  return static_cast<std::uint8_t>(60 + (x + 3 * n) % 128 / 2 + y % 64);
}
inline std::uint8_t cb_at(int n, int x, int y) {
  return static_cast<std::uint8_t>(90 + (x + y + n) % 64);
}
inline std::uint8_t cr_at(int n, int x, int y) {
  return static_cast<std::uint8_t>(170 - (x + 2 * y + n) % 64);
}

inline void paint(const Surface& s, int n) {
  for (int y = 0; y < s.layout.height; ++y)
    for (int x = 0; x < s.layout.width; ++x) s.luma()[y * s.layout.pitch + x] = luma_at(n, x, y);
  for (int y = 0; y < s.layout.height / 2; ++y)
    for (int x = 0; x < s.layout.width / 2; ++x) {
      s.chroma()[y * s.layout.pitch + 2 * x] = cb_at(n, x, y);
      s.chroma()[y * s.layout.pitch + 2 * x + 1] = cr_at(n, x, y);
    }
}

inline int number_in(const std::uint8_t* luma, int pitch) {
  int n = 0;
  for (int bit = 0; bit < kBits; ++bit) {
    const int x = bit % 8 * kBlock + kBlock / 2, y = bit / 8 * kBlock + kBlock / 2;
    n |= (luma[y * pitch + x] > 125) << bit;
  }
  return n;
}

struct ClipOptions {
  int width = 160, height = 96, frames = 30;
  AVRational rate{30, 1};
  const char* encoder = "libx264";
  const char* muxer = nullptr;  // by the extension
  AVPixelFormat format = AV_PIX_FMT_YUV420P;
  AVColorSpace space = AVCOL_SPC_BT709;
  AVColorRange range = AVCOL_RANGE_MPEG;
  int gop = 12;
  AVRational time_base{1, 90'000};
  std::function<std::int64_t(int)> pts = nullptr;  // in time_base; null: constant rate
  std::string movflags = {};
  int first_number = 0;
};

inline void must(int code, const char* what) {
  if (code < 0) throw std::runtime_error(std::string(what) + ": " + av::error_text(code));
}

inline av::Frame painted_frame(const ClipOptions& o, int n) {
  av::Frame f = av::make_frame();
  f->format = o.format;
  f->width = o.width;
  f->height = o.height;
  f->colorspace = o.space;
  f->color_range = o.range;
  must(av_frame_get_buffer(f.get(), 0), "buffer");
  const auto* d = av_pix_fmt_desc_get(o.format);
  const bool rgb = d->flags & AV_PIX_FMT_FLAG_RGB;
  for (int y = 0; y < o.height; ++y)
    for (int x = 0; x < o.width; ++x)
      if (rgb)
        for (int c = 0; c < 3; ++c) f->data[0][y * f->linesize[0] + 3 * x + c] = luma_at(n, x, y);
      else
        f->data[0][y * f->linesize[0] + x] = luma_at(n, x, y);
  if (rgb) return f;
  for (int y = 0; y < -(-o.height >> d->log2_chroma_h); ++y)
    for (int x = 0; x < -(-o.width >> d->log2_chroma_w); ++x) {
      f->data[1][y * f->linesize[1] + x] = cb_at(n, x, y);
      f->data[2][y * f->linesize[2] + x] = cr_at(n, x, y);
    }
  return f;
}

// Writes pictures first_number … first_number + frames - 1.
inline void write_clip(const std::string& path, const ClipOptions& o) {
  av::silence();
  AVFormatContext* muxer = nullptr;
  must(avformat_alloc_output_context2(&muxer, nullptr, o.muxer, path.c_str()), "muxer");
  const AVCodec* codec = avcodec_find_encoder_by_name(o.encoder);
  av::Codec encoder(avcodec_alloc_context3(codec));
  encoder->width = o.width;
  encoder->height = o.height;
  encoder->pix_fmt = o.format;
  encoder->time_base = o.time_base;
  encoder->framerate = o.rate;
  encoder->gop_size = o.gop;
  encoder->colorspace = o.space;
  encoder->color_range = o.range;
  encoder->thread_count = 1;
  encoder->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
  if (muxer->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  av::Options encoding;
  if (std::string(o.encoder) == "libx264") encoding.set("preset", "superfast");
  must(avcodec_open2(encoder.get(), codec, encoding.address()), "encoder");
  AVStream* stream = avformat_new_stream(muxer, nullptr);
  avcodec_parameters_from_context(stream->codecpar, encoder.get());
  stream->time_base = o.time_base;
  stream->avg_frame_rate = o.rate;
  if (!(muxer->oformat->flags & AVFMT_NOFILE))
    must(avio_open(&muxer->pb, path.c_str(), AVIO_FLAG_WRITE), "file");
  av::Options muxing;
  if (!o.movflags.empty()) muxing.set("movflags", o.movflags);
  must(avformat_write_header(muxer, muxing.address()), "header");
  av::Packet packet = av::make_packet();
  const auto drain = [&] {
    while (avcodec_receive_packet(encoder.get(), packet.get()) >= 0) {
      av_packet_rescale_ts(packet.get(), o.time_base, stream->time_base);
      packet->stream_index = 0;
      must(av_interleaved_write_frame(muxer, packet.get()), "write");
    }
  };
  for (int i = 0; i < o.frames; ++i) {
    const av::Frame frame = painted_frame(o, o.first_number + i);
    frame->pts = o.pts ? o.pts(i) : av_rescale_q(i, av_inv_q(o.rate), o.time_base);
    must(avcodec_send_frame(encoder.get(), frame.get()), "send");
    drain();
  }
  must(avcodec_send_frame(encoder.get(), nullptr), "flush");
  drain();
  must(av_write_trailer(muxer), "trailer");
  if (!(muxer->oformat->flags & AVFMT_NOFILE)) avio_closep(&muxer->pb);
  avformat_free_context(muxer);
}

struct DecodedFrame {
  std::int64_t pts;  // in the stream's time base
  int number;
  av::Frame frame;
};

struct DecodedClip {
  AVRational time_base{};
  AVCodecID codec{};
  AVColorSpace space{};
  AVColorPrimaries primaries{};
  AVColorRange range{};
  double duration_s = 0;
  std::vector<DecodedFrame> frames;
  int errors = 0;
};

// Decodes all that libav finds, and counts the errors on the way.
inline DecodedClip decode_clip(const std::string& path) {
  av::silence();
  AVFormatContext* context = nullptr;
  must(avformat_open_input(&context, path.c_str(), nullptr, nullptr), path.c_str());
  const av::Demuxer demuxer(context);
  must(avformat_find_stream_info(context, nullptr), "streams");
  const int index = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  must(index, "video stream");
  AVStream* stream = context->streams[index];
  const AVCodec* codec = avcodec_find_decoder(stream->codecpar->codec_id);
  av::Codec decoder(avcodec_alloc_context3(codec));
  avcodec_parameters_to_context(decoder.get(), stream->codecpar);
  decoder->thread_count = 1;
  must(avcodec_open2(decoder.get(), codec, nullptr), "decoder");
  DecodedClip clip;
  clip.time_base = stream->time_base;
  clip.codec = stream->codecpar->codec_id;
  clip.space = stream->codecpar->color_space;
  clip.primaries = stream->codecpar->color_primaries;
  clip.range = stream->codecpar->color_range;
  clip.duration_s = static_cast<double>(context->duration) / AV_TIME_BASE;
  av::Packet packet = av::make_packet();
  for (bool more = true; more;) {
    const int read = av_read_frame(context, packet.get());
    more = read >= 0;
    if (read < 0 && read != AVERROR_EOF) ++clip.errors;
    if (more && packet->stream_index != index) continue;
    if (avcodec_send_packet(decoder.get(), more ? packet.get() : nullptr) < 0) ++clip.errors;
    av_packet_unref(packet.get());
    for (av::Frame f = av::make_frame(); avcodec_receive_frame(decoder.get(), f.get()) == 0;
         f = av::make_frame()) {
      const bool coded = f->width >= 8 * kBlock && f->height >= 2 * kBlock;
      const int number = coded ? number_in(f->data[0], f->linesize[0]) : -1;
      clip.frames.push_back({f->best_effort_timestamp, number, std::move(f)});
    }
  }
  return clip;
}

inline std::vector<char> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Every log line since the last call.
inline std::vector<std::string> log_lines() {
  std::vector<std::string> lines;
  for (log::Record record; log::take(record);) lines.emplace_back(record.view());
  return lines;
}

inline int lines_with(const std::vector<std::string>& lines, const std::string& part) {
  int count = 0;
  for (const auto& line : lines) count += line.find(part) != std::string::npos;
  return count;
}

inline bool near_ns(std::int64_t a, std::int64_t b, std::int64_t tolerance) {
  return std::abs(a - b) <= tolerance;
}

inline bool is_long_run() {
  return std::getenv("GANTRY_LONG") != nullptr;
}

}  // namespace gantry::test
