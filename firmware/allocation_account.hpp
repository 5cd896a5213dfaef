// The book that the interposed allocation calls write into; see allocation_guard.hpp.
//
// Every function here is called from inside malloc: none allocates, none takes a lock, and all work
// before main() and after fork().
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstddef>

namespace gantry::allocation_guard {

inline constinit std::atomic<bool> counting{false};
// Set by allocation_guard.cpp where it is linked and does interpose.
inline constinit std::atomic<bool> interposed{false};

// The calling thread took, gave back, mapped or unmapped this many bytes.
void note_allocation(std::size_t bytes) noexcept;
void note_free(std::size_t bytes) noexcept;
void note_map(std::size_t bytes) noexcept;
void note_unmap(std::size_t bytes) noexcept;

}  // namespace gantry::allocation_guard
