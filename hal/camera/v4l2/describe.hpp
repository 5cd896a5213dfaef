// What `gantry doctor` says of the kernel's cameras. Set-up.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "hal/gpu/gpu.hpp"

namespace gantry::v4l2 {

// Lines about one camera after the other: where it is plugged in, formats, sizes and rates, which
// memory it writes into that the kernels of `device` (null: none is there) can work in, and, when
// asked, every control.
std::vector<std::string> describe_cameras(const gpu::Device* device, bool controls);

}  // namespace gantry::v4l2
