// A file that FFmpeg muxes into, with the true cause of every failure and a way back from it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

extern "C" {
#include <libavformat/avio.h>
}

namespace gantry {

// One thread.
class OutputFile {
 public:
  // Creates or empties the file. Throws std::runtime_error with path and cause.
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  AVIOContext* io() { return io_; }
  std::int64_t bytes() const { return size_; }
  bool is_deleted() const noexcept;
  // Leaves the first `bytes` of it.
  void cut_to(std::int64_t bytes) noexcept;
  // Removes the file.
  void discard() noexcept;
  // What was written so far is on the disk when it returns; 0 or an FFmpeg error code.
  int sync() noexcept;
  // Hands everything to the disk; 0 or an FFmpeg error code.
  int close() noexcept;

 private:
  static int write(void* self, std::uint8_t* data, int size) noexcept;
  static std::int64_t seek(void* self, std::int64_t offset, int whence) noexcept;

  std::string path_;
  int descriptor_ = -1;
  AVIOContext* io_ = nullptr;
  std::int64_t position_ = 0, size_ = 0;
};

}  // namespace gantry
