// The detection log's I/O thread.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/detection_log.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "firmware/log_writer.hpp"
#include "firmware/rotating_file.hpp"

namespace gantry {
namespace {

std::string_view view(const fmt::memory_buffer& b) {
  return {b.data(), b.size()};
}

std::unique_ptr<RotatingFile> open(const std::filesystem::path& file,
                                   const DetectionLogOptions& options,
                                   const fmt::memory_buffer& header) {
  if (file.empty()) return {};
  return std::make_unique<RotatingFile>(file, options.file_bytes, options.files,
                                        std::string(view(header)));
}

}  // namespace

DetectionLog::DetectionLog(const DetectionLogOptions& options, const detection_log::Header& header,
                           DetectionLogLink& found, DecisionLogLink& decided, Signal& wake)
    : found_(found),
      decided_(decided),
      wake_(wake),
      waiting_(std::max<std::size_t>(1, options.waiting)) {
  fmt::memory_buffer first;
  detection_log::put_header(first, header);
  json_ = open(options.json, options, first);
  first.clear();
  detection_log::put_tsv_header(first);
  tsv_ = open(options.tsv, options, first);
}

DetectionLog::~DetectionLog() = default;

bool DetectionLog::step() {
  const auto epoch = wake_.epoch();
  bool came = false;
  for (; found_.pop(next_found_); came = true) take(next_found_);
  for (; decided_.pop(next_decision_); came = true) take(next_decision_);
  const bool last = found_.finished() && decided_.finished();
  settle(last);
  flush();
  if (!came && !last) wake_.wait(epoch);
  return !last;
}

// A full disk shows when the files are flushed: what was handed over since counts as refused then.
void DetectionLog::flush() {
  const auto settle_count = [](std::atomic<std::uint64_t>& count, std::uint64_t& pending) {
    count.fetch_add(std::exchange(pending, 0), std::memory_order_relaxed);
  };
  settle_count(!json_ || json_->flush() ? written_ : refused_, pending_);
  if (tsv_ && !tsv_->flush()) settle_count(refused_, pending_rows_);
  pending_rows_ = 0;
}

void DetectionLog::take(const Detections& found) {
  if (tsv_) {
    rows_.clear();
    detection_log::put_tsv(rows_, found, wall_offset_ns());
    if (tsv_->write(view(rows_)))
      ++pending_rows_;
    else
      refused_.fetch_add(1, std::memory_order_relaxed);
  }
  if (count_ == waiting_.size()) write_oldest(nullptr);
  Entry& entry = waiting_[(first_ + count_++) % waiting_.size()];
  entry.capture_ns = found.capture_ns;
  entry.text.clear();
  detection_log::put_found(entry.text, found);
}

void DetectionLog::take(const Decision& decision) {
  decisions_[decision_count_++ % kDecisions] = decision;
  decided_to_ns_ = decision.capture_ns;
  settle(false);
}

const Decision* DetectionLog::decision_at(std::int64_t capture_ns) const {
  for (std::size_t i = 0; i < std::min(decision_count_, kDecisions); ++i)
    if (decisions_[i].capture_ns == capture_ns) return &decisions_[i];
  return nullptr;
}

// Writes what has its decision, and what will not get one: a later panorama was shown already.
void DetectionLog::settle(bool all) {
  while (count_ > 0) {
    const std::int64_t capture_ns = waiting_[first_].capture_ns;
    const Decision* decision = decision_at(capture_ns);
    if (!decision && !all && decided_to_ns_ <= capture_ns) return;
    write_oldest(decision);
  }
}

void DetectionLog::write_oldest(const Decision* decision) {
  Entry& entry = waiting_[first_];
  first_ = (first_ + 1) % waiting_.size();
  --count_;
  if (json_) {
    if (decision) detection_log::put_decided(entry.text, *decision);
    detection_log::put_end(entry.text);
    if (!json_->write(view(entry.text))) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
  ++pending_;
}

}  // namespace gantry
