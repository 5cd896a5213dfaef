// The ioctl behind an atomic request.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/atomic_request.hpp"

#include <cerrno>

#include <xf86drm.h>

namespace gantry::kms {

void AtomicRequest::add(std::uint32_t object, std::uint32_t property,
                        std::uint64_t value) noexcept {
  const bool next = object_count_ == 0 || objects_[object_count_ - 1] != object;
  if (!object || !property || property_count_ == kMostProperties ||
      (next && object_count_ == kMostObjects)) {
    failed_ = true;
    return;
  }
  if (next) {
    objects_[object_count_] = object;
    counts_[object_count_++] = 0;
  }
  ++counts_[object_count_ - 1];
  properties_[property_count_] = property;
  values_[property_count_++] = value;
}

int AtomicRequest::commit(int fd, std::uint32_t flags, std::uint64_t user_data) noexcept {
  if (failed_) return EINVAL;
  drm_mode_atomic atomic{};
  atomic.flags = flags;
  atomic.count_objs = object_count_;
  atomic.objs_ptr = reinterpret_cast<std::uintptr_t>(objects_.data());
  atomic.count_props_ptr = reinterpret_cast<std::uintptr_t>(counts_.data());
  atomic.props_ptr = reinterpret_cast<std::uintptr_t>(properties_.data());
  atomic.prop_values_ptr = reinterpret_cast<std::uintptr_t>(values_.data());
  atomic.user_data = user_data;
  return drmIoctl(fd, DRM_IOCTL_MODE_ATOMIC, &atomic) == 0 ? 0 : errno;
}

}  // namespace gantry::kms
