// What a call in the steady state answers; set-up throws instead.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace gantry {

enum class Status : std::uint8_t {
  ok,
  again,        // nothing there yet
  end,          // the source has ended
  dropped,      // given up by policy, and counted
  lost,         // the device, file or peer is gone
  device_lost,  // the OpenCL device or its driver failed
};

}  // namespace gantry
