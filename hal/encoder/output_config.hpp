// What an encoder output shall be: where it goes, its codec and how much it may cost.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "hal/camera/rig.hpp"

namespace gantry {

enum class VideoCodec { h264, hevc };

struct EncoderConfig {
  // A file (.mp4 fragmented, .mkv, .ts, .flv; its folder must exist) or a URL: rtmp:// and rtmps://
  // carry FLV, tcp://, udp:// and srt:// an MPEG transport stream.
  std::string path;
  // A file that exists is left alone, and the next free number taken: match-1.mp4.
  bool keep_existing = false;
  // For boxes that show a picture whatever their disks and peers do: a stream is connected to by
  // reopen() only, and a file that cannot be written at set-up is left to it.
  bool open_later = false;
  VideoCodec codec = VideoCodec::h264;
  // auto: hardware that encodes a frame here and now, else software. software: libx264 or libx265.
  // Anything else is the name of a libavcodec encoder, for example h264_nvenc, and only that is
  // tried.
  std::string encoder = "auto";
  int width = 0, height = 0;         // luma pixels, even
  double frames_per_second = 0;      // of the pictures that will come, 1 … 1000
  std::int64_t bits_per_second = 0;  // average; 0: constant quality
  int quality = 23;                  // 1 (best) … 51, for constant quality
  std::string preset = "veryfast";   // libx264 and libx265 only: ultrafast … placebo
  double gop_s = 2;                  // between key frames
  int threads = 1;                   // of a software encoder
  ColourMatrix matrix = ColourMatrix::bt709;
  ColourRange range = ColourRange::limited;
};

// The path as it may stand in a log or report: the last part of a URL, where stream keys are, is
// left out.
std::string shown_path(const std::string& path);
bool is_url(const std::string& path);
// A file's path with the lowest number that no file has: match.mp4 -> match-1.mp4. Asks the disk.
std::string next_free_path(const std::string& path);

}  // namespace gantry
