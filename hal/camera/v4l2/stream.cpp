// REQBUFS, QBUF, DQBUF and their kin, for one plane and for several.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/stream.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

namespace gantry::v4l2 {
namespace {

constexpr __u32 kMemory[] = {V4L2_MEMORY_MMAP, V4L2_MEMORY_USERPTR, V4L2_MEMORY_DMABUF};

// A v4l2_buffer with the planes that it points to.
struct Buffer {
  v4l2_buffer b{};
  std::array<v4l2_plane, VIDEO_MAX_PLANES> planes{};

  Buffer(const Device& device, Memory memory, unsigned index, int buffers) {
    b.type = device.type();
    b.memory = kMemory[static_cast<int>(memory)];
    b.index = index;
    if (!device.multi_planar()) return;
    b.m.planes = planes.data();
    b.length = static_cast<__u32>(buffers);
  }
};

}  // namespace

Stream::Stream(const Device& device, const Format& format, Memory memory, unsigned count)
    : device_(device), format_(format), memory_(memory) {
  v4l2_requestbuffers request{};
  request.count = count;
  request.type = device.type();
  request.memory = kMemory[static_cast<int>(memory)];
  device.demand(VIDIOC_REQBUFS, &request, "gives no buffers");
  count_ = request.count;
  try {
    if (memory == Memory::mmap) map_buffers();
  } catch (...) {
    unmap_buffers();
    free_buffers();
    throw;
  }
}

Stream::~Stream() {
  int type = static_cast<int>(device_.type());
  device_.call(VIDIOC_STREAMOFF, &type);
  unmap_buffers();
  free_buffers();
}

void Stream::map_buffers() {
  maps_.resize(count_);
  for (unsigned i = 0; i < count_; ++i) {
    Buffer buffer(device_, memory_, i, format_.buffers);
    device_.demand(VIDIOC_QUERYBUF, &buffer.b, "does not describe its buffers");
    for (int p = 0; p < format_.buffers; ++p) {
      const bool planes = device_.multi_planar();
      const std::size_t bytes = planes ? buffer.planes[p].length : buffer.b.length;
      void* address =
          device_.map(bytes, planes ? buffer.planes[p].m.mem_offset : buffer.b.m.offset);
      if (address == MAP_FAILED)
        device_.refuse(fmt::format("its buffers cannot be mapped: {}", std::strerror(errno)));
      maps_[i][p] = {static_cast<std::byte*>(address), bytes};
    }
  }
}

HeapBlock Stream::exported(unsigned index, int buffer) const {
  v4l2_exportbuffer e{};
  e.type = device_.type();
  e.index = index;
  e.plane = static_cast<__u32>(buffer);
  e.flags = O_RDWR | O_CLOEXEC;
  device_.demand(VIDIOC_EXPBUF, &e, "does not export its buffers");
  HeapBlock block;
  block.dma_buf = FileDescriptor(e.fd);
  const std::size_t size = bytes(index, buffer);
  block.host = Mapping(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, e.fd, 0), size);
  if (!block.host)
    device_.refuse(fmt::format("its exported buffers cannot be mapped: {}", std::strerror(errno)));
  return block;
}

void Stream::unmap_buffers() noexcept {
  for (auto& planes : maps_)
    for (Map& map : planes)
      if (map.address) device_.unmap(map.address, map.bytes);
  maps_.clear();
}

void Stream::free_buffers() noexcept {
  v4l2_requestbuffers request{};
  request.type = device_.type();
  request.memory = kMemory[static_cast<int>(memory_)];
  device_.call(VIDIOC_REQBUFS, &request);
}

int Stream::start() noexcept {
  int type = static_cast<int>(device_.type());
  return device_.call(VIDIOC_STREAMON, &type);
}

int Stream::queue(unsigned index, const Target* target) noexcept {
  Buffer buffer(device_, memory_, index, format_.buffers);
  if (target && device_.multi_planar()) {
    for (int p = 0; p < format_.buffers; ++p) {
      v4l2_plane& plane = buffer.planes[p];
      const std::size_t end = p + 1 < format_.buffers ? target->offsets[p + 1] : target->bytes;
      plane.length = static_cast<__u32>(end - target->offsets[p]);
      if (memory_ == Memory::dma_buf)
        plane.m.fd = target->dma_buf;
      else
        plane.m.userptr = reinterpret_cast<unsigned long>(target->host + target->offsets[p]);
    }
  } else if (target) {
    buffer.b.length = static_cast<__u32>(target->bytes);
    if (memory_ == Memory::dma_buf)
      buffer.b.m.fd = target->dma_buf;
    else
      buffer.b.m.userptr = reinterpret_cast<unsigned long>(target->host);
  }
  const int error = device_.call(VIDIOC_QBUF, &buffer.b);
  if (error == 0) ++queued_;
  return error;
}

int Stream::dequeue(Dequeued& out) noexcept {
  Buffer buffer(device_, memory_, 0, format_.buffers);
  if (const int error = device_.call(VIDIOC_DQBUF, &buffer.b)) return error;
  --queued_;
  out.index = buffer.b.index;
  out.sequence = buffer.b.sequence;
  out.flags = buffer.b.flags;
  out.stamp_ns = buffer.b.timestamp.tv_sec * std::int64_t{1'000'000'000} +
                 buffer.b.timestamp.tv_usec * std::int64_t{1000};
  out.first = {};
  if (!device_.multi_planar()) out.used[0] = buffer.b.bytesused;
  for (int p = 0; p < format_.buffers && device_.multi_planar(); ++p) {
    const v4l2_plane& plane = buffer.planes[p];
    out.first[p] = std::min(plane.data_offset, plane.bytesused);
    out.used[p] = plane.bytesused - out.first[p];
  }
  return 0;
}

}  // namespace gantry::v4l2
