// Layout rules and pools of surfaces.
// SPDX-License-Identifier: Apache-2.0
#include "hal/memory/surface.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "hal/clock/clock.hpp"

namespace gantry {

Nv12Layout nv12_layout(int width, int height) {
  constexpr int kLargest = 32768;
  if (width <= 0 || height <= 0 || width > kLargest || height > kLargest || width % 2 || height % 2)
    throw std::invalid_argument(
        fmt::format("picture size {}x{}: NV12 needs an even width and height from 2 to {}", width,
                    height, kLargest));
  return {width, height, (width + 63) / 64 * 64};
}

SurfaceRef acquire(SurfacePool& pool, bool wait, const std::atomic<bool>* stopped) noexcept {
  SurfaceRef surface = pool.acquire();
  while (!surface && wait && !(stopped && stopped->load(std::memory_order_relaxed))) {
    clock::sleep_until_ns(clock::now_ns() + clock::kMillisecond_ns);
    surface = pool.acquire();
  }
  return surface;
}

std::unique_ptr<SurfacePool> make_surface_pool(gpu::Device& device, const Nv12Layout& layout,
                                               std::uint32_t count, gpu::Access access,
                                               Heap* heap) {
  return std::make_unique<SurfacePool>(count, [&](std::uint32_t) {
    Surface surface;
    surface.layout = layout;
    if (heap) {
      surface.block = heap->allocate(layout.bytes());
      surface.memory = device.adopt(surface.block.host.data(), layout.bytes(), surface.dma_buf());
    } else {
      surface.memory = device.allocate(layout.bytes(), access);
    }
    return surface;
  });
}

}  // namespace gantry
