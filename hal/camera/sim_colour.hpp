// Colour matrices of the simulated cameras, and a hash for what must differ from frame to frame.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "hal/camera/rig.hpp"

namespace gantry {

using ColourTransform = std::array<double, 9>;  // rows

// Y 0…1, Cb and Cr ±0.5 from encoded R, G, B (ITU-R BT.601-7 and BT.709-6).
constexpr ColourTransform ycc_from_rgb(ColourMatrix m) {
  const double kr = m == ColourMatrix::bt709 ? 0.2126 : 0.299,
               kb = m == ColourMatrix::bt709 ? 0.0722 : 0.114;
  const double kg = 1 - kr - kb;
  return {kr,
          kg,
          kb,
          -kr / (2 - 2 * kb),
          -kg / (2 - 2 * kb),
          0.5,
          0.5,
          -kg / (2 - 2 * kr),
          -kb / (2 - 2 * kr)};
}

// What gains on encoded R, G, B do to (Y, Cb, Cr): M·diag(gains)·M⁻¹, column by column.
constexpr ColourTransform balanced(const ColourTransform& m, const std::array<double, 3>& gains) {
  const double kr = m[0], kg = m[1], kb = m[2];
  ColourTransform t{};
  for (int column = 0; column < 3; ++column) {
    const double y = column == 0, cb = column == 1, cr = column == 2;
    const double r = y + (2 - 2 * kr) * cr, b = y + (2 - 2 * kb) * cb,
                 g = (y - kr * r - kb * b) / kg;
    for (int row = 0; row < 3; ++row)
      t[3 * row + column] =
          m[3 * row] * gains[0] * r + m[3 * row + 1] * gains[1] * g + m[3 * row + 2] * gains[2] * b;
  }
  return t;
}

constexpr std::uint32_t sim_hash(std::uint64_t seed, std::uint64_t camera, std::uint64_t frame) {
  std::uint64_t h =
      seed * 0x9e3779b97f4a7c15ull + camera * 0xbf58476d1ce4e5b9ull + frame * 0x94d049bb133111ebull;
  h = (h ^ h >> 31) * 0xd6e8feb86659fd93ull;
  return static_cast<std::uint32_t>(h >> 32);
}

}  // namespace gantry
