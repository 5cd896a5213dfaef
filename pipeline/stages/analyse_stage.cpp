// The detector's loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/analyse_stage.hpp"

#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {

bool AnalyseStage::step() noexcept {
  PanoramaFrame panorama;
  if (!in_.pop_wait(panorama)) {
    out_.close();
    if (log_) log_->close();
    return false;
  }
  if (failed_ || panorama.number % every_ != 0)
    telemetry_.analysis_skipped.add();
  else
    analyse(panorama);
  progress_.passed_ns.store(panorama.capture_ns, std::memory_order_release);
  passed_.ring();
  return true;
}

void AnalyseStage::analyse(const PanoramaFrame& panorama) noexcept {
  const auto start_ns = clock::now_ns();
  if (detector_.analyse(panorama, found_) != Status::ok) {
    log::error("detector: failed on panorama {} and is switched off; the picture goes on",
               panorama.number);
    failed_ = true;
    telemetry_.analysis_failed.add();
    return;
  }
  const auto end_ns = clock::now_ns();
  telemetry_.detect.add(end_ns - start_ns);
  if (live_) telemetry_.capture_to_detection.add(end_ns - panorama.capture_ns);
  telemetry_.analysed.add();
  telemetry_.tiles_analysed.add(found_.area_count);
  telemetry_.longest_unseen_ns.store(detector_.schedule().longest_unseen_ns(),
                                     std::memory_order_relaxed);
  const auto traffic = detector_.traffic();
  telemetry_.bytes_moved.add(traffic.tiles_read + traffic.tensor_written);
  telemetry_.bytes_floor.add(traffic.tiles_read + traffic.tensor_written);
  out_.push(Detections(found_));
  if (log_) log_->push(Detections(found_));
}

}  // namespace gantry
