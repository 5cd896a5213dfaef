// What a picture or video file holds, found by opening it and decoding its first picture.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "hal/camera/camera.hpp"
#include "hal/camera/rig.hpp"

namespace gantry {

struct FileInfo {
  CameraFormat format;
  double duration_s = 0;         // 0: unknown
  std::string container, codec;  // FFmpeg's names, for example "matroska,webm" and "hevc"
  std::string pixel_format;      // for example "yuv420p"
  ColourMatrix matrix = ColourMatrix::bt709;  // as tagged, or guessed from the height
  ColourRange range = ColourRange::limited;
};

// Whether a file will do as a camera, before a run. Set-up: throws std::runtime_error as
// FileCamera's constructor does.
FileInfo probe_file(const std::string& path);

}  // namespace gantry
