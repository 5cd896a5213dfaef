// A loaded picture as a surface that kernels can read; for the verbs that work on pictures.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstring>
#include <memory>

#include "hal/encoder/picture_file.hpp"

namespace gantry {

// A pool of one surface that holds the picture. Throws std::runtime_error from the device.
inline std::unique_ptr<SurfacePool> picture_on_device(gpu::Device& device, const Picture& picture) {
  auto pool = make_surface_pool(device, picture.layout, 1, gpu::Access::upload);
  const Surface& surface = pool->slot(0);
  std::memcpy(surface.memory.host, picture.bytes.data(), picture.bytes.size());
  const auto queue = device.make_queue();
  gpu::upload(queue, surface.memory, surface.memory.bytes, {}, nullptr);
  queue.finish();
  return pool;
}

}  // namespace gantry
