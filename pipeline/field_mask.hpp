// The field mask: the polygon of the panorama in which objects count.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "hal/camera/rig.hpp"

namespace gantry {

struct MaskPoint {
  double yaw = 0, pitch = 0;  // radians, panorama frame
};

// A rectangle of panorama pixels by its edges: [left, right) × [top, bottom), the picture's own
// edges at 0 and width.
struct PixelRect {
  double left = 0, top = 0, right = 0, bottom = 0;
};

// Pixels are equirectangular, so a polygon of angles is the same polygon in pixels, straight edges
// included. Immutable after construction, any thread.
class FieldMask {
 public:
  // No mask: everything counts.
  FieldMask() = default;
  // Set-up. At least three points in order, either direction; they may lie outside of the panorama.
  // Throws std::invalid_argument that names the point or the edges that are wrong: too few points,
  // an angle that is not finite, repeated points, edges that cross or touch, an area of 0, or a
  // polygon of which the panorama shows nothing.
  FieldMask(std::span<const MaskPoint> polygon, const PanoramaGeometry& geometry);

  bool empty() const { return points_.empty(); }
  // `x`, `y`: panorama pixels, centres at whole numbers. The test is for an object's foot point or
  // centre. Always true without a mask. Points on an edge belong to one side of it.
  bool contains(double x, double y) const noexcept;
  // Whether any of the mask lies in the rectangle. Set-up. Always true without a mask.
  bool touches(const PixelRect& rect) const;
  // The smallest rectangle around the mask, cut to the panorama; of an empty mask: all of it.
  PixelRect bounds(const PanoramaGeometry& geometry) const;

 private:
  struct Point {
    double x, y;  // panorama pixels, from the picture's top left edge
  };
  std::vector<Point> points_;
};

}  // namespace gantry
