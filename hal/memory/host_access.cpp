// Cache synchronisation of DMA-bufs.
// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <utility>

#include <linux/dma-buf.h>
#include <sys/ioctl.h>

#include "hal/memory/heap.hpp"

namespace gantry {
namespace {

void synchronise(int dma_buf, std::uint64_t flags) noexcept {
  if (dma_buf < 0) return;
  dma_buf_sync sync{flags};
  while (ioctl(dma_buf, DMA_BUF_IOCTL_SYNC, &sync) != 0 && (errno == EINTR || errno == EAGAIN)) {
  }
}

std::uint64_t direction(HostAccess::Kind kind) noexcept {
  switch (kind) {
    case HostAccess::Kind::read:
      return DMA_BUF_SYNC_READ;
    case HostAccess::Kind::write:
      return DMA_BUF_SYNC_WRITE;
    default:
      return DMA_BUF_SYNC_RW;
  }
}

}  // namespace

HostAccess::HostAccess(int dma_buf, Kind kind) noexcept : dma_buf_(dma_buf), kind_(kind) {
  synchronise(dma_buf_, DMA_BUF_SYNC_START | direction(kind_));
}

HostAccess::HostAccess(HostAccess&& other) noexcept
    : dma_buf_(std::exchange(other.dma_buf_, -1)), kind_(other.kind_) {}

HostAccess& HostAccess::operator=(HostAccess&& other) noexcept {
  if (this != &other) {
    end();
    dma_buf_ = std::exchange(other.dma_buf_, -1);
    kind_ = other.kind_;
  }
  return *this;
}

void HostAccess::end() noexcept {
  synchronise(std::exchange(dma_buf_, -1), DMA_BUF_SYNC_END | direction(kind_));
}

}  // namespace gantry
