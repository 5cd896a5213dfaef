// FFmpeg's errors, messages and colour tags.
// SPDX-License-Identifier: Apache-2.0
#include "hal/media/av.hpp"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <new>
#include <string_view>

namespace gantry::av {
namespace {

thread_local char last_message[256] = "";

void keep_message(void*, int level, const char* format, va_list arguments) {
  if (level <= AV_LOG_ERROR) std::vsnprintf(last_message, sizeof last_message, format, arguments);
}

std::string_view kept_message() {
  std::string_view text(last_message);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '.'))
    text.remove_suffix(1);
  return text;
}

}  // namespace

Frame make_frame() {
  Frame frame(av_frame_alloc());
  if (!frame) throw std::bad_alloc();
  return frame;
}

Packet make_packet() {
  Packet packet(av_packet_alloc());
  if (!packet) throw std::bad_alloc();
  return packet;
}

std::string Options::unused() const {
  const AVDictionaryEntry* entry = av_dict_get(entries_, "", nullptr, AV_DICT_IGNORE_SUFFIX);
  return entry ? entry->key : "";
}

void silence() noexcept {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(keep_message); });
}

void forget_messages() noexcept {
  last_message[0] = '\0';
}

std::string error_text(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(code, text, sizeof text);
  std::string words = text;
  if (const auto kept = kept_message(); !kept.empty()) words += " (" + std::string(kept) + ")";
  return words;
}

ColourMatrix matrix_of(const AVFrame& frame) noexcept {
  switch (frame.colorspace) {
    case AVCOL_SPC_BT709:
      return ColourMatrix::bt709;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_FCC:
      return ColourMatrix::bt601;
    default:
      return frame.height <= 576 ? ColourMatrix::bt601 : ColourMatrix::bt709;
  }
}

ColourRange range_of(const AVFrame& frame) noexcept {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  const bool full = frame.color_range == AVCOL_RANGE_JPEG || format == AV_PIX_FMT_YUVJ420P ||
                    format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ444P ||
                    format == AV_PIX_FMT_YUVJ440P;
  return full ? ColourRange::full : ColourRange::limited;
}

AVColorSpace space_of(ColourMatrix matrix) noexcept {
  return matrix == ColourMatrix::bt709 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
}

AVColorRange range_tag(ColourRange range) noexcept {
  return range == ColourRange::full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
}

}  // namespace gantry::av
