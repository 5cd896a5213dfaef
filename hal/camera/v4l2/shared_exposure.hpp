// One decision on exposure for all cameras of a rig: what one camera's automatics find, the others take,
// so that the panorama has no step in brightness or colour that the colour match must take out.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "hal/camera/v4l2/device.hpp"

namespace gantry::v4l2 {

// One camera's thread reads, those of the others write; neither waits or allocates.
class SharedExposure {
 public:
  SharedExposure() noexcept;
  // What `device` has decided: time of exposure, gain, white balance; of each what it has.
  void read(const Device& device) noexcept;
  // Sets `device` to what was read, its automatics off; values out of its range go to the nearest.
  void write(const Device& device) const noexcept;

 private:
  static constexpr std::int32_t kUnknown = INT32_MIN;
  std::array<std::atomic<std::int32_t>, 3> values_;  // the kernel's units
};

}  // namespace gantry::v4l2
