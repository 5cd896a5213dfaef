// Reads one video, image sequence or still picture in order, decoded in software.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <string>

#include "hal/camera/file_info.hpp"
#include "hal/camera/file_timeline.hpp"
#include "hal/media/av.hpp"
#include "hal/status.hpp"

namespace gantry {

// One thread, but for interrupt(). Allocates inside FFmpeg.
class FileReader {
 public:
  // Opens the file and decodes its first picture, which the first next() hands out. A path with a
  // printf pattern (match%05d.png) is an image sequence. `pictures_per_second` is the rate of files
  // that have none (pictures, raw streams); 0: 25. Throws std::runtime_error that names the file,
  // what is wrong and what would be right.
  FileReader(std::string path, int threads, double pictures_per_second);

  const FileInfo& info() const { return info_; }

  // Moves on to the next picture. `end` after the last, also where the file breaks off: error()
  // then says why. Damaged packets on the way are counted and left out.
  Status next() noexcept;
  // The picture and its time stamp as the file has it, or FileTimeline::kNoStamp; until next().
  const AVFrame& frame() const { return *frame_; }
  std::int64_t stamp_ns() const noexcept;

  // Back to the first picture; `lost` if the file cannot be read again.
  Status rewind() noexcept;
  // Makes a read that waits (a slow disk, a network) give up. Any thread.
  void interrupt() noexcept { interrupted_.store(true, std::memory_order_relaxed); }

  std::uint64_t damaged() const { return damaged_; }
  // The FFmpeg error that ended the file early; 0 at a true end.
  int error() const { return error_; }

 private:
  void open();
  void open_demuxer();
  void open_decoder();
  void describe();
  void refuse_missing_file() const;
  void refuse_if_cut_short() const;
  bool seek_to_start() noexcept;
  Status decode_next() noexcept;
  void feed() noexcept;
  [[noreturn]] void refuse(const std::string& cause) const;

  std::string path_;
  int threads_;
  double pictures_per_second_;
  std::atomic<bool> interrupted_{false};
  av::Demuxer demuxer_;
  av::Codec decoder_;
  av::Packet packet_;
  av::Frame frame_, incoming_;
  AVStream* stream_ = nullptr;  // the demuxer's
  FileInfo info_;
  std::int64_t first_stamp_ns_ = FileTimeline::kNoStamp;
  std::uint64_t pictures_ = 0;  // since the start of the file
  bool first_pending_ = false;  // frame_ is the first picture and was not handed out yet
  bool drained_ = false;        // nothing more comes from the demuxer
  std::uint64_t damaged_ = 0;
  int error_ = 0;
};

}  // namespace gantry
