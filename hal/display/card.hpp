// A DRM device with its connectors, planes and properties, as libdrm tells them.
//
// Everything here is for opening a display and for `gantry doctor`: it allocates, and throws
// std::runtime_error naming the device and what would be right.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <xf86drmMode.h>

#include "hal/file_descriptor.hpp"

namespace gantry::kms {

// The properties of one object.
class Properties {
 public:
  Properties() = default;
  Properties(int fd, std::uint32_t object, std::uint32_t type);

  std::uint32_t id(std::string_view name) const;  // 0: there is none
  std::uint64_t value(std::string_view name) const;
  // The number of a property's named value; false where it is not offered.
  bool find_value(std::string_view name, std::string_view label, std::uint64_t& value) const;

 private:
  struct Property {
    std::string name;
    std::uint32_t id;
    std::uint64_t value;
    std::vector<std::pair<std::string, std::uint64_t>> labels;
  };
  const Property* find(std::string_view name) const;
  std::vector<Property> properties_;
};

struct Connector {
  std::uint32_t id = 0;
  std::string name;  // as the kernel names it: HDMI-A-1
  bool connected = false;
  std::uint32_t possible_crtcs = 0;  // bits: places in Card::crtcs()
  std::vector<drmModeModeInfo> modes;
  Properties properties;
};

struct Plane {
  enum class Kind : std::uint8_t { overlay, primary, cursor };  // numbered as the kernel does
  std::uint32_t id = 0;
  Kind kind = Kind::overlay;
  std::uint32_t possible_crtcs = 0;
  std::uint32_t crtc = 0;  // that shows it now, 0: none
  std::vector<std::uint32_t> formats;
  Properties properties;
  bool offers(std::uint32_t fourcc) const;
};

class Card {
 public:
  explicit Card(std::filesystem::path node);

  int fd() const { return fd_.get(); }
  const std::filesystem::path& node() const { return node_; }
  const std::string& driver() const { return driver_; }
  bool atomic() const { return atomic_; }
  bool imports() const { return imports_; }  // DMA-bufs of others
  // Those that can show something: write-back connectors are left out. Asks the monitor.
  std::vector<Connector> connectors() const;
  const std::vector<std::uint32_t>& crtcs() const { return crtcs_; }
  std::vector<Plane> planes() const;

 private:
  std::filesystem::path node_;
  FileDescriptor fd_;
  std::string driver_;
  bool atomic_ = false, imports_ = false;
  std::vector<std::uint32_t> crtcs_, connectors_;
};

// /dev/dri/card*, in order.
std::vector<std::filesystem::path> card_nodes();
// "1920x1080@60.00"
std::string describe(const drmModeModeInfo& mode);
double refresh_hz(const drmModeModeInfo& mode);

}  // namespace gantry::kms
