// The buffers of a device that streams, in one of three kinds of memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hal/camera/v4l2/device.hpp"
#include "hal/camera/v4l2/pixel_format.hpp"
#include "hal/memory/heap.hpp"

namespace gantry::v4l2 {

inline constexpr unsigned kMostBuffers = VIDEO_MAX_FRAME;

enum class Memory : std::uint8_t {
  mmap,     // the device's own, mapped here
  user,     // ours, by address
  dma_buf,  // ours, by descriptor
};

// What a device may write into.
constexpr std::size_t whole_pages(std::size_t bytes) {
  return (bytes + 4095) / 4096 * 4096;
}

// Where the device is to write: one buffer, or the planes of one picture in it.
struct Target {
  int dma_buf = -1;
  std::byte* host = nullptr;
  std::size_t bytes = 0;
  std::array<std::size_t, kMostPlanes> offsets{};  // of the buffers of one picture
};

struct Dequeued {
  unsigned index = 0;
  std::uint32_t sequence = 0, flags = 0;
  std::int64_t stamp_ns = 0;                     // as the flags say
  std::array<std::size_t, kMostPlanes> first{};  // where the picture begins in each buffer, bytes
  std::array<std::size_t, kMostPlanes> used{};   // bytes of the picture from there
  bool at_the_front() const { return first == decltype(first){}; }
};

class Stream {
 public:
  // Asks for `count` buffers and maps those of the device. The format must be set. Throws
  // std::runtime_error.
  Stream(const Device& device, const Format& format, Memory memory, unsigned count);
  // Stops; every buffer is the owner's again.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  unsigned count() const { return count_; }
  // Memory::mmap: the bytes of a buffer, and how many there are.
  std::byte* host(unsigned index, int buffer) const { return maps_[index][buffer].address; }
  std::size_t bytes(unsigned index, int buffer) const { return maps_[index][buffer].bytes; }
  // The same memory as a DMA-buf of its own (EXPBUF), mapped: it outlives the stream and the device.
  // Throws std::runtime_error where the device does not export.
  HeapBlock exported(unsigned index, int buffer) const;

  // 0, or the error number; neither allocates nor waits. `target` null: the device's own memory.
  int start() noexcept;
  int queue(unsigned index, const Target* target) noexcept;
  int dequeue(Dequeued& out) noexcept;  // EAGAIN: nothing there yet
  // Buffers that the device has.
  unsigned queued() const { return queued_; }

 private:
  struct Map {
    std::byte* address = nullptr;
    std::size_t bytes = 0;
  };
  void map_buffers();
  void unmap_buffers() noexcept;
  void free_buffers() noexcept;

  const Device& device_;
  const Format& format_;
  Memory memory_;
  unsigned count_ = 0, queued_ = 0;
  std::vector<std::array<Map, kMostPlanes>> maps_;
};

}  // namespace gantry::v4l2
