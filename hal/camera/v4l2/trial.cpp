// One buffer, queued or exported, and given back.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/trial.hpp"

namespace gantry::v4l2 {

int try_block(const Device& device, const Format& format, Memory memory, const HeapBlock& block,
              const std::array<std::size_t, kMostPlanes>& offsets) {
  Stream trial(device, format, memory, 1);
  const Target target{block.dma_buf.get(), block.host.data(), block.host.bytes(), offsets};
  return trial.queue(0, &target);
}

HeapBlock try_export(const Device& device, const Format& format) {
  return Stream(device, format, Memory::mmap, 1).exported(0, 0);
}

}  // namespace gantry::v4l2
