// How two stages are joined: a queue on whose full end the wiring decides at start, and whose
// consumer can sleep.
//
// When filming live the newest picture matters and a full link gives up its oldest; when filming
// files as fast as possible nothing may be lost and the producer waits instead.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/queue.hpp"

namespace gantry {

enum class WhenFull { drop_oldest, wait };

template <typename T, std::size_t N>
class Link {
 public:
  // `ready`: rung at every push and at the close, for a consumer that waits on several links; null:
  // the link's own, for pop_wait().
  explicit Link(WhenFull when_full, Signal* ready = nullptr) noexcept
      : when_full_(when_full), ready_(ready ? *ready : own_), queue_(&ready_) {}

  // The producer's thread. Full: drops the oldest and counts it, or sleeps until there is room.
  void push(T&& item) noexcept {
    while (when_full_ == WhenFull::wait) {
      const auto epoch = room_.epoch();
      if (queue_.size() < N || queue_.closed()) break;
      room_.wait(epoch);
    }
    queue_.push(std::move(item));
  }

  // The consumer's thread: false if nothing is inside now.
  bool pop(T& out) noexcept {
    if (!queue_.pop(out)) return false;
    if (when_full_ == WhenFull::wait) room_.ring();
    return true;
  }
  // Sleeps until there is something; false when the link was closed and nothing is left.
  bool pop_wait(T& out) noexcept {
    for (;;) {
      const auto epoch = ready_.epoch();
      if (pop(out)) return true;
      if (queue_.finished()) return false;
      ready_.wait(epoch);
    }
  }

  // Any thread: no more will come; both sides wake.
  void close() noexcept {
    queue_.close();
    room_.ring();
  }
  bool finished() const noexcept { return queue_.finished(); }
  bool closed() const noexcept { return queue_.closed(); }
  // Any thread: nothing is inside and the consumer waits for more.
  bool idle() const noexcept { return ready_.awaited() && queue_.size() == 0; }
  std::size_t size() const noexcept { return queue_.size(); }
  std::uint64_t dropped() const noexcept { return queue_.dropped(); }
  static constexpr std::size_t capacity() noexcept { return N; }

 private:
  WhenFull when_full_;
  Signal own_, room_;
  Signal& ready_;
  Queue<T, N, Policy::drop_oldest> queue_;
};

}  // namespace gantry
