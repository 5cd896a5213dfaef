// The kernel's watchdog interface (Documentation/watchdog/watchdog-api.rst).
// SPDX-License-Identifier: Apache-2.0
#include "hal/watchdog/watchdog.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hal/log/log.hpp"

namespace gantry {

Watchdog::Watchdog(const std::string& device, int timeout_s)
    : device_(device), descriptor_(open(device.c_str(), O_WRONLY | O_CLOEXEC)) {
  if (descriptor_ < 0)
    throw std::runtime_error("watchdog " + device + ": cannot be opened: " + std::strerror(errno));
  timeout_s_ = timeout_s;
  // A driver without a settable time-out tells the one it has.
  if (ioctl(descriptor_, WDIOC_SETTIMEOUT, &timeout_s_) != 0 &&
      ioctl(descriptor_, WDIOC_GETTIMEOUT, &timeout_s_) != 0) {
    const std::string cause = std::strerror(errno);
    disarm();
    throw std::runtime_error("watchdog " + device + ": is none: " + cause);
  }
  log::info("watchdog {}: restarts the machine when it is not fed for {} s", device, timeout_s_);
}

Watchdog::~Watchdog() {
  if (descriptor_ >= 0) close(descriptor_);
}

void Watchdog::feed() noexcept {
  if (descriptor_ >= 0 && ioctl(descriptor_, WDIOC_KEEPALIVE, 0) != 0)
    log::error("watchdog {}: cannot be fed: {}", device_, std::strerror(errno));
}

void Watchdog::disarm() noexcept {
  if (descriptor_ < 0) return;
  if (write(descriptor_, "V", 1) != 1)  // the magic that says: closed on purpose
    log::warning("watchdog {}: stays armed: {}", device_, std::strerror(errno));
  close(descriptor_);
  descriptor_ = -1;
}

}  // namespace gantry
