// What the service manager, systemd, is told: ready, alive, how it stands.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

namespace gantry {

// Silent where no service manager listens (NOTIFY_SOCKET is not set). One thread.
class ServiceManager {
 public:
  // Set-up. Reads what the unit asks for (WatchdogSec=).
  ServiceManager();

  // Once: the first picture or slate was shown.
  void ready();
  // One line for `systemctl status`.
  void status(const std::string& line);
  // Everything progresses. Tells at most four times in the watchdog's time.
  void feed(std::int64_t now_ns);
  // The end was asked for.
  void stopping();

 private:
  std::int64_t interval_ns_ = 0;  // 0: no watchdog
  std::int64_t fed_ns_ = INT64_MIN;
  bool ready_ = false;
};

}  // namespace gantry
