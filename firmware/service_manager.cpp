// sd_notify(3) and sd_watchdog_enabled(3).
// SPDX-License-Identifier: Apache-2.0
#include "firmware/service_manager.hpp"

#include <utility>

#include <systemd/sd-daemon.h>

namespace gantry {

ServiceManager::ServiceManager() {
  std::uint64_t timeout_us = 0;
  if (sd_watchdog_enabled(0, &timeout_us) > 0)
    interval_ns_ = static_cast<std::int64_t>(timeout_us) * 1000 / 4;
}

void ServiceManager::ready() {
  if (!std::exchange(ready_, true)) sd_notify(0, "READY=1");
}

void ServiceManager::status(const std::string& line) {
  sd_notify(0, ("STATUS=" + line).c_str());
}

void ServiceManager::feed(std::int64_t now_ns) {
  if (interval_ns_ == 0 || (fed_ns_ != INT64_MIN && now_ns - fed_ns_ < interval_ns_)) return;
  fed_ns_ = now_ns;
  sd_notify(0, "WATCHDOG=1");
}

void ServiceManager::stopping() {
  sd_notify(0, "STOPPING=1");
}

}  // namespace gantry
