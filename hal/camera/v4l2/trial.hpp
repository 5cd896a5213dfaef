// What a device does with memory, tried out with one buffer. Set-up; the format must be set, and no
// stream be there.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/camera/v4l2/stream.hpp"

namespace gantry::v4l2 {

// Offers a block of others', whose planes lie at `offsets`. 0, or the error number with which it is
// refused. Throws std::runtime_error where the device takes none of its kind.
int try_block(const Device& device, const Format& format, Memory memory, const HeapBlock& block,
              const std::array<std::size_t, kMostPlanes>& offsets = {});
// A buffer of the device's own, exported. Throws std::runtime_error where it exports none.
HeapBlock try_export(const Device& device, const Format& format);

}  // namespace gantry::v4l2
