// Writes every analysed panorama, with what was decided for it, to the detection log's files.
//
// An analysis comes `delay` before the decision about the same panorama: its boxes are kept as text
// until then. The I/O thread joins the two by their capture instant; a panorama that was never shown
// is written without a decision. What the disk refuses is counted, and costs the film nothing.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "firmware/detection_log_format.hpp"
#include "pipeline/stages/links.hpp"

namespace gantry {

class RotatingFile;

struct DetectionLogOptions {
  std::filesystem::path json, tsv;  // empty: not written
  std::size_t file_bytes = std::size_t{64}
                           << 20;  // a file that would pass this is closed and kept aside
  std::size_t files = 4;           // kept beside the current one: name.1.jsonl, …
  // Analyses that may wait for their decision; the oldest is written without where there are more.
  std::size_t waiting = 256;
  bool wanted() const { return !json.empty() || !tsv.empty(); }
};

class DetectionLog {
 public:
  // Set-up. Makes the files' folders; files of an earlier run are kept aside. Throws
  // std::runtime_error where one cannot be written.
  DetectionLog(const DetectionLogOptions& options, const detection_log::Header& header,
               DetectionLogLink& found, DecisionLogLink& decided, Signal& wake);
  ~DetectionLog();

  // Takes what has come, or sleeps until something comes; `wake` is rung by both links. False when
  // both are closed and all is written. An I/O thread.
  bool step();

  // Any thread: analyses written, and those that a file refused.
  std::uint64_t written() const noexcept { return written_.load(std::memory_order_relaxed); }
  std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    std::int64_t capture_ns = 0;
    fmt::memory_buffer text;
  };
  // What is remembered of a decision; a frame shown again is decided again, the last one counts.
  static constexpr std::size_t kDecisions = 64;

  void take(const Detections& found);
  void take(const Decision& decision);
  void settle(bool all);
  void flush();
  void write_oldest(const Decision* decision);
  const Decision* decision_at(std::int64_t capture_ns) const;

  DetectionLogLink& found_;
  DecisionLogLink& decided_;
  Signal& wake_;
  std::unique_ptr<RotatingFile> json_, tsv_;
  std::vector<Entry> waiting_;  // a circle
  std::size_t first_ = 0, count_ = 0;
  std::array<Decision, kDecisions> decisions_;  // a circle, the newest before `decision_count_`
  std::size_t decision_count_ = 0;
  std::int64_t decided_to_ns_ = INT64_MIN;
  Detections next_found_;
  Decision next_decision_;
  fmt::memory_buffer rows_;
  std::uint64_t pending_ = 0, pending_rows_ = 0;  // handed over since the last flush
  std::atomic<std::uint64_t> written_{0}, refused_{0};
};

}  // namespace gantry
