// Reads a detection log back, line by line, for directors to be tried on what was really found.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "firmware/detection_log_format.hpp"

namespace gantry::detection_log {

class Reader {
 public:
  // Reads the header. Throws std::runtime_error naming the file, the line and what is wrong with it,
  // as next() does.
  explicit Reader(const std::filesystem::path& file);

  const Header& header() const { return header_; }
  // The next analysed panorama; false at the end. A last line that was cut short is the end.
  bool next(Detections& found);
  // What was decided for the panorama read last; none where it was not shown. Persons' and the
  // ball's speeds are not in the log.
  const std::optional<Decision>& decision() const { return decision_; }

 private:
  bool read_line();
  [[noreturn]] void fail(const std::string& what) const;

  std::filesystem::path file_;
  std::ifstream in_;
  std::string line_;
  std::size_t number_ = 0;  // of the line, from 1
  Header header_;
  std::optional<Decision> decision_;
};

}  // namespace gantry::detection_log
