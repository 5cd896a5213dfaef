// The pacing loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/pace_stage.hpp"

#include <algorithm>

#include "hal/clock/clock.hpp"

namespace gantry {
namespace {

constexpr std::int64_t kNoSignal_ns = clock::kSecond_ns;  // without a new picture

}  // namespace

bool PaceStage::step() noexcept {
  const auto epoch = wake_.epoch();
  take_detections();
  while (live_ && take_panorama()) {
  }
  const Presentation p = pacer_.next(ring_, clock::now_ns(), ended());
  if (p.kind == Presentation::Kind::end || abandoned_.load(std::memory_order_relaxed)) {
    close();
    return false;
  }
  if (p.kind != Presentation::Kind::wait)
    ask_for(p);
  else if (!take_panorama())
    wake_.wait(epoch, p.wake_ns);
  return true;
}

void PaceStage::close() noexcept {
  readers_.render->close();
  if (readers_.debug) readers_.debug->close();
  if (readers_.log) readers_.log->close();
}

void PaceStage::abandon() noexcept {
  abandoned_.store(true, std::memory_order_relaxed);
  wake_.ring();
}

void PaceStage::take_detections() noexcept {
  while (detections_.pop(found_)) director_.observe(found_);
}

// True if one more is in the ring. One that the analysis has not passed yet is held back, so that
// each decision sees exactly the detections up to it.
bool PaceStage::take_panorama() noexcept {
  if (!held_.surface && !panoramas_.pop(held_)) return false;
  if (!analysed(held_)) return false;
  ring_.push(std::move(held_));
  held_ = {};
  return true;
}

bool PaceStage::analysed(const PanoramaFrame& frame) const noexcept {
  return !behind_ || frame.capture_ns <= behind_->passed_ns.load(std::memory_order_acquire);
}

void PaceStage::ask_for(const Presentation& p) noexcept {
  RenderJob job;
  job.capture_ns = p.capture_ns;
  job.presentation_ns = p.presentation_ns;
  job.number = number_++;
  const auto seconds = [](std::int64_t ns) { return 1e-9 * static_cast<double>(ns); };
  job.delay_s = seconds(pacer_.delay_ns());
  if (p.kind == Presentation::Kind::slate) {
    if (first_slate_ns_ == 0) first_slate_ns_ = p.presentation_ns;
    if (!ring_.empty())
      job.slate_s = std::max(
          1e-9, seconds(ring_.oldest().capture_ns + pacer_.delay_ns() - p.presentation_ns));
    else if (p.presentation_ns - first_slate_ns_ < kNoSignal_ns)
      job.slate_s = job.delay_s;
  } else if (live_ && p.presentation_ns - pacer_.delay_ns() - p.capture_ns > kNoSignal_ns) {
    // A picture that stands still must not be taken for the match.
  } else if (const PanoramaFrame* panorama = ring_.at(p.capture_ns)) {
    job.panorama = share(*panorama);
    job.decision = director_.decide(p.capture_ns);
    if (readers_.log) readers_.log->push(Decision(job.decision));
    if (readers_.debug)
      readers_.debug->push({share(*panorama), job.decision, job.capture_ns, job.presentation_ns,
                            job.number, job.slate_s});
  }
  ring_.evict_before(pacer_.shown_ns());
  readers_.render->push(std::move(job));
}

}  // namespace gantry
