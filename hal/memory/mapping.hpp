// One owner for one mapping of a file or of memory: unmapped when the owner goes.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <utility>

#include <sys/mman.h>

namespace gantry {

class Mapping {
 public:
  Mapping() = default;
  // Takes what mmap answered; MAP_FAILED makes an empty one.
  Mapping(void* address, std::size_t bytes) noexcept
      : address_(address == MAP_FAILED ? nullptr : address), bytes_(address_ ? bytes : 0) {}
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      reset();
      address_ = std::exchange(other.address_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  explicit operator bool() const noexcept { return address_ != nullptr; }
  std::byte* data() const noexcept { return static_cast<std::byte*>(address_); }
  std::size_t bytes() const noexcept { return bytes_; }
  void reset() noexcept {
    if (address_) munmap(std::exchange(address_, nullptr), std::exchange(bytes_, 0));
  }

 private:
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace gantry
