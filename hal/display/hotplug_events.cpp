// The kernel's uevents of the subsystem drm, by netlink.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/hotplug_events.hpp"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hal/log/log.hpp"

namespace gantry::kms {

HotplugEvents::HotplugEvents() noexcept {
  socket_ = ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;  // the kernel's own messages
  if (socket_ < 0 || ::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    log::warning("display: no uevents ({}): what is plugged is only seen by looking now and then",
                 std::strerror(errno));
}

HotplugEvents::~HotplugEvents() {
  if (socket_ >= 0) ::close(socket_);
}

bool HotplugEvents::heard() noexcept {
  using namespace std::string_view_literals;
  bool heard = false;
  char message[4096];
  for (;;) {
    const ssize_t bytes = ::recv(socket_, message, sizeof message, 0);
    if (bytes < 0 && errno == ENOBUFS) heard = true;  // some were lost: look
    if (bytes <= 0) return heard;
    const std::string_view fields(message, static_cast<std::size_t>(bytes));
    heard |= fields.find("\0SUBSYSTEM=drm"sv) != std::string_view::npos;
  }
}

}  // namespace gantry::kms
