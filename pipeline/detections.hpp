// What the detector found in one panorama: fixed-capacity values, stamped with the capture instant.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>

namespace gantry {

enum class ObjectClass : std::uint8_t { ball, person, referee, other };
inline constexpr int kObjectClasses = 4;

struct Detection {
  float x = 0, y = 0;           // centre, panorama pixels
  float width = 0, height = 0;  // panorama pixels
  float confidence = 0;         // 0 … 1
  ObjectClass object = ObjectClass::other;
};

struct Detections {
  static constexpr std::size_t kCapacity = 512;
  std::int64_t capture_ns = 0;  // of the panorama they were found in
  std::uint64_t panorama = 0;   // its number
  std::uint32_t count = 0;
  std::uint32_t overflowed = 0;  // candidates that found no room
  std::array<Detection, kCapacity> items;

  std::span<const Detection> view() const { return {items.data(), count}; }
  bool add(const Detection& d) {
    if (count == kCapacity) return ++overflowed, false;
    items[count++] = d;
    return true;
  }
};

}  // namespace gantry
