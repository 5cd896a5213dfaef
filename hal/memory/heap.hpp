// Heaps: memory with a file descriptor (a DMA-buf), so that cameras, kernels, displays and codecs
// share the same pages. The kernel has several; which works depends on the machine.
//
//   system     /dev/dma_heap/system: pages anywhere, for devices behind an IOMMU
//   cma        another heap of /dev/dma_heap: one piece, for devices without an IOMMU
//   udmabuf    /dev/udmabuf over a memfd: no driver's help needed
//   /dev/dri/… dumb buffers of a display
//   plain      anonymous memory without a descriptor: works everywhere, shared with nobody
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hal/file_descriptor.hpp"
#include "hal/memory/mapping.hpp"

namespace gantry {

// What a heap gave: whole pages, zeroed, mapped for reading and writing. Goes back with its owner;
// devices that imported it keep it alive until they let go.
struct HeapBlock {
  FileDescriptor backing;  // kept open where the DMA-buf stands on another file
  FileDescriptor dma_buf;  // none from "plain"
  Mapping host;
};

// Set-up, one thread.
class Heap {
 public:
  virtual ~Heap() = default;
  virtual const std::string& name() const = 0;
  // Throws std::runtime_error naming the heap and the cause.
  virtual HeapBlock allocate(std::size_t bytes) = 0;
};

// The heaps that this machine has, best first; "plain" is the last. Not all need work.
std::vector<std::string> list_heaps();
// A heap by its name as listed, or "cma": the first of /dev/dma_heap that is not "system". Throws
// std::runtime_error where it is missing or refuses, with what there is.
std::unique_ptr<Heap> open_heap(const std::string& name);
// The first of list_heaps() that gives a block.
std::unique_ptr<Heap> open_first_heap();
// Empty where the heap gives a block that can be written; else the cause, for `gantry doctor`.
std::string test_heap(const std::string& name);

// The host works on a DMA-buf's mapping: caches are made fresh at the start and written back at the
// end (DMA_BUF_IOCTL_SYNC). Any thread, no allocation; without a descriptor it does nothing.
class HostAccess {
 public:
  enum class Kind : std::uint8_t { read, write, read_write };
  HostAccess() = default;
  HostAccess(int dma_buf, Kind kind) noexcept;
  HostAccess(HostAccess&& other) noexcept;
  HostAccess& operator=(HostAccess&& other) noexcept;
  HostAccess(const HostAccess&) = delete;
  HostAccess& operator=(const HostAccess&) = delete;
  ~HostAccess() { end(); }
  void end() noexcept;

 private:
  int dma_buf_ = -1;
  Kind kind_ = Kind::read;
};

}  // namespace gantry
