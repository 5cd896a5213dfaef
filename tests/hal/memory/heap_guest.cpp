// Every heap of a real kernel: blocks, their descriptors, sharing and caches.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "hal/memory/heap.hpp"

namespace gantry {
namespace {

std::vector<std::string> kernel_heaps() {
  auto heaps = list_heaps();
  heaps.pop_back();  // plain
  return heaps;
}

int open_descriptors() {
  const auto folder = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<int>(std::distance(begin(folder), end(folder)));
}

TEST(HeapGuest, TheKernelsHeapsAreListedSystemFirst) {
  const auto heaps = kernel_heaps();
  ASSERT_GE(heaps.size(), 2u);
  EXPECT_EQ(heaps.front(), "/dev/dma_heap/system");
  const char* guest = std::getenv("GANTRY_GUEST");
  const bool uml = guest && std::string(guest) == "uml";
  EXPECT_EQ(std::find(heaps.begin(), heaps.end(), "/dev/udmabuf") != heaps.end(), uml);
}

// The bytes are behind the descriptor: a second mapping sees what the first wrote.
TEST(HeapGuest, ABlockOfEachIsSharedByItsDescriptor) {
  for (const auto& name : kernel_heaps()) {
    SCOPED_TRACE(name);
    HeapBlock block = open_heap(name)->allocate(100'000);
    ASSERT_TRUE(block.dma_buf);
    ASSERT_GE(block.host.bytes(), 100'000u);
    for (std::size_t i = 0; i < 100'000; i += 999) ASSERT_EQ(block.host.data()[i], std::byte{0});
    {
      const HostAccess access(block.dma_buf.get(), HostAccess::Kind::write);
      std::memset(block.host.data(), 0x5a, 100'000);
    }
    const Mapping other(
        mmap(nullptr, block.host.bytes(), PROT_READ, MAP_SHARED, block.dma_buf.get(), 0),
        block.host.bytes());
    ASSERT_TRUE(other);
    const HostAccess access(block.dma_buf.get(), HostAccess::Kind::read);
    EXPECT_EQ(other.data()[99'999], std::byte{0x5a});
  }
}

TEST(HeapGuest, NothingIsLeftOpen) {
  const int before = open_descriptors();
  for (const auto& name : kernel_heaps()) {
    const auto heap = open_heap(name);
    const HeapBlock one = heap->allocate(1), two = heap->allocate(4097);
    EXPECT_NE(one.dma_buf.get(), two.dma_buf.get());
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(HeapGuest, WithoutPermissionTheCauseIsTold) {
  const char* node = "/dev/dma_heap/system";
  ASSERT_EQ(chmod(node, 0600), 0);
  ASSERT_EQ(seteuid(65534), 0);
  const std::string cause = test_heap(node);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(cause, "heap /dev/dma_heap/system: cannot be opened: Permission denied");
  EXPECT_EQ(test_heap(node), "");
}

}  // namespace
}  // namespace gantry
