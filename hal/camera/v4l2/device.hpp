// A V4L2 capture device: finding it by a name that stays, opening it, calling it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <linux/videodev2.h>

namespace gantry::v4l2 {

// What one capture node says of itself. `bus` is where it is plugged in (usb-0000:00:14.0-2,
// platform:…): it stays when numbers of nodes change.
struct DeviceInfo {
  std::string node, driver, card, bus;
  std::string refusal;  // why it cannot be used; empty: it can
  bool multi_planar = false;
};

// Every node that captures video, and every one that cannot be asked, by node. Set-up.
std::vector<DeviceInfo> list_devices();
// The node of a bus path or of a path under /dev. Throws std::runtime_error, in one line, where there
// is none, or several, with what there is.
std::string find_node(const std::string& name);
// Two names lead to one device. False where one of them leads nowhere.
bool same_device(const std::string& a, const std::string& b) noexcept;

class Device {
 public:
  // Opens the node. `emulated`: through libv4l2, which converts formats that nobody else knows.
  // Throws std::runtime_error with the cause in one line.
  explicit Device(const std::string& name, bool emulated = false);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }
  int fd() const { return fd_; }
  // V4L2_BUF_TYPE_VIDEO_CAPTURE, or its multi-planar twin.
  std::uint32_t type() const { return type_; }
  bool multi_planar() const { return info_.multi_planar; }

  // ioctl(), again where a signal came between. 0, or the error number. Any thread.
  int call(unsigned long request, void* argument) const noexcept;
  // Maps a buffer of its own; MAP_FAILED with errno.
  void* map(std::size_t bytes, std::int64_t offset) const noexcept;
  void unmap(void* address, std::size_t bytes) const noexcept;
  // Throws what `call` answered, in words: "<node>: <what>: <error>".
  void demand(unsigned long request, void* argument, const char* what) const;
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  DeviceInfo info_;
  bool emulated_;
  int fd_ = -1;
  std::uint32_t type_ = 0;
};

}  // namespace gantry::v4l2
