// Tries encoders with a grey picture.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/encoder_choice.hpp"

#include <cstring>
#include <exception>
#include <span>
#include <stdexcept>

#include "hal/encoder/codec_session.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

struct Candidate {
  const char* name;
  bool hardware;
};

constexpr Candidate kH264[] = {
    {"h264_nvenc", true}, {"h264_vaapi", true}, {"h264_v4l2m2m", true}, {"libx264", false}};
constexpr Candidate kHevc[] = {
    {"hevc_nvenc", true}, {"hevc_vaapi", true}, {"hevc_v4l2m2m", true}, {"libx265", false}};

std::span<const Candidate> candidates(VideoCodec codec) {
  return codec == VideoCodec::h264 ? std::span<const Candidate>(kH264) : kHevc;
}

av::Frame grey_picture(const EncoderConfig& config) {
  av::Frame frame = av::make_frame();
  frame->format = AV_PIX_FMT_NV12;
  frame->width = config.width;
  frame->height = config.height;
  if (av_frame_get_buffer(frame.get(), 0) < 0) throw std::bad_alloc();
  const auto rows = static_cast<std::size_t>(config.height);
  std::memset(frame->data[0], 128, rows * static_cast<std::size_t>(frame->linesize[0]));
  std::memset(frame->data[1], 128, rows / 2 * static_cast<std::size_t>(frame->linesize[1]));
  frame->pts = 0;
  return frame;
}

EncoderProbe probe(const EncoderConfig& config, const Candidate& candidate) try {
  EncoderProbe result{candidate.name, candidate.hardware, false, ""};
  CodecSession session(config, candidate.name, true);
  const av::Frame frame = grey_picture(config);
  const av::Packet packet = av::make_packet();
  int r = session.send(frame.get());
  if (r >= 0) r = session.send(nullptr);
  if (r >= 0) r = session.receive(*packet);
  result.works = r >= 0 && packet->size > 0;
  if (!result.works) result.cause = "encodes no picture: " + av::error_text(r);
  return result;
} catch (const std::exception& e) {
  return {candidate.name, candidate.hardware, false, e.what()};
}

std::string first_that_works(const EncoderConfig& config, bool with_hardware) {
  std::string causes;
  for (const Candidate& candidate : candidates(config.codec)) {
    if (candidate.hardware && !with_hardware) continue;
    const EncoderProbe result = probe(config, candidate);
    if (result.works) {
      log::info("output {}: encoder {}{}", shown_path(config.path), result.name,
                !with_hardware || result.hardware ? "" : " (no hardware encoder works here)");
      return result.name;
    }
    causes += "\n  " + result.cause;
  }
  throw std::runtime_error(shown_path(config.path) + ": no encoder works here:" + causes);
}

}  // namespace

std::vector<EncoderProbe> probe_encoders(const EncoderConfig& config) {
  std::vector<EncoderProbe> results;
  for (const Candidate& candidate : candidates(config.codec))
    results.push_back(probe(config, candidate));
  return results;
}

std::string choose_encoder(const EncoderConfig& config) {
  if (config.encoder == "auto") return first_that_works(config, true);
  if (config.encoder == "software") return first_that_works(config, false);
  const bool software = config.encoder.starts_with("lib");
  const EncoderProbe result = probe(config, {config.encoder.c_str(), !software});
  if (!result.works) throw std::runtime_error(shown_path(config.path) + ": " + result.cause);
  return config.encoder;
}

}  // namespace gantry
