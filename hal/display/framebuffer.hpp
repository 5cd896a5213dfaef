// Framebuffers: memory that a plane can scan out, owned.
//
// Set-up: constructors throw std::runtime_error with the kernel's reason.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "hal/file_descriptor.hpp"
#include "hal/memory/mapping.hpp"
#include "hal/memory/surface.hpp"

namespace gantry::kms {

// A framebuffer's number; removed with its owner. The card must outlive it.
class Framebuffer {
 public:
  Framebuffer() = default;
  Framebuffer(int fd, std::uint32_t id) : fd_(fd), id_(id) {}
  Framebuffer(Framebuffer&& other) noexcept : fd_(other.fd_), id_(std::exchange(other.id_, 0)) {}
  Framebuffer& operator=(Framebuffer&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~Framebuffer();
  std::uint32_t id() const { return id_; }

 private:
  int fd_ = -1;
  std::uint32_t id_ = 0;  // 0: none
};

// The NV12 picture of a surface, imported by its DMA-buf: no byte is copied.
Framebuffer import_surface(int fd, const Surface& surface);

// XRGB8888 memory of the device's own, mapped; black.
class DumbBuffer {
 public:
  DumbBuffer(int fd, int width, int height);
  ~DumbBuffer();
  DumbBuffer(const DumbBuffer&) = delete;
  DumbBuffer& operator=(const DumbBuffer&) = delete;

  std::uint32_t framebuffer() const { return framebuffer_.id(); }
  std::uint32_t* pixels() const { return reinterpret_cast<std::uint32_t*>(mapping_.data()); }
  int pitch() const { return pitch_; }  // pixels from one row to the next
  int width() const { return width_; }
  int height() const { return height_; }
  std::size_t bytes() const { return mapping_.bytes(); }
  int dma_buf() const { return dma_buf_.get(); }  // −1 where the device does not export
  void fill(std::uint32_t colour) noexcept;

 private:
  int fd_, width_, height_, pitch_ = 0;
  std::uint32_t handle_ = 0;
  FileDescriptor dma_buf_;
  Mapping mapping_;
  Framebuffer framebuffer_;
};

}  // namespace gantry::kms
