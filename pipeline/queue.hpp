// A bounded queue from one thread to another, with a named policy for when it is full.
//
// drop_newest and backpressure: a ring of N items. The producer alone moves `head`, the consumer
// alone moves `tail`; both only grow, and item p lies in slot p mod N. Each side keeps its last
// view of the other's index on its own cache line and looks again only when the queue seems full
// (or empty), so that in a steady flow the two cores exchange the items' lines and little else.
// Both sides are wait-free; backpressure's push() sleeps while the queue is full, and is meant for
// files.
//
// drop_oldest: here the producer removes items too, so items do not lie in the ring itself but in
// N+2 cells: N stand in the ring, one is in the hands of each side. A ring slot is one atomic word,
// {position, cell, full}. To push, the producer fills its own cell and swaps it with the cell of
// the next slot: an empty one, or, when the queue is full, the one with the oldest item, which it
// then destroys. To pop, the consumer swaps its empty cell for the full one of the oldest slot, and
// moves the item out in its own time. The position in the word tells the consumer whether it was
// lapped, and keeps a swap from succeeding on a slot that was reused. push() is wait-free: its one
// compare-and-swap fails only because the consumer has just emptied that slot, which then nobody
// else may fill. pop() is lock-free: it starts again only when the producer overtook it.
//
// Ends: close() lets what is inside be popped and refuses what comes. The numbers add up: every
// item given to push() was popped, dropped, or is still inside.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "pipeline/signal.hpp"

namespace gantry {

enum class Policy {
  drop_oldest,   // the newest item matters: live pictures
  drop_newest,   // what is inside matters: work that was begun
  backpressure,  // nothing may be lost and the producer can wait: files
};

namespace queue_detail {

inline constexpr std::size_t kCacheLine = 64;

// N items, refused when full.
template <typename T, std::size_t N>
class Ring {
 public:
  // Takes the item only if it answers true.
  bool push(T& item) noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head - seen_tail_ == N) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (head - seen_tail_ == N) return false;
    }
    items_[head % N] = std::move(item);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }
  bool pop(T& out) noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == seen_head_) {
      seen_head_ = head_.load(std::memory_order_acquire);
      if (tail == seen_head_) return false;
    }
    out = std::move(items_[tail % N]);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  std::size_t size() const noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_acquire);
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    return static_cast<std::size_t>(std::min<std::uint64_t>(head - tail, N));
  }

 private:
  std::array<T, N> items_{};
  alignas(kCacheLine) std::atomic<std::uint64_t> head_{0};
  alignas(kCacheLine) std::uint64_t seen_tail_ = 0;  // the producer's
  alignas(kCacheLine) std::atomic<std::uint64_t> tail_{0};
  alignas(kCacheLine) std::uint64_t seen_head_ = 0;  // the consumer's
};

// The newest N items.
template <typename T, std::size_t N>
class Overwriting {
 public:
  Overwriting() noexcept {
    for (std::size_t i = 0; i < N; ++i)
      slots_[i].store(word(i, i, false), std::memory_order_relaxed);
  }

  // True if the oldest item had to go for it.
  bool push(T& item) noexcept {
    const std::uint64_t position = head_.load(std::memory_order_relaxed);
    std::atomic<std::uint64_t>& slot = slots_[position % N];
    cells_[write_cell_] = std::move(item);
    const std::uint64_t filled = word(position, write_cell_, true);
    std::uint64_t found = slot.load(std::memory_order_acquire);
    const bool lapped =
        is_full(found) && slot.compare_exchange_strong(found, filled, std::memory_order_acq_rel,
                                                       std::memory_order_acquire);
    if (!lapped) slot.store(filled, std::memory_order_release);  // empty: ours alone to fill
    write_cell_ = cell_of(found);
    if constexpr (!std::is_trivially_destructible_v<T>)
      if (lapped) cells_[write_cell_] = T{};  // gives back what it held
    head_.store(position + 1, std::memory_order_release);
    return lapped;
  }

  bool pop(T& out) noexcept {
    std::uint64_t position = tail_.load(std::memory_order_relaxed);
    for (;;) {
      std::atomic<std::uint64_t>& slot = slots_[position % N];
      std::uint64_t found = slot.load(std::memory_order_acquire);
      if (!is_full(found)) return false;
      const std::uint64_t newest_here = position_of(found);
      if (newest_here == position &&
          slot.compare_exchange_strong(found, word(position, read_cell_, false),
                                       std::memory_order_acq_rel, std::memory_order_acquire)) {
        read_cell_ = cell_of(found);
        out = std::move(cells_[read_cell_]);
        tail_.store(position + 1, std::memory_order_release);
        return true;
      }
      position = position_of(found) - N + 1;  // lapped: the oldest that can still be inside
      tail_.store(position, std::memory_order_release);
    }
  }

