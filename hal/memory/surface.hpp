// One NV12 picture in memory that kernels, codecs and displays share.
//
// NV12: a full-size luma plane, then a half-size plane of interleaved Cb, Cr; both planes have the
// same pitch. ITU-R BT.709, limited range unless the rig says otherwise.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "hal/gpu/gpu.hpp"
#include "hal/memory/heap.hpp"
#include "hal/memory/pool.hpp"

namespace gantry {

// Memory that a device keeps for itself, in the host's.
struct OwnBuffers {
  std::size_t count = 0, bytes_each = 0;
};

struct Nv12Layout {
  int width = 0;   // luma pixels, even
  int height = 0;  // luma rows, even
  int pitch = 0;   // bytes from one row to the next, a multiple of 64

  std::size_t chroma_offset() const { return static_cast<std::size_t>(pitch) * height; }
  std::size_t bytes() const {
    return chroma_offset() + static_cast<std::size_t>(pitch) * (height / 2);
  }
  // Bytes of the picture itself, without the padding of the rows.
  std::size_t picture_bytes() const { return static_cast<std::size_t>(width) * height * 3 / 2; }
};

// The layout that the product uses for a picture of this size. Throws std::invalid_argument on
// sizes that are odd, not positive or above 32768.
Nv12Layout nv12_layout(int width, int height);

struct Surface {
  Nv12Layout layout;
  HeapBlock block;  // its pages where a heap gave them; else the device did
  gpu::Memory memory;

  // The descriptor that devices import; −1 where there is none. The surface's own.
  int dma_buf() const { return block.dma_buf.get(); }

  std::uint8_t* luma() const { return reinterpret_cast<std::uint8_t*>(memory.host); }
  std::uint8_t* chroma() const { return luma() + layout.chroma_offset(); }
};

using SurfacePool = Pool<Surface>;
using SurfaceRef = Ref<Surface>;

// A free surface of the pool; empty where there is none. With `wait` (films made as fast as possible,
// where nothing is dropped) it looks again every millisecond, until there is one or `stopped`.
SurfaceRef acquire(SurfacePool& pool, bool wait,
                   const std::atomic<bool>* stopped = nullptr) noexcept;

// Set-up: `count` surfaces of one layout on the device; in pages of `heap` where there is one, so
// that other devices can share them. Throws std::runtime_error where memory is short.
std::unique_ptr<SurfacePool> make_surface_pool(gpu::Device& device, const Nv12Layout& layout,
                                               std::uint32_t count, gpu::Access access,
                                               Heap* heap = nullptr);

}  // namespace gantry
