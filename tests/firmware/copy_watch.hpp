// What the processor copies in this process: every memcpy and memmove of ours and of all libraries, and what
// read and write calls carry.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace gantry::test {

struct Copied {
  std::uint64_t memory = 0;  // bytes, in calls of 256 and more
  std::uint64_t system =
      0;  // bytes that went through system calls; 0 where the kernel does not tell
};
// Since the process began, by all threads but those that left themselves out. Any thread.
Copied copied();
// The calling thread looks on: what it copies is not counted.
void leave_out_this_thread();

}  // namespace gantry::test
