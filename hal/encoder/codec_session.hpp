// One open video encoder of libavcodec, fed with NV12 pictures in host memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "hal/encoder/output_config.hpp"
#include "hal/media/av.hpp"

namespace gantry {

// One thread. Allocates inside libavcodec.
class CodecSession {
 public:
  // Ticks of packets and frames: divides 24, 25, 30, 50, 60 and 30000/1001 fps without a rest.
  static constexpr AVRational kTimeBase{1, 90'000};

  // Set-up. `name` is a libavcodec encoder. `global_header`: parameter sets go to the container's
  // header. Throws std::runtime_error with the encoder's name and cause.
  CodecSession(const EncoderConfig& config, const std::string& name, bool global_header);

  const AVCodecContext& context() const { return *context_; }
  const char* name() const { return context_->codec->name; }

  // Takes an NV12 picture of the configured size, its pts in kTimeBase; null: no more will come.
  // Zero-copy where the encoder reads NV12 in host memory: it then keeps references to the frame's
  // buffers as long as it needs them. Answers an FFmpeg code.
  int send(const AVFrame* nv12) noexcept;
  // The next packet; AVERROR(EAGAIN) if another picture is needed, AVERROR_EOF after the last.
  int receive(AVPacket& packet) noexcept;

 private:
  void set_picture(const EncoderConfig& config);
  void set_rate(const EncoderConfig& config, const std::string& name, av::Options& options);
  void choose_input(const AVCodec& codec, const EncoderConfig& config);
  void make_vaapi_frames(const EncoderConfig& config);
  int split_chroma(const AVFrame& nv12) noexcept;
  int upload(const AVFrame& nv12) noexcept;

  av::Codec context_;
  av::Buffer device_, frames_;
  av::Frame input_;  // where the encoder cannot read NV12 in host memory
};

}  // namespace gantry
