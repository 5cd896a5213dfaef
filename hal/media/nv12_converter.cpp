// Writes decoded pictures as NV12 into surfaces: 8-bit 4:2:0 in one pass, all else through libswscale.
// SPDX-License-Identifier: Apache-2.0
#include "hal/media/nv12_converter.hpp"

extern "C" {
#include <libswscale/swscale.h>
}
#include <algorithm>
#include <cmath>
#include <cstring>

namespace gantry::av {
namespace {

constexpr int kShift = 14;

int fixed(double value) {
  return static_cast<int>(std::lround(value * (1 << kShift)));
}

std::uint8_t clamped(int value) {
  return static_cast<std::uint8_t>(std::clamp(value >> kShift, 0, 255));
}

struct ChromaRow {
  const std::uint8_t* cb;
  const std::uint8_t* cr;
};

// Step: 1 where the chroma is planar, 2 where it is interleaved; constant, so that loops vectorise.
template <int Step>
void transform_luma_row(const YuvTransform& t, const std::uint8_t* luma, const ChromaRow& chroma,
                        int width, std::uint8_t* __restrict out) {
  const int y = fixed(t.luma), cb = fixed(t.luma_cb), cr = fixed(t.luma_cr);
  const int offset = fixed(t.offset + 0.5);
  for (int x = 0; x < width / 2; ++x) {
    const int shared = cb * (chroma.cb[x * Step] - 128) + cr * (chroma.cr[x * Step] - 128) + offset;
    out[2 * x] = clamped(y * luma[2 * x] + shared);
    out[2 * x + 1] = clamped(y * luma[2 * x + 1] + shared);
  }
}

template <int Step>
void transform_chroma_row(const YuvTransform& t, const ChromaRow& chroma, int width,
                          std::uint8_t* __restrict out) {
  const int cb_cb = fixed(t.cb_cb), cb_cr = fixed(t.cb_cr);
  const int cr_cb = fixed(t.cr_cb), cr_cr = fixed(t.cr_cr), offset = fixed(128.5);
  for (int x = 0; x < width / 2; ++x) {
    const int cb = chroma.cb[x * Step] - 128, cr = chroma.cr[x * Step] - 128;
    out[2 * x] = clamped(cb_cb * cb + cb_cr * cr + offset);
    out[2 * x + 1] = clamped(cr_cb * cb + cr_cr * cr + offset);
  }
}

void interleave_row(const std::uint8_t* __restrict cb, const std::uint8_t* __restrict cr, int width,
                    std::uint8_t* __restrict out) {
  for (int x = 0; x < width / 2; ++x) {
    out[2 * x] = cb[x];
    out[2 * x + 1] = cr[x];
  }
}

void convert_chroma_row(const YuvTransform& t, const ChromaRow& chroma, bool planar, int width,
                        std::uint8_t* out) {
  if (!t.identity && planar)
    transform_chroma_row<1>(t, chroma, width, out);
  else if (!t.identity)
    transform_chroma_row<2>(t, chroma, width, out);
  else if (planar)
    interleave_row(chroma.cb, chroma.cr, width, out);
  else
    std::memcpy(out, chroma.cb, static_cast<std::size_t>(width));
}

bool is_420_8bit(const AVFrame& f) {
  return f.format == AV_PIX_FMT_NV12 || f.format == AV_PIX_FMT_YUV420P ||
         f.format == AV_PIX_FMT_YUVJ420P;
}

// libswscale rebuilds its context at every call for the full-range twins, which range_of() tells
// apart.
AVPixelFormat without_range(int format) {
  switch (format) {
    case AV_PIX_FMT_YUVJ420P:
      return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
      return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P:
      return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P:
      return AV_PIX_FMT_YUV440P;
    default:
      return static_cast<AVPixelFormat>(format);
  }
}

bool has_other_matrix(const AVFrame& f) {
  return f.colorspace == AVCOL_SPC_BT2020_NCL || f.colorspace == AVCOL_SPC_BT2020_CL ||
         f.colorspace == AVCOL_SPC_SMPTE240M;
}

void convert_420(const AVFrame& f, const YuvTransform& t, const Nv12Layout& layout,
                 std::uint8_t* picture) {
  const bool planar = f.format != AV_PIX_FMT_NV12;
  std::uint8_t* chroma_out = picture + layout.chroma_offset();
  for (int row = 0; row < layout.height; ++row) {
    const std::ptrdiff_t half = row / 2;
    const std::uint8_t* luma = f.data[0] + static_cast<std::ptrdiff_t>(row) * f.linesize[0];
    const std::uint8_t* first = f.data[1] + half * f.linesize[1];
    const ChromaRow chroma =
        planar ? ChromaRow{first, f.data[2] + half * f.linesize[2]} : ChromaRow{first, first + 1};
    std::uint8_t* luma_out = picture + static_cast<std::ptrdiff_t>(row) * layout.pitch;
    std::uint8_t* pairs_out = chroma_out + half * layout.pitch;
    if (t.identity)
      std::memcpy(luma_out, luma, static_cast<std::size_t>(layout.width));
    else if (planar)
      transform_luma_row<1>(t, luma, chroma, layout.width, luma_out);
    else
      transform_luma_row<2>(t, luma, chroma, layout.width, luma_out);
    if (row % 2 == 0) convert_chroma_row(t, chroma, planar, layout.width, pairs_out);
  }
}

}  // namespace

Nv12Converter::~Nv12Converter() {
  sws_freeContext(scaler_);
}

bool Nv12Converter::convert(const AVFrame& frame, const Nv12Layout& layout,
                            std::uint8_t* picture) noexcept {
  if (frame.width < layout.width || frame.height < layout.height) return false;
  if (!is_420_8bit(frame) || has_other_matrix(frame)) return scale(frame, layout, picture);
  convert_420(frame, yuv_transform(matrix_of(frame), range_of(frame), matrix_, range_), layout,
              picture);
  return true;
}

bool Nv12Converter::scale(const AVFrame& frame, const Nv12Layout& layout,
                          std::uint8_t* picture) noexcept {
  silence();
  const AVPixelFormat format = without_range(frame.format);
  const AVPixFmtDescriptor* description = av_pix_fmt_desc_get(format);
  if (!description) return false;
  scaler_ = sws_getCachedContext(
      scaler_, layout.width, layout.height, format, layout.width, layout.height, AV_PIX_FMT_NV12,
      SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP, nullptr, nullptr, nullptr);
  if (!scaler_) return false;
  const int from = has_other_matrix(frame) ? static_cast<int>(frame.colorspace)
                                           : static_cast<int>(space_of(matrix_of(frame)));
  const bool rgb_or_grey =
      (description->flags & AV_PIX_FMT_FLAG_RGB) != 0 || description->nb_components < 3;
  sws_setColorspaceDetails(scaler_, sws_getCoefficients(from),
                           rgb_or_grey || range_of(frame) == ColourRange::full,
                           sws_getCoefficients(static_cast<int>(space_of(matrix_))),
                           range_ == ColourRange::full, 0, 1 << 16, 1 << 16);
  std::uint8_t* const planes[4] = {picture, picture + layout.chroma_offset(), nullptr, nullptr};
  const int pitches[4] = {layout.pitch, layout.pitch, 0, 0};
  return sws_scale(scaler_, frame.data, frame.linesize, 0, layout.height, planes, pitches) ==
         layout.height;
}

}  // namespace gantry::av
