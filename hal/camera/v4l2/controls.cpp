// Controls by their names.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/controls.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <initializer_list>

#include <fmt/format.h>

namespace gantry::v4l2 {
namespace {

// As v4l2-ctl writes names: letters and digits stay, what is between them becomes one "_".
std::string plain_name(const char* name) {
  std::string plain;
  for (; *name; ++name) {
    const auto c = static_cast<unsigned char>(*name);
    if (std::isalnum(c))
      plain += static_cast<char>(std::tolower(c));
    else if (!plain.empty() && plain.back() != '_')
      plain += '_';
  }
  while (!plain.empty() && plain.back() == '_') plain.pop_back();
  return plain;
}

bool takes_number(std::uint32_t type) {
  return type == V4L2_CTRL_TYPE_INTEGER || type == V4L2_CTRL_TYPE_BOOLEAN ||
         type == V4L2_CTRL_TYPE_MENU || type == V4L2_CTRL_TYPE_INTEGER_MENU ||
         type == V4L2_CTRL_TYPE_BITMASK || type == V4L2_CTRL_TYPE_INTEGER64 ||
         type == V4L2_CTRL_TYPE_BUTTON;
}

int access_value(const Device& device, unsigned long request, const Control& control,
                 std::int64_t& value) {
  v4l2_ext_control one{};
  one.id = control.id;
  if (control.type == V4L2_CTRL_TYPE_INTEGER64)
    one.value64 = value;
  else
    one.value = static_cast<__s32>(value);
  v4l2_ext_controls all{};
  all.count = 1;
  all.controls = &one;
  const int error = device.call(request, &all);
  if (error == 0) value = control.type == V4L2_CTRL_TYPE_INTEGER64 ? one.value64 : one.value;
  return error;
}

class Setter {
 public:
  explicit Setter(const Device& device) : device_(device), controls_(list_controls(device)) {}

  const Control* find(std::uint32_t id) const {
    const auto found = std::find_if(controls_.begin(), controls_.end(),
                                    [&](const Control& c) { return c.id == id; });
    return found == controls_.end() ? nullptr : &*found;
  }
  const Control* find(const std::string& name) const {
    const auto found = std::find_if(controls_.begin(), controls_.end(),
                                    [&](const Control& c) { return c.name == name; });
    return found == controls_.end() ? nullptr : &*found;
  }

  void set(const char* key, const Control* control, std::int64_t value) const {
    if (!control) {
      std::string names;
      for (const Control& c : controls_) names += (names.empty() ? "" : ", ") + c.name;
      device_.refuse(fmt::format("{}: has no control for it; it has {}", key, names));
    }
    std::int64_t wanted = value;
    // Of a number out of range the kernel takes the nearest one in it, and says nothing.
    const bool number =
        control->type == V4L2_CTRL_TYPE_INTEGER || control->type == V4L2_CTRL_TYPE_INTEGER64;
    const bool fits = !number || (value >= control->low && value <= control->high);
    const int error = fits ? access_value(device_, VIDIOC_S_EXT_CTRLS, *control, wanted) : ERANGE;
    if (error != 0)
      device_.refuse(fmt::format("{}: {} = {} is refused ({}); it takes {} to {}", key,
                                 control->name, value, std::strerror(error), control->low,
                                 control->high));
  }

  // One quantity with a switch for its automatic mode: `on` and `off` are the switch's values.
  struct Quantity {
    const char* key;
    std::uint32_t automatic;
    std::int64_t on, off;
    std::uint32_t value;
  };
  void set(const Quantity& q, double value, double unit) const {
    if (value == kLeave) return;
    const bool automatic = value == kAutomatic;
    const Control* mode = find(q.automatic);
    if (automatic || mode) set(q.key, mode, automatic ? q.on : q.off);
    if (!automatic) set(q.key, find(q.value), std::llround(value / unit));
  }

 private:
  const Device& device_;
  std::vector<Control> controls_;
};

}  // namespace

std::vector<Control> list_controls(const Device& device) {
  std::vector<Control> controls;
  v4l2_query_ext_ctrl q{};
  q.id = V4L2_CTRL_FLAG_NEXT_CTRL;
  while (device.call(VIDIOC_QUERY_EXT_CTRL, &q) == 0) {
    const auto refused = V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_READ_ONLY;
    if ((q.flags & refused) == 0 && takes_number(q.type)) {
      Control c{q.id, q.type, plain_name(q.name), q.minimum, q.maximum, 0};
      if ((q.flags & V4L2_CTRL_FLAG_WRITE_ONLY) == 0)
        access_value(device, VIDIOC_G_EXT_CTRLS, c, c.value);
      controls.push_back(std::move(c));
    }
    q.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
  }
  return controls;
}

void apply(const Device& device, const ControlsConfig& config) {
  const Setter setter(device);
  // Cameras without full automatic exposure have the one that leaves the iris alone.
  const Control* exposure = setter.find(V4L2_CID_EXPOSURE_AUTO);
  const bool usb = exposure && exposure->value != V4L2_EXPOSURE_AUTO;
  setter.set({"shutter", V4L2_CID_EXPOSURE_AUTO,
              usb ? V4L2_EXPOSURE_APERTURE_PRIORITY : V4L2_EXPOSURE_AUTO, V4L2_EXPOSURE_MANUAL,
              V4L2_CID_EXPOSURE_ABSOLUTE},
             config.shutter_s, 1e-4);
  const std::uint32_t gain = setter.find(V4L2_CID_GAIN) ? V4L2_CID_GAIN : V4L2_CID_ANALOGUE_GAIN;
  setter.set({"gain", V4L2_CID_AUTOGAIN, 1, 0, gain}, config.gain, 1);
  setter.set(
      {"white_balance", V4L2_CID_AUTO_WHITE_BALANCE, 1, 0, V4L2_CID_WHITE_BALANCE_TEMPERATURE},
      config.white_balance_k, 1);
  setter.set({"focus", V4L2_CID_FOCUS_AUTO, 1, 0, V4L2_CID_FOCUS_ABSOLUTE}, config.focus, 1);
  if (config.mains_hz >= 0)
    setter.set("mains_frequency", setter.find(V4L2_CID_POWER_LINE_FREQUENCY),
               config.mains_hz == 50   ? V4L2_CID_POWER_LINE_FREQUENCY_50HZ
               : config.mains_hz == 60 ? V4L2_CID_POWER_LINE_FREQUENCY_60HZ
                                       : V4L2_CID_POWER_LINE_FREQUENCY_DISABLED);
  if (config.role != ControlsConfig::Role::none) {
    const bool slave = config.role == ControlsConfig::Role::slave;
    setter.set("synchronisation", setter.find("operation_mode"), slave ? 1 : 0);
    setter.set("synchronisation", setter.find("synchronizing_function"), slave ? 2 : 1);
  }
  for (const auto& [name, value] : config.others)
    setter.set(name.c_str(), setter.find(name), value);
}

}  // namespace gantry::v4l2
