// The folder of recordings: which names may stand in it, and which files go when the disk is full.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "firmware/thread.hpp"
#include "hal/log/log.hpp"
#include "pipeline/signal.hpp"

namespace gantry {

// The path of a file of this name inside of the folder, for names that come from outside. Throws
// std::runtime_error where the name is empty, begins with a dot, or leads out of the folder.
std::filesystem::path confined(const std::filesystem::path& folder, const std::string& name);

struct RecordingsPolicy {
  std::filesystem::path folder;
  std::int64_t keep_free_bytes = 0;        // of the file system that the folder is on
  std::string protected_ending = ".keep";  // match.mp4 is protected while match.mp4.keep exists
};

// Removes the oldest recordings, by the time of their last change, until `free_bytes` answers what is
// to be kept free. Protected ones stay, and so do those that somebody writes (flock). Answers what was
// removed; logs each. `enough`: whether there is room now.
std::vector<std::filesystem::path> make_room(const RecordingsPolicy& policy,
                                             const std::function<std::int64_t()>& free_bytes,
                                             bool& enough);

// Makes room every two seconds, on a thread of its own.
class RecordingsKeeper {
 public:
  // Set-up. Makes the folder, as soon as that is possible.
  explicit RecordingsKeeper(RecordingsPolicy policy);
  ~RecordingsKeeper();
  RecordingsKeeper(const RecordingsKeeper&) = delete;
  RecordingsKeeper& operator=(const RecordingsKeeper&) = delete;

 private:
  void round();

  RecordingsPolicy policy_;
  log::OncePer no_room_;
  std::atomic<bool> stop_{false};
  Signal wake_;
  Thread thread_;  // last: it uses all of the above
};

}  // namespace gantry
