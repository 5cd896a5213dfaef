// Puts any picture that FFmpeg decodes into NV12 planes of a given colour matrix and range.
//
// 8-bit 4:2:0 (what cameras record) is written in one pass by code of our own, with a change of
// matrix or range on the way if needed; everything else goes through libswscale, still straight
// into the planes.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "hal/camera/yuv_transform.hpp"
#include "hal/media/av.hpp"
#include "hal/memory/surface.hpp"

struct SwsContext;

namespace gantry::av {

class Nv12Converter {
 public:
  Nv12Converter(ColourMatrix matrix, ColourRange range) : matrix_(matrix), range_(range) {}
  ~Nv12Converter();
  Nv12Converter(const Nv12Converter&) = delete;
  Nv12Converter& operator=(const Nv12Converter&) = delete;

  // Writes the picture's upper left layout.width × layout.height pixels, each byte once, to
  // `picture` (layout.bytes() long). False if the format cannot be converted or the picture is
  // smaller. One thread; allocates only when the source's format changes and inside libswscale.
  bool convert(const AVFrame& frame, const Nv12Layout& layout, std::uint8_t* picture) noexcept;

 private:
  bool scale(const AVFrame& frame, const Nv12Layout& layout, std::uint8_t* picture) noexcept;

  ColourMatrix matrix_;
  ColourRange range_;
  SwsContext* scaler_ = nullptr;
};

}  // namespace gantry::av
