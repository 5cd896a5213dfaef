// Opens encoders and gives each its pictures in the form that it reads.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/codec_session.hpp"

extern "C" {
#include <libavutil/hwcontext.h>
}
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr int kMostLookahead =
    10;  // pictures an encoder may hold back: they are lost at a power cut

bool reads(const AVCodec& codec, AVPixelFormat format) {
  for (const AVPixelFormat* f = codec.pix_fmts; f && *f != AV_PIX_FMT_NONE; ++f)
    if (*f == format) return true;
  return false;
}

bool has(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

// For encoders that know no constant quality: 0.1 bit a pixel at quality 23, doubled every 6 steps.
std::int64_t estimated_bits_per_second(const EncoderConfig& c) {
  return std::llround(0.1 * c.width * c.height * c.frames_per_second *
                      std::exp2((23 - c.quality) / 6.0));
}

}  // namespace

CodecSession::CodecSession(const EncoderConfig& config, const std::string& name,
                           bool global_header) {
  av::silence();
  av::forget_messages();
  const AVCodec* codec = avcodec_find_encoder_by_name(name.c_str());
  if (!codec)
    throw std::runtime_error(fmt::format(
        "encoder '{}' is not in this FFmpeg; use auto or software, or see: ffmpeg -encoders",
        name));
  const AVCodecID wanted = config.codec == VideoCodec::h264 ? AV_CODEC_ID_H264 : AV_CODEC_ID_HEVC;
  if (codec->id != wanted)
    throw std::runtime_error(fmt::format("encoder '{}' makes {}, but {} is asked for", name,
                                         avcodec_get_name(codec->id), avcodec_get_name(wanted)));
  context_.reset(avcodec_alloc_context3(codec));
  if (!context_) throw std::bad_alloc();
  set_picture(config);
  av::Options options;
  set_rate(config, name, options);
  choose_input(*codec, config);
  if (global_header) context_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (const int r = avcodec_open2(context_.get(), codec, options.address()); r < 0)
    throw std::runtime_error(
        fmt::format("encoder '{}' cannot be opened for {}x{} at {:.3f} fps: {}", name, config.width,
                    config.height, config.frames_per_second, av::error_text(r)));
}

