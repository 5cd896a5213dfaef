// Names and room for recordings.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/recordings.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "hal/clock/clock.hpp"

namespace gantry {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEvery_ns = 2 * clock::kSecond_ns;
constexpr std::int64_t kQuiet_ns = 60 * clock::kSecond_ns;

bool is_recording(const fs::path& file) {
  constexpr const char* kEndings[] = {".mp4", ".m4v", ".mkv", ".ts", ".flv"};
  const auto ending = file.extension();
  return std::ranges::any_of(kEndings, [&](const char* e) { return ending == e; });
}

struct Recording {
  fs::path path;
  fs::file_time_type changed;
};

// Oldest first. What vanishes meanwhile is left out.
std::vector<Recording> recordings_in(const RecordingsPolicy& policy) {
  std::vector<Recording> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(policy.folder, error)) {
    if (entry.is_symlink(error) || !entry.is_regular_file(error) || !is_recording(entry.path()))
      continue;
    if (fs::exists(entry.path().string() + policy.protected_ending, error)) continue;
    const auto changed = entry.last_write_time(error);
    if (!error) found.push_back({entry.path(), changed});
  }
  std::ranges::sort(found, {}, &Recording::changed);
  return found;
}

// False if it is being written, or cannot be removed.
bool remove_unused(const fs::path& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return false;
  const bool removed = flock(descriptor, LOCK_EX | LOCK_NB) == 0 && unlink(file.c_str()) == 0;
  close(descriptor);
  return removed;
}

// INT64_MAX where the disk does not say: then nothing is removed.
std::int64_t free_bytes_of(const fs::path& folder) {
  struct statvfs status {};
  if (statvfs(folder.c_str(), &status) != 0) return INT64_MAX;
  return static_cast<std::int64_t>(status.f_bavail) * static_cast<std::int64_t>(status.f_frsize);
}

}  // namespace

std::filesystem::path confined(const fs::path& folder, const std::string& name) {
  const fs::path wanted = fs::path(name).lexically_normal();
  const bool inside = !name.empty() && name.find('\0') == std::string::npos &&
                      wanted.is_relative() && !wanted.filename().empty() &&
                      std::ranges::none_of(wanted, [](const fs::path& part) {
                        return part.string().starts_with('.');
                      });
  if (!inside)
    throw std::runtime_error(
        fmt::format("'{}': leads out of {} or begins with a dot; give a name inside of it", name,
                    folder.string()));
  return folder / wanted;
}

std::vector<fs::path> make_room(const RecordingsPolicy& policy,
                                const std::function<std::int64_t()>& free_bytes, bool& enough) {
  std::vector<fs::path> removed;
  enough = free_bytes() >= policy.keep_free_bytes;
  if (enough) return removed;
  for (const Recording& recording : recordings_in(policy)) {
    if (!remove_unused(recording.path)) continue;
    removed.push_back(recording.path);
    log::warning("recordings: {} is removed, the oldest: the disk is nearly full",
                 recording.path.string());
    enough = free_bytes() >= policy.keep_free_bytes;
    if (enough) break;
  }
  return removed;
}

RecordingsKeeper::RecordingsKeeper(RecordingsPolicy policy)
    : policy_(std::move(policy)),
      no_room_(kQuiet_ns),
      thread_({.name = "recordings", .role = ThreadRole::io}, [this](Thread& self) {
        do {
          const auto epoch = wake_.epoch();
          round();
          self.advance();
          if (!stop_.load()) wake_.wait(epoch, clock::now_ns() + kEvery_ns);
        } while (!stop_.load());
      }) {}

RecordingsKeeper::~RecordingsKeeper() {
  stop_.store(true);
  wake_.ring();
  thread_.join();
}

void RecordingsKeeper::round() {
  bool enough = true;
  std::error_code ignored;  // the outputs say what they cannot do
  fs::create_directories(policy_.folder, ignored);
  make_room(
      policy_, [this] { return free_bytes_of(policy_.folder); }, enough);
  std::uint64_t repeats = 0;
  if (!enough && no_room_.admit(clock::now_ns(), repeats))
    log::error("recordings: {} is nearly full, and what is in it is protected or being written",
               policy_.folder.string());
}

}  // namespace gantry
