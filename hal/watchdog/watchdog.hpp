// The machine's watchdog: a device that restarts it unless it is fed in time.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

namespace gantry {

// One thread.
class Watchdog {
 public:
  // Set-up. Opens the device (/dev/watchdog), which arms it, with the nearest time-out that it knows.
  // Throws std::runtime_error with device and cause.
  Watchdog(const std::string& device, int timeout_s);
  // Leaves it armed: what ends without disarm() is restarted by the machine, unless something opens
  // and feeds it before.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void feed() noexcept;
  // For a wanted end. Devices that cannot be stopped ("nowayout") stay armed, with one log line.
  void disarm() noexcept;
  int timeout_s() const { return timeout_s_; }

 private:
  std::string device_;
  int descriptor_ = -1, timeout_s_ = 0;
};

}  // namespace gantry
