// What the firmware takes from FFmpeg: file cameras, encoders, pictures. In a build without it
// (GANTRY_MEDIA=OFF) outputs count their frames and all else refuses, saying why.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "firmware/config.hpp"
#include "hal/encoder/encoder.hpp"
#include "hal/encoder/picture_file.hpp"

namespace gantry::media {

// Set-up: all throw std::runtime_error naming the file and what would be right.
std::unique_ptr<Camera> open_file_camera(const CameraConfig& camera, bool real_time,
                                         ColourMatrix matrix, ColourRange range,
                                         const cl::CommandQueue* upload_queue);
std::unique_ptr<Encoder> open_encoder(const EncoderConfig& config);
Picture load_picture(const std::filesystem::path& file, ColourMatrix matrix, ColourRange range,
                     OddSize odd_size);
void save_png(const std::filesystem::path& file, const Nv12Layout& layout, const std::byte* host,
              ColourMatrix matrix, ColourRange range);
// One line per encoder: its name, and whether it works here.
std::vector<std::string> describe_encoders();

}  // namespace gantry::media
