// A text file that is closed at its size and kept aside, with a header in every one.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog::sinks {
class sink;
}

namespace gantry {

class RotatingFile {
 public:
  // Set-up. Makes the file's folder; a file that is there already is kept aside as name.1.ext, older
  // ones as name.2.ext … up to `files`. Throws std::runtime_error naming the file.
  RotatingFile(const std::filesystem::path& file, std::size_t bytes, std::size_t files,
               std::string header);
  ~RotatingFile();

  // One thread. `text` is whole lines and goes into one file as a whole. False: the disk refused it;
  // the first refusal is said in the log.
  bool write(std::string_view text) noexcept;
  bool flush() noexcept;

 private:
  bool refused(const char* why) noexcept;
  std::filesystem::path file_;
  std::unique_ptr<spdlog::sinks::sink> sink_;
  bool said_ = false;
};

}  // namespace gantry
