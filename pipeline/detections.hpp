// What the detector found in one panorama: fixed-capacity values, stamped with the capture instant.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace gantry {

enum class ObjectClass : std::uint8_t { ball, person, referee, other };
inline constexpr int kObjectClasses = 4;
constexpr std::string_view name_of(ObjectClass object) {
  constexpr std::string_view names[] = {"ball", "person", "referee", "other"};
  return names[static_cast<int>(object)];
}

struct Detection {
  float x = 0, y = 0;           // centre, panorama pixels
  float width = 0, height = 0;  // panorama pixels
  float confidence = 0;         // 0 … 1
  ObjectClass object = ObjectClass::other;
};

// Whole panorama pixels: [left, right) × [top, bottom).
struct PixelArea {
  std::uint16_t left = 0, top = 0, right = 0, bottom = 0;
};

struct Detections {
  static constexpr std::size_t kCapacity = 512, kMostAreas = 256;
  std::int64_t capture_ns = 0;  // of the panorama they were found in
  std::uint64_t panorama = 0;   // its number
  std::uint32_t count = 0;
  std::uint32_t overflowed = 0;  // candidates that found no room
  std::uint32_t area_count = 0;
  std::array<Detection, kCapacity> items;
  // What the network looked at: an object outside of them was not missed, nobody looked. None: all
  // of the panorama.
  std::array<PixelArea, kMostAreas> areas;

  std::span<const Detection> view() const { return {items.data(), count}; }
  std::span<const PixelArea> looked_at() const { return {areas.data(), area_count}; }
  // Whether an object whose centre is at this panorama pixel would have been seen.
  bool looked_at(float x, float y) const {
    for (const PixelArea& a : looked_at())
      if (x + 0.5f >= a.left && x + 0.5f < a.right && y + 0.5f >= a.top && y + 0.5f < a.bottom)
        return true;
    return area_count == 0;
  }
  bool add(const Detection& d) {
    if (count == kCapacity) return ++overflowed, false;
    items[count++] = d;
    return true;
  }
};

}  // namespace gantry
