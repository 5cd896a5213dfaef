// The circle behind DelayRing.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/delay_ring.hpp"

#include <stdexcept>
#include <utility>

namespace gantry {

PanoramaFrame share(const PanoramaFrame& frame) noexcept {
  return {frame.surface.share(), frame.ready, frame.capture_ns, frame.number};
}

DelayRing::DelayRing(std::size_t capacity) : frames_(capacity) {
  if (capacity == 0)
    throw std::invalid_argument(
        "delay ring of 0 panoramas: at least 1 is needed, even without delay");
}

bool DelayRing::push(PanoramaFrame&& frame) noexcept {
  if (size_ != 0 && frame.capture_ns <= newest().capture_ns) {
    ++out_of_order_;
    frame = {};
    return false;
  }
  if (size_ == frames_.size()) {
    drop_oldest();
    ++overflowed_;
  }
  frames_[place(size_++)] = std::move(frame);
  return true;
}

std::size_t DelayRing::first_after(std::int64_t capture_ns) const noexcept {
  std::size_t low = 0, high = size_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if ((*this)[middle].capture_ns > capture_ns)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

const PanoramaFrame* DelayRing::not_later(std::int64_t capture_ns) const noexcept {
  const std::size_t after = first_after(capture_ns);
  return after == 0 ? nullptr : &(*this)[after - 1];
}

const PanoramaFrame* DelayRing::at(std::int64_t capture_ns) const noexcept {
  const PanoramaFrame* frame = not_later(capture_ns);
  return frame && frame->capture_ns == capture_ns ? frame : nullptr;
}

std::size_t DelayRing::evict_before(std::int64_t capture_ns) noexcept {
  std::size_t evicted = 0;
  for (; size_ != 0 && oldest().capture_ns < capture_ns; ++evicted) drop_oldest();
  return evicted;
}

void DelayRing::drop_oldest() noexcept {
  frames_[first_] = {};
  first_ = place(1);
  --size_;
}

}  // namespace gantry