  std::size_t size() const noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_acquire);
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    return static_cast<std::size_t>(std::min<std::uint64_t>(head - tail, N));
  }

 private:
  static_assert(N + 2 <= 0x8000, "a cell's number has 15 bits");
  // 48 bits of position last 89 000 years at 100 items a second.
  static constexpr std::uint64_t word(std::uint64_t position, std::uint64_t cell, bool full) {
    return position << 16 | cell << 1 | (full ? 1 : 0);
  }
  static constexpr bool is_full(std::uint64_t w) { return w & 1; }
  static constexpr std::size_t cell_of(std::uint64_t w) { return w >> 1 & 0x7fff; }
  static constexpr std::uint64_t position_of(std::uint64_t w) { return w >> 16; }

  std::array<T, N + 2> cells_{};
  alignas(kCacheLine) std::array<std::atomic<std::uint64_t>, N> slots_;
  alignas(kCacheLine) std::atomic<std::uint64_t> head_{0};
  std::size_t write_cell_ = N;  // the producer's
  alignas(kCacheLine) std::atomic<std::uint64_t> tail_{0};
  std::size_t read_cell_ = N + 1;  // the consumer's
};

}  // namespace queue_detail

// T: default-constructible, its moves do not throw. The queue owns what is inside.
template <typename T, std::size_t N, Policy policy>
class Queue {
  static_assert(N > 0);
  static_assert(std::is_move_assignable_v<T> && std::is_default_constructible_v<T>);

 public:
  // `ready` is rung at every push and at close(); a consumer of several queues waits on one Signal.
  // It must outlive the queue.
  explicit Queue(Signal* ready = nullptr) noexcept : ready_(ready) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // The producer's thread. The item is gone either way; false: it was dropped, and counted, because
  // the queue is full (drop_newest) or closed. With drop_oldest a full queue counts the oldest item
  // as dropped and takes this one. With backpressure sleeps until there is room or the queue is
  // closed.
  bool push(T&& item) noexcept {
    const bool taken = !closed() && insert(item);
    if (!taken) {
      if constexpr (!std::is_trivially_destructible_v<T>) item = T{};
      dropped_.fetch_add(1, std::memory_order_relaxed);
    }
    if (taken && ready_) ready_->ring();
    return taken;
  }

  // The consumer's thread. False: nothing inside at this moment.
  bool pop(T& out) noexcept {
    if (!items_.pop(out)) return false;
    if constexpr (policy == Policy::backpressure) room_.ring();
    return true;
  }

  // Any thread: no more items will be taken; both sides wake.
  void close() noexcept {
    closed_.store(true, std::memory_order_release);
    room_.ring();
    if (ready_) ready_->ring();
  }
  bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  // The consumer's thread: closed by the producer and empty, nothing will ever come. (When another
  // thread closes, the producer may be in the middle of one last push.)
  bool finished() const noexcept { return closed() && size() == 0; }

  // Any thread; exact when both sides rest.
  std::size_t size() const noexcept { return items_.size(); }
  static constexpr std::size_t capacity() noexcept { return N; }
  // Items lost to the policy or to close(), since the start. Any thread.
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  bool insert(T& item) noexcept {
    if constexpr (policy == Policy::drop_oldest) {
      if (items_.push(item)) dropped_.fetch_add(1, std::memory_order_relaxed);
      return true;
    } else if constexpr (policy == Policy::drop_newest) {
      return items_.push(item);
    } else {
      for (;;) {
        const std::uint32_t epoch = room_.epoch();
        if (closed()) return false;
        if (items_.push(item)) return true;
        room_.wait(epoch);
      }
    }
  }

  using Items = std::conditional_t<policy == Policy::drop_oldest, queue_detail::Overwriting<T, N>,
                                   queue_detail::Ring<T, N>>;
  Items items_;
  alignas(queue_detail::kCacheLine) std::atomic<bool> closed_{false};
  Signal* ready_;
  Signal room_;  // rung at every pop, backpressure alone
  alignas(queue_detail::kCacheLine) std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace gantry
