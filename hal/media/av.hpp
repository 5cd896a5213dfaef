// What every user of FFmpeg here needs: owners of its objects, its errors in words, its silence.
// SPDX-License-Identifier: Apache-2.0
#pragma once
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}
#include <cstdint>
#include <memory>
#include <string>

#include "hal/camera/rig.hpp"

namespace gantry::av {

// FFmpeg's free functions take the address of the pointer.
template <auto Free>
struct FreeByAddress {
  template <typename T>
  void operator()(T* object) const noexcept {
    Free(&object);
  }
};
using Frame = std::unique_ptr<AVFrame, FreeByAddress<av_frame_free>>;
using Packet = std::unique_ptr<AVPacket, FreeByAddress<av_packet_free>>;
using Codec = std::unique_ptr<AVCodecContext, FreeByAddress<avcodec_free_context>>;
using Demuxer = std::unique_ptr<AVFormatContext, FreeByAddress<avformat_close_input>>;
using Buffer = std::unique_ptr<AVBufferRef, FreeByAddress<av_buffer_unref>>;

// Set-up: throw std::bad_alloc.
Frame make_frame();
Packet make_packet();

// A dictionary of options for one call; what the call did not know is left in it.
class Options {
 public:
  Options() = default;
  ~Options() { av_dict_free(&entries_); }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  void set(const char* key, const std::string& value) {
    av_dict_set(&entries_, key, value.c_str(), 0);
  }
  AVDictionary** address() { return &entries_; }
  // The first key that was not used; empty if all were.
  std::string unused() const;

 private:
  AVDictionary* entries_ = nullptr;
};

// Keeps FFmpeg from writing to stderr; its last error line is kept per thread for error_text().
// Every object here that opens something calls it. Any thread, idempotent.
void silence() noexcept;
// Forgets the kept line: call before an operation whose error is to be told.
void forget_messages() noexcept;
// An FFmpeg error code in words, with the library's own last line if there is one.
std::string error_text(int code);

// The matrix and range that a picture is in; what is not tagged is BT.601 up to 576 rows, else
// BT.709, and of limited range.
ColourMatrix matrix_of(const AVFrame& frame) noexcept;
ColourRange range_of(const AVFrame& frame) noexcept;
// The tags that say so.
AVColorSpace space_of(ColourMatrix matrix) noexcept;
AVColorRange range_tag(ColourRange range) noexcept;

}  // namespace gantry::av
