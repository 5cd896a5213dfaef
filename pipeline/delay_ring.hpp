// The panoramas of the last seconds, in the order of their capture.
//
// Owned by one thread, the pacing one: panoramas reach it through a Queue, so the ring needs no
// lock. It holds references: pushing is a move, no pixel is copied, and the memory is the panorama
// pool itself. Entries lie in a circle of fixed size; finding an instant is a binary search.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pipeline/frames.hpp"

namespace gantry {

// One more reference to the same panorama. Any thread that may read `frame`.
PanoramaFrame share(const PanoramaFrame& frame) noexcept;

class DelayRing {
 public:
  // Set-up. `capacity` panoramas, at least 1: delay × frame rate and a few for jitter. Throws
  // std::invalid_argument.
  explicit DelayRing(std::size_t capacity);

  // Everything below: the owner's thread, no allocation, no wait.

  // Takes the panorama; it is gone either way. False: refused, because it is not later than the
  // newest one. A full ring gives up its oldest.
  bool push(PanoramaFrame&& frame) noexcept;

  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return frames_.size(); }
  bool empty() const noexcept { return size_ == 0; }
  // The i-th, 0 = oldest; i < size().
  const PanoramaFrame& operator[](std::size_t i) const noexcept { return frames_[place(i)]; }
  // Not on an empty ring.
  const PanoramaFrame& oldest() const noexcept { return (*this)[0]; }
  const PanoramaFrame& newest() const noexcept { return (*this)[size_ - 1]; }

  // Index of the first panorama captured after this instant; size() where there is none.
  std::size_t first_after(std::int64_t capture_ns) const noexcept;
  // The panorama of exactly this instant, or null. Valid until the next push or evict.
  const PanoramaFrame* at(std::int64_t capture_ns) const noexcept;
  // The latest panorama not later than this instant, or null.
  const PanoramaFrame* not_later(std::int64_t capture_ns) const noexcept;

  // Gives up everything captured before this instant; returns how many that were.
  std::size_t evict_before(std::int64_t capture_ns) noexcept;

  // Since the start: panoramas refused for their order, and given up because the ring was full.
  std::uint64_t out_of_order() const noexcept { return out_of_order_; }
  std::uint64_t overflowed() const noexcept { return overflowed_; }

 private:
  std::size_t place(std::size_t i) const noexcept {
    const std::size_t p = first_ + i;
    return p < frames_.size() ? p : p - frames_.size();
  }
  void drop_oldest() noexcept;

  std::vector<PanoramaFrame> frames_;
  std::size_t first_ = 0, size_ = 0;
  std::uint64_t out_of_order_ = 0, overflowed_ = 0;
};

}  // namespace gantry
