// Counts and durations that one thread writes and any thread reads, without locks or allocation.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace gantry {

// A number that only grows. Any threads add and read.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// The instant at which something happened for the first time. Any threads mark and read.
class FirstInstant {
 public:
  void mark(std::int64_t instant_ns) noexcept {
    std::int64_t never = 0;
    if (at_ns_.load(std::memory_order_relaxed) == never)
      at_ns_.compare_exchange_strong(never, instant_ns, std::memory_order_relaxed);
  }
  std::int64_t read() const noexcept {
    return at_ns_.load(std::memory_order_relaxed);
  }  // 0: not yet

 private:
  std::atomic<std::int64_t> at_ns_{0};
};

// A histogram of durations from 1 µs to 68.7 s, in 32 steps per doubling: a percentile is off by
// 1/64 of its value at most (1.6 %). Shorter durations count as the first step, longer ones as the
// last; the largest is kept exactly.
class Latency {
 public:
  // The one writing thread. Negative durations count as 0.
  void add(std::int64_t duration_ns) noexcept;

  struct Summary {
    std::uint64_t count = 0;
    std::int64_t p50_ns = 0, p95_ns = 0, p99_ns = 0, max_ns = 0;  // all 0 without any duration
  };
  // Any thread. Durations that are added meanwhile may be in it or not.
  Summary summary() const noexcept;

 private:
  static constexpr int kFirstOctave = 10;  // 2^10 ns = 1.024 µs
  static constexpr int kLastOctave = 35;   // up to 2^36 ns
  static constexpr int kStepBits = 5;
  static constexpr std::size_t kBuckets = (kLastOctave - kFirstOctave + 1) << kStepBits;
  static std::size_t bucket(std::int64_t duration_ns) noexcept;
  static std::int64_t middle(std::size_t bucket) noexcept;

  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
  std::atomic<std::int64_t> max_ns_{0};
};

}  // namespace gantry
