// Exposure, gain, white balance, focus, mains frequency and synchronisation of a camera. Set-up.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "hal/camera/v4l2/device.hpp"

namespace gantry::v4l2 {

inline constexpr double kLeave = -1;  // as the device has it
inline constexpr double kAutomatic = 0;

struct ControlsConfig {
  enum class Role : std::uint8_t { none, master, slave };
  double shutter_s = kLeave;                // the time of exposure; kAutomatic, kLeave
  double gain = kLeave;                     // in the device's own units; kAutomatic, kLeave
  double white_balance_k = kLeave;          // colour temperature, kelvin; kAutomatic, kLeave
  double focus = kLeave;                    // in the device's own units; kAutomatic, kLeave
  int mains_hz = static_cast<int>(kLeave);  // against flicker: 50, 60; 0: off
  Role role = Role::none;  // on the wire that starts the cameras' exposures together
  std::vector<std::pair<std::string, std::int64_t>> others;  // by name, as the doctor prints it
};

struct Control {
  std::uint32_t id = 0, type = 0;
  std::string name;  // lower case, words joined by "_": white_balance_automatic
  std::int64_t low = 0, high = 0, value = 0;
};
// Those that take a number.
std::vector<Control> list_controls(const Device& device);

// Sets what the configuration names, automatic modes first. Throws std::runtime_error naming the
// key and, in one line, what the device has instead.
void apply(const Device& device, const ControlsConfig& config);

}  // namespace gantry::v4l2
