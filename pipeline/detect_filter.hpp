// Which boxes count: size and shape limits per class, the field mask, and tile borders.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <limits>

#include "pipeline/head_decoder.hpp"
#include "pipeline/merge.hpp"
#include "pipeline/tiles.hpp"

namespace gantry {

struct ClassLimits {
  float confidence = 0.4f;              // at least; above 0, at most 1
  float min_width = 0, min_height = 0;  // panorama pixels
  float max_width = std::numeric_limits<float>::infinity();
  float max_height = std::numeric_limits<float>::infinity();
  float min_aspect = 0;  // width over height
  float max_aspect = std::numeric_limits<float>::infinity();
};
using LimitsPerClass = std::array<ClassLimits, kObjectClasses>;  // by ObjectClass

class DetectFilter {
 public:
  // Set-up. Throws std::invalid_argument that names the class and the limit which is wrong.
  DetectFilter(const TilePlan& plan, const PanoramaGeometry& geometry, const LimitsPerClass& limits,
               const FieldMask& mask);

  // Brings a tile's box into panorama pixels. False where it is not wanted: beyond a limit, or cut
  // by a border of the tile while a neighbour sees it whole. Pieces that no tile sees whole pass,
  // marked as cut; what they are is known only after the merge. Any thread, no allocation.
  bool candidate(const NetworkBox& box, std::size_t tile, Candidate& out) const noexcept;

  // After the merge: the detection, or false where it is beyond a limit or outside of the mask
  // (persons and referees by their foot point, all others by their centre).
  bool detection(const Candidate& c, Detection& out) const noexcept;

 private:
  std::uint8_t cut_sides(const Candidate& c, const PixelRect& tile) const noexcept;
  bool whole_elsewhere(const Candidate& c) const noexcept;

  LimitsPerClass limits_;
  FieldMask mask_;
  std::vector<PixelRect> tiles_;
  float width_, height_;  // of the panorama, pixels
  float scale_;           // network pixels per panorama pixel
  float margin_;          // panorama pixels: a box this near to a border is cut by it
};

}  // namespace gantry
