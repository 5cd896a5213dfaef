// Events for the log: formatted in place into a fixed ring, written to files by a thread of their
// own.
//
// A frame thread may log: no allocation, no lock, no system call; the reader looks in by itself. A
// full ring drops the new line and counts it; the reader reports the count.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace gantry::log {

enum class Level : std::uint8_t { debug, info, warning, error };

struct Record {
  static constexpr std::size_t kTextBytes = 400;
  std::int64_t instant_ns = 0;  // CLOCK_MONOTONIC
  Level level = Level::info;
  std::uint16_t length = 0;  // bytes of text used; longer lines are cut
  char text[kTextBytes];

  std::string_view view() const noexcept { return {text, length}; }
};

// Claims a record, fills and publishes it. Any thread.
class Writer {
 public:
  explicit Writer(Level level) noexcept;
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  Record* record() noexcept { return record_; }

 private:
  Record* record_ = nullptr;  // null where the ring was full
  std::uint64_t position_ = 0;
};

template <typename... Args>
void event(Level level, fmt::format_string<Args...> format, Args&&... args) noexcept {
  Writer writer(level);
  if (Record* record = writer.record()) {
    const auto result =
        fmt::format_to_n(record->text, Record::kTextBytes, format, std::forward<Args>(args)...);
    record->length = static_cast<std::uint16_t>(
        result.size < Record::kTextBytes ? result.size : Record::kTextBytes);
  }
}
template <typename... Args>
void info(fmt::format_string<Args...> f, Args&&... a) noexcept {
  event(Level::info, f, std::forward<Args>(a)...);
}
template <typename... Args>
void warning(fmt::format_string<Args...> f, Args&&... a) noexcept {
  event(Level::warning, f, std::forward<Args>(a)...);
}
template <typename... Args>
void error(fmt::format_string<Args...> f, Args&&... a) noexcept {
  event(Level::error, f, std::forward<Args>(a)...);
}

// Lets a cause through at most once per `quiet_ns`, with the number of repeats it swallowed since:
// a fault that lasts is seen to last, and does not fill the log. One object per cause; any thread.
class OncePer {
 public:
  explicit OncePer(std::int64_t quiet_ns) noexcept : quiet_ns_(quiet_ns) {}
  // True if the line should be written; `repeats` then holds what was swallowed since the last.
  bool admit(std::int64_t now_ns, std::uint64_t& repeats) noexcept;

 private:
  std::int64_t quiet_ns_;
  std::atomic<std::int64_t> last_ns_{INT64_MIN};
  std::atomic<std::uint64_t> swallowed_{0};
};

// Takes the oldest record; false when there is none. One reader thread.
bool take(Record& out) noexcept;
// Lines dropped because the ring was full, since start. Any thread.
std::uint64_t dropped() noexcept;

}  // namespace gantry::log
