// File cameras, encoders and pictures by FFmpeg.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "firmware/media.hpp"
#include "hal/camera/file_camera.hpp"
#include "hal/encoder/encoder_choice.hpp"
#include "hal/encoder/libav_encoder.hpp"

namespace gantry::media {

std::unique_ptr<Camera> open_file_camera(const CameraConfig& camera, bool real_time,
                                         ColourMatrix matrix, ColourRange range,
                                         const cl::CommandQueue* upload_queue) {
  FileCameraConfig c;
  c.name = camera.name;
  c.path = camera.path.string();
  c.real_time = real_time;
  c.loop = camera.loop;
  c.matrix = matrix;
  c.range = range;
  c.upload_queue = upload_queue;
  return std::make_unique<FileCamera>(c);
}

std::unique_ptr<Encoder> open_encoder(const EncoderConfig& config) {
  return std::make_unique<LibavEncoder>(config);
}

Picture load_picture(const std::filesystem::path& file, ColourMatrix matrix, ColourRange range,
                     OddSize odd_size) {
  return gantry::load_picture(file, matrix, range, odd_size);
}

void save_png(const std::filesystem::path& file, const Nv12Layout& layout, const std::byte* host,
              ColourMatrix matrix, ColourRange range) {
  gantry::save_png(file, layout, host, matrix, range);
}

std::vector<std::string> describe_encoders() {
  std::vector<std::string> lines;
  for (const auto codec : {VideoCodec::h264, VideoCodec::hevc}) {
    EncoderConfig config;
    config.codec = codec;
    config.width = 1920;
    config.height = 1080;
    config.frames_per_second = 30;
    for (const auto& probe : probe_encoders(config))
      lines.push_back(fmt::format("{:<18} {}  {}", probe.name,
                                  probe.hardware ? "hardware" : "software",
                                  probe.works ? "works" : probe.cause));
  }
  return lines;
}

}  // namespace gantry::media