void CodecSession::set_picture(const EncoderConfig& config) {
  context_->width = config.width;
  context_->height = config.height;
  context_->time_base = kTimeBase;
  context_->framerate = av_d2q(config.frames_per_second, 100'000);
  context_->sample_aspect_ratio = {1, 1};
  context_->gop_size =
      std::max(1, static_cast<int>(std::lround(config.gop_s * config.frames_per_second)));
  context_->thread_count = config.threads;
  context_->colorspace = av::space_of(config.matrix);
  context_->color_range = av::range_tag(config.range);
  const bool hd = config.matrix == ColourMatrix::bt709;
  context_->color_primaries = hd ? AVCOL_PRI_BT709 : AVCOL_PRI_SMPTE170M;
  context_->color_trc = hd ? AVCOL_TRC_BT709 : AVCOL_TRC_SMPTE170M;
  context_->chroma_sample_location = AVCHROMA_LOC_LEFT;
}

void CodecSession::set_rate(const EncoderConfig& config, const std::string& name,
                            av::Options& options) {
  const bool x264 = name == "libx264", x265 = name == "libx265";
  const std::string quality = std::to_string(config.quality);
  if (config.bits_per_second > 0) {
    context_->bit_rate = config.bits_per_second;
    context_->rc_max_rate = config.bits_per_second * 3 / 2;
    context_->rc_buffer_size =
        static_cast<int>(std::min<std::int64_t>(config.bits_per_second * 2, INT32_MAX));
  } else if (x264 || x265) {
    options.set("crf", quality);
  } else if (has(name, "_nvenc")) {
    options.set("rc", "vbr");
    options.set("cq", quality);
  } else if (has(name, "_vaapi")) {
    options.set("rc_mode", "CQP");
    options.set("qp", quality);
  } else {
    context_->bit_rate = estimated_bits_per_second(config);
  }
  const int lookahead =
      std::clamp(static_cast<int>(config.frames_per_second / 3), 1, kMostLookahead);
  if (x264 || x265) options.set("preset", config.preset);
  if (x264) options.set("x264-params", fmt::format("rc-lookahead={}:sync-lookahead=0", lookahead));
  if (x265)
    options.set("x265-params",
                fmt::format("log-level=none:rc-lookahead={}:pools={}:frame-threads=1", lookahead,
                            config.threads));
}

void CodecSession::choose_input(const AVCodec& codec, const EncoderConfig& config) {
  if (!codec.pix_fmts || reads(codec, AV_PIX_FMT_NV12)) {
    context_->pix_fmt = AV_PIX_FMT_NV12;
  } else if (reads(codec, AV_PIX_FMT_VAAPI)) {
    make_vaapi_frames(config);
    input_ = av::make_frame();
  } else if (reads(codec, AV_PIX_FMT_YUV420P)) {
    context_->pix_fmt = AV_PIX_FMT_YUV420P;
    input_ = av::make_frame();
    input_->format = AV_PIX_FMT_YUV420P;
    input_->width = config.width;
    input_->height = config.height;
    if (av_frame_get_buffer(input_.get(), 0) < 0) throw std::bad_alloc();
  } else {
    throw std::runtime_error(
        fmt::format("encoder '{}' reads neither NV12 nor planar 4:2:0", codec.name));
  }
}

void CodecSession::make_vaapi_frames(const EncoderConfig& config) {
  AVBufferRef* device = nullptr;
  if (const int r = av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_VAAPI, nullptr, nullptr, 0);
      r < 0)
    throw std::runtime_error("no VA-API device: " + av::error_text(r));
  device_.reset(device);
  frames_.reset(av_hwframe_ctx_alloc(device));
  if (!frames_) throw std::bad_alloc();
  auto* frames = reinterpret_cast<AVHWFramesContext*>(frames_->data);
  frames->format = AV_PIX_FMT_VAAPI;
  frames->sw_format = AV_PIX_FMT_NV12;
  frames->width = config.width;
  frames->height = config.height;
  frames->initial_pool_size = kMostLookahead + 10;
  if (const int r = av_hwframe_ctx_init(frames_.get()); r < 0)
    throw std::runtime_error("VA-API surfaces: " + av::error_text(r));
  context_->pix_fmt = AV_PIX_FMT_VAAPI;
  context_->hw_frames_ctx = av_buffer_ref(frames_.get());
}

int CodecSession::send(const AVFrame* nv12) noexcept {
  if (!nv12 || !input_) return avcodec_send_frame(context_.get(), nv12);
  const int prepared = frames_ ? upload(*nv12) : split_chroma(*nv12);
  if (prepared < 0) return prepared;
  av_frame_copy_props(input_.get(), nv12);
  const int sent = avcodec_send_frame(context_.get(), input_.get());
  if (frames_) av_frame_unref(input_.get());
  return sent;
}

int CodecSession::receive(AVPacket& packet) noexcept {
  return avcodec_receive_packet(context_.get(), &packet);
}

int CodecSession::split_chroma(const AVFrame& nv12) noexcept {
  AVFrame& out = *input_;
  if (const int r = av_frame_make_writable(&out); r < 0) return r;
  const std::ptrdiff_t width = nv12.width, height = nv12.height;
  for (std::ptrdiff_t row = 0; row < height; ++row)
    std::copy_n(nv12.data[0] + row * nv12.linesize[0], width, out.data[0] + row * out.linesize[0]);
  for (std::ptrdiff_t row = 0; row < height / 2; ++row) {
    const std::uint8_t* pairs = nv12.data[1] + row * nv12.linesize[1];
    std::uint8_t* cb = out.data[1] + row * out.linesize[1];
    std::uint8_t* cr = out.data[2] + row * out.linesize[2];
    for (std::ptrdiff_t x = 0; x < width / 2; ++x) {
      cb[x] = pairs[2 * x];
      cr[x] = pairs[2 * x + 1];
    }
  }
  return 0;
}

int CodecSession::upload(const AVFrame& nv12) noexcept {
  if (const int r = av_hwframe_get_buffer(frames_.get(), input_.get(), 0); r < 0) return r;
  return av_hwframe_transfer_data(input_.get(), &nv12, 0);
}

}  // namespace gantry
