// A named thread with a role, a fixed stack and a progress counter.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <pthread.h>

#include "firmware/allocation_guard.hpp"

namespace gantry {

struct ThreadOptions {
  std::string name;  // the first 15 bytes are seen by the system
  ThreadRole role = ThreadRole::io;
  int fifo_priority = 0;  // 1 … 99: SCHED_FIFO; 0: the normal scheduler
  int cpu = -1;           // bound to this one; -1: any
  std::size_t stack_bytes = std::size_t{1} << 20;
};

class Thread {
 public:
  // Set-up. Runs `body(*this)` until it returns; it must not throw. Priority and CPU are best
  // effort: where the system refuses, one log line says so. Throws std::runtime_error where no
  // thread can be made.
  Thread(ThreadOptions options, std::function<void(Thread&)> body);
  // Joins. Whoever destroys a thread has told its body to end.
  ~Thread();
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // Waits for the body to end; later calls return at once. The owner's thread.
  void join() noexcept;

  // The thread itself: one more unit of work is done.
  void advance() noexcept {
    progress_.store(progress_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // Any thread: units so far, for health; and whether the body has returned.
  std::uint64_t progress() const noexcept { return progress_.load(std::memory_order_relaxed); }
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  // Processor time that the body took; 0 until it has returned.
  std::int64_t cpu_ns() const noexcept { return cpu_ns_.load(std::memory_order_relaxed); }
  const ThreadOptions& options() const noexcept { return options_; }

 private:
  static void* run(void* self) noexcept;
  void apply_scheduling() noexcept;

  ThreadOptions options_;
  std::function<void(Thread&)> body_;
  std::atomic<std::uint64_t> progress_{0};
  std::atomic<bool> ended_{false};
  std::atomic<std::int64_t> cpu_ns_{0};
  pthread_t handle_{};
  bool joined_ = false;
};

}  // namespace gantry
