// Interposes the allocation calls of the C library: counts them after seal(), and passes them on.
//
// Linked as an object library, so that the linker does not leave it out. The originals are reached
// through glibc's own __libc_ names: no dlsym, which itself allocates. mmap and its kin go straight
// to the kernel. Sanitizers own these symbols; under them this file is empty and counts are
// unavailable.
// SPDX-License-Identifier: Apache-2.0
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define GANTRY_SANITIZER_OWNS_MALLOC
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GANTRY_SANITIZER_OWNS_MALLOC
#endif

#ifndef GANTRY_SANITIZER_OWNS_MALLOC
#include <cerrno>
#include <cstdarg>
#include <cstdlib>

#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "firmware/allocation_account.hpp"

namespace guard = gantry::allocation_guard;

namespace {

[[maybe_unused]] const bool announced = [] {
  guard::interposed.store(true, std::memory_order_relaxed);
  return true;
}();

bool counting() noexcept {
  return guard::counting.load(std::memory_order_relaxed);
}

void* counted(void* block) noexcept {
  if (block && counting()) guard::note_allocation(malloc_usable_size(block));
  return block;
}

bool is_power_of_two(std::size_t n) noexcept {
  return n != 0 && (n & (n - 1)) == 0;
}

void* address_of(long result_of_call) noexcept {
  return reinterpret_cast<void*>(result_of_call);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace

extern "C" {

// NOLINTBEGIN(bugprone-reserved-identifier): the names are glibc's
void* __libc_malloc(std::size_t) noexcept;
void __libc_free(void*) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;
void* __libc_valloc(std::size_t) noexcept;
void* __libc_pvalloc(std::size_t) noexcept;
// NOLINTEND(bugprone-reserved-identifier)

void* malloc(std::size_t bytes) noexcept {
  return counted(__libc_malloc(bytes));
}
void* calloc(std::size_t n, std::size_t bytes) noexcept {
  return counted(__libc_calloc(n, bytes));
}
void* valloc(std::size_t bytes) noexcept {
  return counted(__libc_valloc(bytes));
}
void* pvalloc(std::size_t bytes) noexcept {
  return counted(__libc_pvalloc(bytes));
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  return counted(__libc_memalign(alignment, bytes));
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return counted(__libc_memalign(alignment, bytes));
}

int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
  if (alignment % sizeof(void*) != 0 || !is_power_of_two(alignment)) return EINVAL;
  void* block = __libc_memalign(alignment, bytes);
  if (!block) return ENOMEM;
  *out = counted(block);
  return 0;
}

void free(void* block) noexcept {
  if (block && counting()) guard::note_free(malloc_usable_size(block));
  __libc_free(block);
}

void* realloc(void* block, std::size_t bytes) noexcept {
  if (!counting()) return __libc_realloc(block, bytes);
  const std::size_t before = block ? malloc_usable_size(block) : 0;
  void* moved = __libc_realloc(block, bytes);
  // A failed call leaves the block as it was; realloc(block, 0) frees it.
  if (block && (moved || bytes == 0)) guard::note_free(before);
  return counted(moved);
}

void* mmap(void* address, std::size_t bytes, int protection, int flags, int file,
           off_t offset) noexcept {
  void* mapped = address_of(syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
  if (mapped != MAP_FAILED && counting()) guard::note_map(bytes);
  return mapped;
}

void* mmap64(void* address, std::size_t bytes, int protection, int flags, int file,
             off64_t offset) noexcept {
  return mmap(address, bytes, protection, flags, file, offset);
}

int munmap(void* address, std::size_t bytes) noexcept {
  const auto result = static_cast<int>(syscall(SYS_munmap, address, bytes));
  if (result == 0 && counting()) guard::note_unmap(bytes);
  return result;
}

void* mremap(void* address, std::size_t before, std::size_t bytes, int flags, ...) noexcept {
  void* wanted = nullptr;
  va_list rest;
  va_start(rest, flags);
  // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it does not see the va_start above
  if (flags & MREMAP_FIXED) wanted = va_arg(rest, void*);
  va_end(rest);
  void* mapped = address_of(syscall(SYS_mremap, address, before, bytes, flags, wanted));
  if (mapped != MAP_FAILED && counting()) {
    guard::note_unmap(before);
    guard::note_map(bytes);
  }
  return mapped;
}

}  // extern "C"
#endif
