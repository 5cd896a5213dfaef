// Counts what is allocated after seal(), thread by thread: the proof that the steady state
// allocates nothing.
//
// The counting calls (malloc, free, calloc, realloc, memalign and its kin, mmap, munmap, mremap)
// are interposed by allocation_guard.cpp, an object library of its own: programs that link it
// count, others answer `available = false`. Libraries loaded later (OpenCL drivers, codecs) resolve
// to the same symbols and are counted too. Calls that the C library makes inside itself are not
// seen; the growth of the heap is measured beside them as the movement of the program break.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gantry {

// What a thread may do after seal().
enum class ThreadRole : std::uint8_t {
  frame,       // handles frames with our code alone: allocates nothing
  submission,  // calls the OpenCL driver, which allocates inside: must stay flat
  codec,       // calls encoders and decoders: must stay flat
  io,          // log, network, health: bounded
};
const char* role_name(ThreadRole role) noexcept;

namespace allocation_guard {

constexpr std::size_t kMostThreads = 64;  // further ones are counted under "driver"

// The calling thread says its name (15 bytes are kept) and role, and takes it back before it ends.
// A name that was given back is continued by its next bearer. No allocation.
void register_thread(const char* name, ThreadRole role) noexcept;
void unregister_thread() noexcept;

struct Options {
  // A frame thread that allocates prints where, and the process aborts. The environment variable
  // GANTRY_ABORT_ON_ALLOCATION=1 does the same.
  bool abort_on_frame_allocation = false;
};
// End of set-up: counts start from zero. One thread.
void seal(Options options = {}) noexcept;
// Start of tear-down: counting stops, the counts stay.
void unseal() noexcept;
bool sealed() noexcept;

struct Account {
  std::string name;  // "driver": every thread that did not register
  ThreadRole role = ThreadRole::io;
  std::uint64_t allocations = 0;  // malloc, calloc, memalign, …, and realloc
  std::uint64_t frees = 0;        // free, and realloc of a block
  std::uint64_t maps = 0;         // mmap, mremap
  std::uint64_t unmaps = 0;
  std::uint64_t allocated_bytes = 0, freed_bytes = 0;  // as the allocator rounds them
  std::int64_t mapped_bytes = 0;                       // mapped minus unmapped
  // Allocated minus freed by this thread; below 0 where it frees what others made.
  std::int64_t outstanding_bytes() const {
    return static_cast<std::int64_t>(allocated_bytes) - static_cast<std::int64_t>(freed_bytes);
  }
};

struct Report {
  bool available = false;
  std::string why_not;  // where it is not
  std::vector<Account> by_thread;
  std::uint64_t frame_thread_allocations = 0;  // allocations and maps of all frame threads
  std::uint64_t frame_thread_frees = 0;
  std::int64_t heap_growth_bytes = 0;  // movement of the program break since seal()
  std::int64_t outstanding_bytes = 0;  // of all threads
};
// Any thread; allocates, so not on a frame thread.
Report report();

}  // namespace allocation_guard
}  // namespace gantry
