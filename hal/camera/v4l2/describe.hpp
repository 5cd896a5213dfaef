// What `gantry doctor` says of the kernel's cameras. Set-up.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace gantry::v4l2 {

// Lines about one camera after the other: where it is plugged in, formats, sizes and rates, which
// memory it writes into, and, when asked, every control. `host_memory`: kernels work there.
std::vector<std::string> describe_cameras(bool host_memory, bool controls);

}  // namespace gantry::v4l2
