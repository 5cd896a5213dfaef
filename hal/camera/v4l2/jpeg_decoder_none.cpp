// Motion JPEG in a build without FFmpeg: refused, saying why.
// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "hal/camera/v4l2/jpeg_decoder.hpp"

namespace gantry::v4l2 {

struct JpegDecoder::Codec {};

JpegDecoder::JpegDecoder(ColourMatrix, ColourRange, std::size_t) {
  throw std::runtime_error("MJPEG needs FFmpeg, which this build is without (GANTRY_MEDIA=OFF)");
}
JpegDecoder::~JpegDecoder() = default;

bool JpegDecoder::decode(std::span<const std::byte>, const Surface&) noexcept {
  return false;
}

}  // namespace gantry::v4l2
