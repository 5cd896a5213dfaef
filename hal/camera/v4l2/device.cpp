// Nodes, their names, and the calls.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/device.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <libv4l2.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "hal/file_descriptor.hpp"

namespace gantry::v4l2 {
namespace {

namespace fs = std::filesystem;

int call_again(int fd, unsigned long request, void* argument, bool emulated) noexcept {
  int result;
  do {
    result = emulated ? v4l2_ioctl(fd, request, argument) : ioctl(fd, request, argument);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

template <std::size_t N>
std::string text_of(const __u8 (&field)[N]) {
  const auto* begin = reinterpret_cast<const char*>(field);
  return {begin, strnlen(begin, N)};
}

// False where the node is none that captures video.
bool describe(int fd, DeviceInfo& info) {
  v4l2_capability c{};
  if (const int error = call_again(fd, VIDIOC_QUERYCAP, &c, false)) {
    info.refusal = fmt::format("is no V4L2 device: {}", std::strerror(error));
    return false;
  }
  info.driver = text_of(c.driver);
  info.card = text_of(c.card);
  info.bus = text_of(c.bus_info);
  const auto capabilities = c.capabilities & V4L2_CAP_DEVICE_CAPS ? c.device_caps : c.capabilities;
  info.multi_planar = (capabilities & V4L2_CAP_VIDEO_CAPTURE) == 0;
  if ((capabilities & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE)) == 0)
    info.refusal = "does not capture video";
  else if ((capabilities & V4L2_CAP_STREAMING) == 0)
    info.refusal = "cannot stream";
  return info.refusal.empty();
}

std::string numbered_last(const std::string& node) {
  return fmt::format("{:0>32}", node);  // video2 before video10
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/dev", error)) {
    if (!entry.path().filename().string().starts_with("video")) continue;
    DeviceInfo info;
    info.node = entry.path();
    const FileDescriptor fd(open(info.node.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd)
      info.refusal = fmt::format("cannot be opened: {}", std::strerror(errno));
    else if (!describe(fd.get(), info))
      continue;
    devices.push_back(std::move(info));
  }
  std::sort(devices.begin(), devices.end(), [](const DeviceInfo& a, const DeviceInfo& b) {
    return numbered_last(a.node) < numbered_last(b.node);
  });
  return devices;
}

std::string find_node(const std::string& name) {
  if (name.starts_with('/')) {
    if (!fs::exists(name))
      throw std::runtime_error(fmt::format("{}: there is no such device", name));
    return name;
  }
  std::vector<std::string> found, there;
  for (const auto& device : list_devices()) {
    if (device.bus == name) found.push_back(device.node);
    there.push_back(device.bus.empty() ? fmt::format("{} ({})", device.node, device.refusal)
                                       : device.bus);
  }
  if (found.size() == 1) return found.front();
  if (found.empty())
    throw std::runtime_error(
        fmt::format("{}: no camera is plugged in there; there are: {}", name,
                    there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", "))));
  throw std::runtime_error(
      fmt::format("{}: {} nodes are there ({}); name one by its path under /dev/v4l/by-path", name,
                  found.size(), fmt::join(found, ", ")));
}

bool same_device(const std::string& a, const std::string& b) noexcept try {
  struct stat one {
  }, other{};
  return stat(find_node(a).c_str(), &one) == 0 && stat(find_node(b).c_str(), &other) == 0 &&
         S_ISCHR(one.st_mode) && one.st_rdev == other.st_rdev;
} catch (const std::exception&) {
  return false;
}

Device::Device(const std::string& name, bool emulated) : emulated_(emulated) {
  info_.node = find_node(name);
  fd_ = open(info_.node.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd_ < 0) refuse(fmt::format("cannot be opened: {}", std::strerror(errno)));
  FileDescriptor owner(fd_);  // until nothing here throws any more
  if (!describe(fd_, info_)) refuse(info_.refusal);
  if (emulated_ && v4l2_fd_open(fd_, 0) < 0)
    refuse(fmt::format("libv4l2 does not take it: {}", std::strerror(errno)));
  type_ = info_.multi_planar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
  owner.release();
}

Device::~Device() {
  if (emulated_)
    v4l2_close(fd_);
  else
    close(fd_);
}

int Device::call(unsigned long request, void* argument) const noexcept {
  return call_again(fd_, request, argument, emulated_);
}

void* Device::map(std::size_t bytes, std::int64_t offset) const noexcept {
  const int protection = PROT_READ | PROT_WRITE;
  return emulated_ ? v4l2_mmap(nullptr, bytes, protection, MAP_SHARED, fd_, offset)
                   : mmap(nullptr, bytes, protection, MAP_SHARED, fd_, offset);
}

void Device::unmap(void* address, std::size_t bytes) const noexcept {
  if (emulated_)
    v4l2_munmap(address, bytes);
  else
    munmap(address, bytes);
}

void Device::demand(unsigned long request, void* argument, const char* what) const {
  if (const int error = call(request, argument))
    refuse(error == EBUSY ? std::string("is busy: another program streams from it")
                          : fmt::format("{}: {}", what, std::strerror(error)));
}

void Device::refuse(const std::string& what) const {
  throw std::runtime_error(info_.node + ": " + what);
}

}  // namespace gantry::v4l2
