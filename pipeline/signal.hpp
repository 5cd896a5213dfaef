// A wake-up that many producers ring and one consumer waits for, with a deadline.
//
// The consumer reads epoch(), looks at all of its queues, and if they are empty waits for that epoch
// to pass: a ring in between is never missed (an "event count"). Built on a futex, so that ringing
// costs a system call only while somebody sleeps.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>

namespace gantry {

class Signal {
 public:
  // Any thread, never blocks.
  void ring() noexcept;
  // The consumer's thread.
  std::uint32_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }
  // Returns when the epoch differs from `seen` or CLOCK_MONOTONIC has reached `deadline_ns`
  // (INT64_MAX: never).
  void wait(std::uint32_t seen, std::int64_t deadline_ns = INT64_MAX) noexcept;
  // Any thread: the consumer sleeps in wait() now.
  bool awaited() const noexcept { return sleepers_.load(std::memory_order_relaxed) != 0; }

 private:
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  std::atomic<std::uint32_t> sleepers_{0};
};

}  // namespace gantry
