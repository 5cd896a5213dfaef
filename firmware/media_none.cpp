// A build without FFmpeg: outputs count, files are refused.
// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "firmware/media.hpp"
#include "hal/encoder/null_encoder.hpp"

namespace gantry::media {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw std::runtime_error(what + ": this build of gantry is without FFmpeg (GANTRY_MEDIA=OFF)");
}

}  // namespace

std::unique_ptr<Camera> open_file_camera(const CameraConfig& camera, bool, ColourMatrix,
                                         ColourRange, const cl::CommandQueue*) {
  refuse(camera.path.string());
}

std::unique_ptr<Encoder> open_encoder(const EncoderConfig& config) {
  return std::make_unique<NullEncoder>(config.path);
}

Picture load_picture(const std::filesystem::path& file, ColourMatrix, ColourRange, OddSize) {
  refuse(file.string());
}

void save_png(const std::filesystem::path& file, const Nv12Layout&, const std::byte*, ColourMatrix,
              ColourRange) {
  refuse(file.string());
}

std::vector<std::string> describe_encoders() {
  return {"none: built without FFmpeg"};
}

}  // namespace gantry::media
