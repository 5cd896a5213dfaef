// The log ring: a bounded many-writer queue (D. Vyukov's sequence-per-cell scheme), one reader.
// SPDX-License-Identifier: Apache-2.0
#include "hal/log/log.hpp"

#include <array>
#include <cstring>

#include "hal/clock/clock.hpp"

namespace gantry::log {
namespace {

constexpr std::uint64_t kSlots = 512;  // a power of two; 200 kB in all

struct Cell {
  std::atomic<std::uint64_t> sequence{0};
  Record record;
};

struct Ring {
  Ring() noexcept {
    for (std::uint64_t i = 0; i < kSlots; ++i)
      cells[i].sequence.store(i, std::memory_order_relaxed);
  }
  std::array<Cell, kSlots> cells;
  alignas(64) std::atomic<std::uint64_t> head{0};
  alignas(64) std::uint64_t tail = 0;
  alignas(64) std::atomic<std::uint64_t> dropped{0};
};

Ring& ring() noexcept {
  static Ring instance;
  return instance;
}

}  // namespace

Writer::Writer(Level level) noexcept {
  Ring& r = ring();
  std::uint64_t position = r.head.load(std::memory_order_relaxed);
  for (;;) {
    Cell& cell = r.cells[position % kSlots];
    const auto sequence = cell.sequence.load(std::memory_order_acquire);
    if (sequence == position) {
      if (r.head.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
        record_ = &cell.record;
        position_ = position;
        record_->instant_ns = clock::now_ns();
        record_->level = level;
        record_->length = 0;
        return;
      }
    } else if (sequence < position) {
      r.dropped.fetch_add(1, std::memory_order_relaxed);
      return;
    } else {
      position = r.head.load(std::memory_order_relaxed);
    }
  }
}

Writer::~Writer() {
  if (record_)
    ring().cells[position_ % kSlots].sequence.store(position_ + 1, std::memory_order_release);
}

bool OncePer::admit(std::int64_t now_ns, std::uint64_t& repeats) noexcept {
  std::int64_t last = last_ns_.load(std::memory_order_relaxed);
  const bool quiet = last != INT64_MIN && now_ns - last < quiet_ns_;
  // Of several threads at the same instant one gets through.
  if (quiet || !last_ns_.compare_exchange_strong(last, now_ns, std::memory_order_relaxed)) {
    swallowed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  repeats = swallowed_.exchange(0, std::memory_order_relaxed);
  return true;
}

bool take(Record& out) noexcept {
  Ring& r = ring();
  Cell& cell = r.cells[r.tail % kSlots];
  if (cell.sequence.load(std::memory_order_acquire) != r.tail + 1) return false;
  out.instant_ns = cell.record.instant_ns;
  out.level = cell.record.level;
  out.length = cell.record.length;
  std::memcpy(out.text, cell.record.text, cell.record.length);
  cell.sequence.store(r.tail + kSlots, std::memory_order_release);
  ++r.tail;
  return true;
}

std::uint64_t dropped() noexcept {
  return ring().dropped.load(std::memory_order_relaxed);
}

}  // namespace gantry::log
