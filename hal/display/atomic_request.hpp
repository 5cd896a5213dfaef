// One atomic request to KMS: properties of objects, committed together; no allocation.
//
// Failures stick: where there was no room or an id is 0, commit() answers EINVAL, so that callers look
// once. libdrm's drmModeAtomicReq allocates at every frame; this fills the same ioctl from arrays.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

namespace gantry::kms {

class AtomicRequest {
 public:
  // Cheapest when the properties of one object follow each other.
  void add(std::uint32_t object, std::uint32_t property, std::uint64_t value) noexcept;
  // `flags`: DRM_MODE_ATOMIC_*, DRM_MODE_PAGE_FLIP_EVENT. 0, or the error number.
  int commit(int fd, std::uint32_t flags, std::uint64_t user_data = 0) noexcept;

 private:
  static constexpr std::uint32_t kMostObjects = 64, kMostProperties = 256;
  std::array<std::uint32_t, kMostObjects> objects_{}, counts_{};
  std::array<std::uint32_t, kMostProperties> properties_{};
  std::array<std::uint64_t, kMostProperties> values_{};
  std::uint32_t object_count_ = 0, property_count_ = 0;
  bool failed_ = false;
};

}  // namespace gantry::kms
