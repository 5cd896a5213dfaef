// One account per named thread, the seal, and the report.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/allocation_account.hpp"

#include <array>
#include <cstdlib>
#include <cstring>

#include <execinfo.h>
#include <unistd.h>

#include "firmware/allocation_guard.hpp"

namespace gantry {

const char* role_name(ThreadRole role) noexcept {
  switch (role) {
    case ThreadRole::frame:
      return "frame";
    case ThreadRole::submission:
      return "submission";
    case ThreadRole::codec:
      return "codec";
    case ThreadRole::io:
      return "io";
  }
  return "?";
}

namespace allocation_guard {
namespace {

constexpr std::size_t kNameBytes = 16;

enum class State : std::uint8_t { unused, claimed, active, idle };

struct Book {
  std::atomic<State> state{State::unused};
  ThreadRole role = ThreadRole::io;
  std::array<char, kNameBytes> name{};
  std::atomic<std::uint64_t> allocations{0}, frees{0}, maps{0}, unmaps{0};
  std::atomic<std::uint64_t> allocated_bytes{0}, freed_bytes{0};
  std::atomic<std::int64_t> mapped_bytes{0};

  void clear() noexcept {
    for (auto* count : {&allocations, &frees, &maps, &unmaps, &allocated_bytes, &freed_bytes})
      count->store(0, std::memory_order_relaxed);
    mapped_bytes.store(0, std::memory_order_relaxed);
  }
  bool is(const char* other) const noexcept {
    return std::strncmp(name.data(), other, kNameBytes - 1) == 0;
  }
};

constinit std::array<Book, kMostThreads> books;
constinit Book driver_book;  // whoever did not register
constinit std::atomic<bool> abort_on_frame_allocation{false};
constinit std::atomic<std::uintptr_t> break_at_seal{0}, break_at_unseal{0};

// Initial-exec: reading it must not allocate the thread's block, as the dynamic models may.
__attribute__((tls_model("initial-exec"))) constinit thread_local Book* own_book = nullptr;

Book& book() noexcept {
  return own_book ? *own_book : driver_book;
}

void add(std::atomic<std::uint64_t>& count, std::uint64_t n) noexcept {
  count.fetch_add(n, std::memory_order_relaxed);
}

void print(const char* text) noexcept {
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

[[noreturn]] void abort_with_backtrace(const Book& culprit, const char* what) noexcept {
  counting.store(false, std::memory_order_relaxed);
  print("gantry: frame thread \"");
  print(culprit.name.data());
  print(what);
  std::array<void*, 64> frames{};
  backtrace_symbols_fd(frames.data(), backtrace(frames.data(), frames.size()), STDERR_FILENO);
  std::abort();
}

void forbid_on_frame_threads(const Book& own, const char* what) noexcept {
  if (own.role == ThreadRole::frame && abort_on_frame_allocation.load(std::memory_order_relaxed))
    abort_with_backtrace(own, what);
}

std::uintptr_t program_break() noexcept {
  return reinterpret_cast<std::uintptr_t>(sbrk(0));
}

Account read(const Book& b, const char* name) {
  Account account;
  account.name = name;
  account.role = b.role;
  account.allocations = b.allocations.load(std::memory_order_relaxed);
  account.frees = b.frees.load(std::memory_order_relaxed);
  account.maps = b.maps.load(std::memory_order_relaxed);
  account.unmaps = b.unmaps.load(std::memory_order_relaxed);
  account.allocated_bytes = b.allocated_bytes.load(std::memory_order_relaxed);
  account.freed_bytes = b.freed_bytes.load(std::memory_order_relaxed);
  account.mapped_bytes = b.mapped_bytes.load(std::memory_order_relaxed);
  return account;
}

bool change(Book& b, State from, State to) noexcept {
  return b.state.compare_exchange_strong(from, to, std::memory_order_acq_rel);
}

Book* claim(const char* name, ThreadRole role) noexcept {
  for (Book& b : books)
    if (b.state.load(std::memory_order_acquire) == State::idle && b.is(name) &&
        change(b, State::idle, State::claimed)) {
      b.role = role;
      return &b;
    }
  for (Book& b : books)
    if (change(b, State::unused, State::claimed)) {
      std::strncpy(b.name.data(), name, kNameBytes - 1);
      b.role = role;
      return &b;
    }
  return nullptr;
}

}  // namespace

void note_allocation(std::size_t bytes) noexcept {
  Book& own = book();
  add(own.allocations, 1);
  add(own.allocated_bytes, bytes);
  forbid_on_frame_threads(own, "\" allocated after seal():\n");
}

void note_free(std::size_t bytes) noexcept {
  Book& own = book();
  add(own.frees, 1);
  add(own.freed_bytes, bytes);
}

void note_map(std::size_t bytes) noexcept {
  Book& own = book();
  add(own.maps, 1);
  own.mapped_bytes.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  forbid_on_frame_threads(own, "\" mapped memory after seal():\n");
}

void note_unmap(std::size_t bytes) noexcept {
  Book& own = book();
  add(own.unmaps, 1);
  own.mapped_bytes.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
}

void register_thread(const char* name, ThreadRole role) noexcept {
  unregister_thread();
  if (Book* b = claim(name, role)) {
    b->state.store(State::active, std::memory_order_release);
    own_book = b;
  }
}

void unregister_thread() noexcept {
  if (Book* b = own_book) {
    own_book = nullptr;
    b->state.store(State::idle, std::memory_order_release);
  }
}

void seal(Options options) noexcept {
  void* frame = nullptr;
  backtrace(&frame, 1);  // loads its library now, not from inside malloc
  const char* wanted = std::getenv("GANTRY_ABORT_ON_ALLOCATION");
  abort_on_frame_allocation.store(
      options.abort_on_frame_allocation || (wanted && std::strcmp(wanted, "1") == 0),
      std::memory_order_relaxed);
  for (Book& b : books) b.clear();
  driver_book.clear();
  break_at_seal.store(program_break(), std::memory_order_relaxed);
  counting.store(true, std::memory_order_release);
}

void unseal() noexcept {
  if (!counting.exchange(false, std::memory_order_acq_rel)) return;
  break_at_unseal.store(program_break(), std::memory_order_relaxed);
}

bool sealed() noexcept {
  return counting.load(std::memory_order_acquire);
}

Report report() {
  Report result;
  result.available = interposed.load(std::memory_order_relaxed);
  if (!result.available) {
    result.why_not = "the allocation calls are not interposed in this build";
    return result;
  }
  // Read first: building the report allocates.
  const std::uintptr_t end =
      sealed() ? program_break() : break_at_unseal.load(std::memory_order_relaxed);
  result.heap_growth_bytes =
      static_cast<std::int64_t>(end - break_at_seal.load(std::memory_order_relaxed));
  for (const Book& b : books) {
    const State state = b.state.load(std::memory_order_acquire);
    if (state == State::active || state == State::idle)
      result.by_thread.push_back(read(b, b.name.data()));
  }
  result.by_thread.push_back(read(driver_book, "driver"));
  for (const Account& account : result.by_thread) {
    result.outstanding_bytes += account.outstanding_bytes();
    if (account.role != ThreadRole::frame) continue;
    result.frame_thread_allocations += account.allocations + account.maps;
    result.frame_thread_frees += account.frees + account.unmaps;
  }
  return result;
}

}  // namespace allocation_guard
}  // namespace gantry
