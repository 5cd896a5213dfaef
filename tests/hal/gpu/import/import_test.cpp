// Memory of others, imported by its descriptor: kernels and others see each other's writes by the
// hand-over alone, and what is refused is taken by its mapping. A layer over the machine's driver
// (importing_driver.cpp) imports.
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "hal/log/log.hpp"
#include "hal/memory/surface.hpp"

namespace gantry {
namespace {

const bool kLayered = setenv("OPENCL_LAYERS", GANTRY_IMPORTING_DRIVER, 1) == 0;
constexpr const char* kAdd =
    "__kernel void add(__global uchar* data, uchar value) { data[get_global_id(0)] += value; }";
constexpr std::size_t kBytes = 1 << 16;

// A descriptor with pages behind it: the layer takes it as a driver takes a DMA-buf.
HeapBlock block_of(std::size_t bytes) {
  HeapBlock block;
  block.dma_buf = FileDescriptor(memfd_create("import", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(block.dma_buf.get(), static_cast<off_t>(bytes)), 0);
  block.host = Mapping(
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, block.dma_buf.get(), 0), kBytes);
  return block;
}

class Import : public testing::Test {
 protected:
  Import() : queue_(device_.make_queue()), program_(device_.build("add", kAdd)) {}
  void SetUp() override {
    ASSERT_TRUE(kLayered);
    ASSERT_TRUE(device_.imports()) << device_.info().extensions;
  }
  cl::Event add(const gpu::Memory& memory, cl_uchar value) {
    cl::Kernel kernel(program_, "add");
    cl::Event done;
    EXPECT_EQ(gpu::set_argument(kernel, 0, memory.buffer), Status::ok);
    EXPECT_EQ(gpu::set_value(kernel, 1, value), Status::ok);
    EXPECT_EQ(gpu::launch(queue_, kernel, gpu::Range(kBytes), nullptr, {}, &done), Status::ok);
    return done;
  }
  void bring(const gpu::Memory& memory) {
    cl::Event done;
    ASSERT_EQ(gpu::download(queue_, memory, memory.bytes, {}, &done), Status::ok);
    ASSERT_EQ(gpu::wait(done), Status::ok);
  }
  gpu::Device device_{{}, {}};
  cl::CommandQueue queue_;
  cl::Program program_;
};

TEST_F(Import, KernelsAndOthersSeeEachOthersWritesByTheHandOver) {
  const HeapBlock block = block_of(kBytes);
  const auto memory = device_.adopt(block.host.data(), kBytes, block.dma_buf.get());
  ASSERT_TRUE(memory.by_command());
  ASSERT_FALSE(memory.apart);
  EXPECT_TRUE(device_.imports(block.dma_buf.get(), kBytes));
  for (int round = 0; round < 3; ++round) {
    std::memset(memory.host, 10 * round, kBytes);
    ASSERT_EQ(gpu::upload(queue_, memory, kBytes, {}, nullptr), Status::ok);
    ASSERT_EQ(gpu::wait(add(memory, 5)), Status::ok);
    EXPECT_EQ(memory.host[kBytes - 1], std::byte(10 * round)) << "the double hides mistakes";
    bring(memory);
    EXPECT_EQ(memory.host[0], std::byte(10 * round + 5));
    EXPECT_EQ(memory.host[kBytes - 1], std::byte(10 * round + 5));
  }
  std::memset(memory.host, 100, kBytes);
  ASSERT_EQ(gpu::acquire(queue_, memory), Status::ok);
  add(memory, 1);
  bring(memory);
  EXPECT_EQ(memory.host[7], std::byte{101});
}

TEST_F(Import, WhatIsRefusedIsTakenByItsMappingAndSaidOnce) {
  const HeapBlock small = block_of(kBytes / 2);
  EXPECT_FALSE(device_.imports(small.dma_buf.get(), kBytes));
  for (log::Record r; log::take(r);) continue;
  const HeapBlock block = block_of(kBytes);  // only the descriptor is not what it should be
  for (int round = 0; round < 2; ++round) {
    const auto memory = device_.adopt(block.host.data(), kBytes, small.dma_buf.get());
    EXPECT_EQ(memory.hand_over, nullptr);
    std::memset(memory.host, 20, kBytes);
    ASSERT_EQ(gpu::upload(queue_, memory, kBytes, {}, nullptr), Status::ok);
    add(memory, 2);
    bring(memory);
    EXPECT_EQ(memory.host[9], std::byte{22});
  }
  std::string said;
  for (log::Record r; log::take(r);) said += std::string(r.view()) + "\n";
  const auto first = said.find("is not imported");
  EXPECT_NE(first, std::string::npos) << said;
  EXPECT_EQ(said.find("is not imported", first + 1), std::string::npos) << said;
}

TEST_F(Import, MemoryWithoutADescriptorIsAsBefore) {
  const auto heap = open_heap("plain");
  const HeapBlock block = heap->allocate(kBytes);
  EXPECT_EQ(device_.adopt(block.host.data(), kBytes, block.dma_buf.get()).hand_over, nullptr);
  const auto pool =
      make_surface_pool(device_, nv12_layout(64, 4), 1, gpu::Access::upload, heap.get());
  EXPECT_EQ(pool->slot(0).memory.hand_over, nullptr);
}

TEST_F(Import, ADescriptorIsStillTheOwnersAndTheImportGoesWithItsBuffer) {
  HeapBlock block = block_of(kBytes);
  {
    const auto memory = device_.adopt(block.host.data(), kBytes, block.dma_buf.get());
    ASSERT_NE(memory.hand_over, nullptr);
  }
  EXPECT_NE(fcntl(block.dma_buf.get(), F_GETFD), -1);
  const auto again = device_.adopt(block.host.data(), kBytes, block.dma_buf.get());
  EXPECT_NE(again.hand_over, nullptr);
}

}  // namespace
}  // namespace gantry
