// Hears from the kernel that a display was plugged, unplugged or changed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace gantry::kms {

class HotplugEvents {
 public:
  // Best effort: where the socket is refused one log line says so, and nothing is ever heard.
  HotplugEvents() noexcept;
  ~HotplugEvents();
  HotplugEvents(const HotplugEvents&) = delete;
  HotplugEvents& operator=(const HotplugEvents&) = delete;

  // Something happened to a display since the last call. Does not wait.
  bool heard() noexcept;

 private:
  int socket_ = -1;
};

}  // namespace gantry::kms
