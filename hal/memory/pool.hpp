// A fixed number of slots made at start, handed out as counted references.
//
// How it works: the free slots form a lock-free stack of indices (Treiber), its head carrying a
// counter so that a slot that was taken and put back in between is noticed (the ABA problem).
// acquire() pops; when the last Ref to a slot is gone the slot is pushed back. Nobody blocks: an
// empty pool answers an empty Ref, and the caller counts a drop.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace gantry {

template <typename T>
class Pool;

// A counted reference to a pool's slot. Move-only, so that every further holder is seen in the code
// as share(). May be dropped by any thread. The pool must outlive it.
template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(Ref&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}
  Ref& operator=(Ref&& other) noexcept {
    if (this != &other) {
      reset();
      pool_ = std::exchange(other.pool_, nullptr);
      index_ = other.index_;
    }
    return *this;
  }
  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;
  ~Ref() { reset(); }

  explicit operator bool() const { return pool_ != nullptr; }
  T& operator*() const { return pool_->slots_[index_].value; }
  T* operator->() const { return &**this; }
  // The slot's number, 0 … capacity-1: stable for the life of the pool.
  std::uint32_t index() const { return index_; }

  // One more reference to the same slot.
  Ref share() const noexcept {
    if (pool_) pool_->slots_[index_].references.fetch_add(1, std::memory_order_relaxed);
    return Ref(pool_, index_);
  }
  void reset() noexcept {
    if (Pool<T>* pool = std::exchange(pool_, nullptr)) pool->release(index_);
  }

 private:
  friend class Pool<T>;
  Ref(Pool<T>* pool, std::uint32_t index) noexcept : pool_(pool), index_(index) {}
  Pool<T>* pool_ = nullptr;
  std::uint32_t index_ = 0;
};

template <typename T>
class Pool {
 public:
  // Set-up. `make(i)` makes the i-th slot's value.
  template <typename Make>
  Pool(std::uint32_t capacity, Make&& make)
      : capacity_(capacity), slots_(std::make_unique<Slot[]>(capacity)), free_(capacity) {
    for (std::uint32_t i = 0; i < capacity; ++i) slots_[i].value = make(i);
    for (std::uint32_t i = capacity; i-- > 0;) push(i);
  }
  // Every Ref must be gone by now.
  ~Pool() { assert(available() == capacity_); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Any thread, no allocation. Lock-free: starts again only when another thread's take or give-back
  // has just succeeded. Empty when no slot is free.
  Ref<T> acquire() noexcept {
    std::uint64_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const auto index = static_cast<std::uint32_t>(head);
      if (index == kEnd) return {};
      const std::uint32_t next = slots_[index].next.load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, tagged(head, next), std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        slots_[index].references.store(1, std::memory_order_relaxed);
        free_.fetch_sub(1, std::memory_order_relaxed);
        return Ref<T>(this, index);
      }
    }
  }

  std::uint32_t capacity() const { return capacity_; }
  // Free slots at this moment; exact only when nobody works on the pool.
  std::uint32_t available() const { return free_.load(std::memory_order_relaxed); }
  // Set-up: the value of a slot, in use or not.
  T& slot(std::uint32_t index) { return slots_[index].value; }

 private:
  friend class Ref<T>;
  static constexpr std::uint32_t kEnd = UINT32_MAX;

  struct Slot {
    T value{};
    std::atomic<std::uint32_t> references{0};
    std::atomic<std::uint32_t> next{kEnd};
  };

  static std::uint64_t tagged(std::uint64_t old_head, std::uint32_t index) {
    return ((old_head >> 32) + 1) << 32 | index;
  }
  void push(std::uint32_t index) noexcept {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    do {
      slots_[index].next.store(static_cast<std::uint32_t>(head), std::memory_order_relaxed);
    } while (!head_.compare_exchange_weak(head, tagged(head, index), std::memory_order_release,
                                          std::memory_order_relaxed));
  }
  void release(std::uint32_t index) noexcept {
    if (slots_[index].references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    free_.fetch_add(1, std::memory_order_relaxed);
    push(index);
  }

  std::uint32_t capacity_;
  std::unique_ptr<Slot[]> slots_;
  alignas(64) std::atomic<std::uint64_t> head_{kEnd};
  alignas(64) std::atomic<std::uint32_t> free_;
};

}  // namespace gantry
