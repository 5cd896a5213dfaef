// Three quantities, each with the switch of its automatic mode.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/shared_exposure.hpp"

#include <initializer_list>

namespace gantry::v4l2 {
namespace {

struct Quantity {
  std::array<std::uint32_t, 2> ids;  // the first that the device has
  std::uint32_t automatic;
  std::int32_t off;
};
constexpr std::array<Quantity, 3> kQuantities{{
    {{V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CID_EXPOSURE}, V4L2_CID_EXPOSURE_AUTO, V4L2_EXPOSURE_MANUAL},
    {{V4L2_CID_GAIN, V4L2_CID_ANALOGUE_GAIN}, V4L2_CID_AUTOGAIN, 0},
    {{V4L2_CID_WHITE_BALANCE_TEMPERATURE, 0}, V4L2_CID_AUTO_WHITE_BALANCE, 0},
}};

bool get(const Device& device, std::uint32_t id, std::int32_t& value) noexcept {
  v4l2_control control{id, 0};
  if (id == 0 || device.call(VIDIOC_G_CTRL, &control) != 0) return false;
  value = control.value;
  return true;
}

void set(const Device& device, std::uint32_t id, std::int32_t value) noexcept {
  std::int32_t now = 0;
  if (!get(device, id, now) || now == value) return;
  v4l2_control control{id, value};
  device.call(VIDIOC_S_CTRL, &control);  // refused: it stays as it was
}

}  // namespace

SharedExposure::SharedExposure() noexcept {
  for (auto& value : values_) value.store(kUnknown);
}

void SharedExposure::read(const Device& device) noexcept {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    std::int32_t value = kUnknown;
    for (const auto id : kQuantities[i].ids)
      if (get(device, id, value)) break;
    values_[i].store(value, std::memory_order_relaxed);
  }
}

void SharedExposure::write(const Device& device) const noexcept {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Quantity& q = kQuantities[i];
    const std::int32_t value = values_[i].load(std::memory_order_relaxed);
    if (value == kUnknown) continue;
    set(device, q.automatic, q.off);
    for (const auto id : q.ids) set(device, id, value);
  }
}

}  // namespace gantry::v4l2
