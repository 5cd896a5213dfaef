// Motion-JPEG pictures to NV12 surfaces, by libavcodec on the camera's own thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "hal/camera/rig.hpp"
#include "hal/memory/surface.hpp"

namespace gantry::v4l2 {

class JpegDecoder {
 public:
  // `matrix`, `range`: of the surfaces; `most_bytes`: of one compressed picture. Throws
  // std::runtime_error in a build without FFmpeg.
  JpegDecoder(ColourMatrix matrix, ColourRange range, std::size_t most_bytes);
  ~JpegDecoder();

  // Writes the picture into the surface's host bytes. False: damaged, or of another size. One
  // thread; allocates inside libavcodec.
  bool decode(std::span<const std::byte> picture, const Surface& surface) noexcept;

 private:
  struct Codec;
  std::unique_ptr<Codec> codec_;
};

}  // namespace gantry::v4l2
