// The futex behind Signal.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/signal.hpp"

#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gantry {

void Signal::ring() noexcept {
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0)
    syscall(SYS_futex, &epoch_, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

void Signal::wait(std::uint32_t seen, std::int64_t deadline_ns) noexcept {
  timespec deadline{};  // long past where deadline_ns is negative
  if (deadline_ns > 0) {
    deadline.tv_sec = deadline_ns / 1'000'000'000;
    deadline.tv_nsec = deadline_ns % 1'000'000'000;
  }
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  while (epoch_.load(std::memory_order_seq_cst) == seen) {
    // FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time.
    const long result =
        syscall(SYS_futex, &epoch_, FUTEX_WAIT_BITSET_PRIVATE, seen,
                deadline_ns == INT64_MAX ? nullptr : &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
    if (result == -1 && errno == ETIMEDOUT) break;  // a signal handler (EINTR) is no reason to wake
  }
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace gantry
