// Looks after a run: asks for everyone's health, feeds the watchdogs, tells the service manager, and
// says when a run cannot go on.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "firmware/appliance.hpp"
#include "firmware/health.hpp"
#include "firmware/service_manager.hpp"
#include "hal/watchdog/watchdog.hpp"

namespace gantry {

class Supervisor {
 public:
  // Set-up. Throws std::runtime_error where a watchdog is configured and cannot be opened.
  Supervisor(const Config& config, Appliance& appliance);

  // After Appliance::start().
  void start();
  // Call at least once a second. False: the run cannot go on, and the log says why. The thread that
  // called start().
  bool check();
  // The end was asked for; its last pictures may still come.
  void stopping() { service_.stopping(); }
  // The end has come as it should: the machine's watchdog is put to rest.
  void ended();

 private:
  void tell(std::int64_t now_ns);

  const Config& config_;
  Appliance& appliance_;
  Health health_;
  ServiceManager service_;
  std::optional<Watchdog> watchdog_;
  std::int64_t told_ns_ = 0;
  bool first_picture_told_ = false;
};

}  // namespace gantry
