// Heaps and owners as they are on every machine; those of the kernel are tested in heap_guest.cpp.
// SPDX-License-Identifier: Apache-2.0
#include "hal/memory/heap.hpp"

#include <cstring>

#include <fcntl.h>
#include <gtest/gtest.h>

#include "hal/memory/surface.hpp"

namespace gantry {
namespace {

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

TEST(FileDescriptor, IsClosedOnceByItsLastOwner) {
  int raw = -1;
  {
    FileDescriptor first(memfd_create("test", 0));
    raw = first.get();
    FileDescriptor second = std::move(first);
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what a moved owner holds is the point
    EXPECT_TRUE(is_open(raw));
    first = std::move(second);
    EXPECT_EQ(first.get(), raw);
  }
  EXPECT_FALSE(is_open(raw));
}

TEST(Mapping, AFailedMapIsEmpty) {
  EXPECT_FALSE(Mapping(MAP_FAILED, 4096));
  EXPECT_EQ(Mapping(MAP_FAILED, 4096).bytes(), 0u);
}

TEST(Heap, PlainIsAlwaysListedLastAndGivesZeroedPagesWithoutADescriptor) {
  EXPECT_EQ(list_heaps().back(), "plain");
  HeapBlock block = open_heap("plain")->allocate(5000);
  EXPECT_FALSE(block.dma_buf);
  ASSERT_EQ(block.host.bytes(), 8192u);
  for (std::size_t i = 0; i < block.host.bytes(); ++i)
    ASSERT_EQ(block.host.data()[i], std::byte{0}) << i;
}

TEST(Heap, AMissingOneIsRefusedInOneLineWithWhatThereIs) {
  try {
    open_heap("no-such-heap");
    FAIL() << "opened";
  } catch (const std::runtime_error& e) {
    const std::string what = e.what();
    EXPECT_TRUE(what.starts_with("heap no-such-heap: this machine has none")) << what;
    EXPECT_NE(what.find("plain"), std::string::npos) << what;
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
  }
}

TEST(Heap, MoreThanTheMachineHasIsRefusedWithTheCause) {
  try {
    open_heap("plain")->allocate(std::size_t{1} << 60);
    FAIL() << "allocated";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("refused: Cannot allocate memory"), std::string::npos)
        << e.what();
  }
}

// What a kernel writes is in the heap's pages, and what the host writes there is what it reads.
TEST(SurfacePool, OverAHeapTheKernelsAndTheHostWorkInItsPages) {
  gpu::Device device({}, {});
  const auto heap = open_first_heap();
  const auto layout = nv12_layout(64, 4);
  const auto pool = make_surface_pool(device, layout, 2, gpu::Access::upload, heap.get());
  Surface& surface = pool->slot(1);
  EXPECT_EQ(surface.memory.host, surface.block.host.data());
  auto queue = device.make_queue();
  if (surface.memory.apart) GTEST_SKIP() << device.info().name << " has memory of its own";
  queue.enqueueFillBuffer(surface.memory.buffer, cl_uchar{7}, 0, layout.bytes());
  queue.finish();
  EXPECT_EQ(surface.luma()[63], 7);
  std::memset(surface.luma(), 9, layout.bytes());
  std::uint8_t read = 0;
  queue.enqueueReadBuffer(surface.memory.buffer, CL_TRUE, layout.bytes() - 1, 1, &read);
  EXPECT_EQ(read, 9);
}

}  // namespace
}  // namespace gantry
