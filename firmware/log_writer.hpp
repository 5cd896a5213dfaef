// The thread that carries the log ring to files and the terminal.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "firmware/thread.hpp"
#include "hal/log/log.hpp"
#include "pipeline/signal.hpp"

namespace spdlog {
class logger;
}

namespace gantry {

struct LogOptions {
  std::filesystem::path file;  // empty: no file
  std::size_t file_bytes = std::size_t{1}
                           << 20;  // a file that reaches this is closed and kept aside
  std::size_t files = 5;           // kept beside the current one: name.1.log, …
  // Lines go to stderr as well where it is a terminal, and where this is set; where it is the journal
  // they go there with their priority.
  bool to_stderr = false;
  log::Level least = log::Level::info;
};

// What to add to a CLOCK_MONOTONIC instant to get UTC since the epoch, for who reads a log; asked anew
// each time, the wall clock may be set. Any thread.
std::int64_t wall_offset_ns() noexcept;

// Every 100 ms takes all lines from hal/log's ring and writes them with their UTC time,
// "2026-11-21T06:48:31.123Z W text". Lines that found the ring full are counted, and the count is
// written. The file is on the disk a second later. At most one LogWriter at a time: the ring has one
// reader.
class LogWriter {
 public:
  // Set-up. Makes the file's folder. Throws std::runtime_error where the file cannot be written.
  explicit LogWriter(const LogOptions& options);
  // Writes what is there, and ends.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Any thread: lines written, and lines that the disk refused.
  std::uint64_t lines() const noexcept { return lines_.load(std::memory_order_relaxed); }
  std::uint64_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }
  const Thread& thread() const noexcept { return thread_; }

 private:
  void run(Thread& self);
  void drain();
  void sync();
  void write(const log::Record& record, std::int64_t wall_offset_ns);

  log::Level least_;
  std::FILE* file_ = nullptr;  // the logger's
  std::int64_t synced_ns_ = 0;
  std::uint64_t synced_lines_ = 0;
  std::unique_ptr<spdlog::logger> logger_;
  std::uint64_t reported_drops_ = 0;
  std::atomic<std::uint64_t> lines_{0}, failures_{0};
  std::atomic<bool> stop_{false};
  Signal wake_;
  Thread thread_;  // last: it uses all of the above
};

}  // namespace gantry
