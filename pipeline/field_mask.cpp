// Checks the polygon once, then answers by the even-odd rule.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/field_mask.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

double degrees(double radians) {
  return radians * 180 / std::numbers::pi;
}

// Twice the area of the triangle a, b, c; its sign says on which side of a→b c lies.
template <typename P>
double side(const P& a, const P& b, const P& c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

// c is known to lie on the line through a and b.
template <typename P>
bool between(const P& a, const P& b, const P& c) {
  return std::min(a.x, b.x) <= c.x && c.x <= std::max(a.x, b.x) && std::min(a.y, b.y) <= c.y &&
         c.y <= std::max(a.y, b.y);
}

// Whether the closed segments ab and cd have a point in common.
template <typename P>
bool meet(const P& a, const P& b, const P& c, const P& d) {
  const double ca = side(c, d, a), cb = side(c, d, b), ac = side(a, b, c), ad = side(a, b, d);
  if (((ca > 0 && cb < 0) || (ca < 0 && cb > 0)) && ((ac > 0 && ad < 0) || (ac < 0 && ad > 0)))
    return true;
  return (ca == 0 && between(c, d, a)) || (cb == 0 && between(c, d, b)) ||
         (ac == 0 && between(a, b, c)) || (ad == 0 && between(a, b, d));
}

// Even-odd rule: counts the edges that a ray to the right crosses.
template <typename P>
bool inside(const std::vector<P>& points, double x, double y) {
  bool odd = false;
  for (std::size_t i = 0, j = points.size() - 1; i < points.size(); j = i++) {
    const P &a = points[i], &b = points[j];
    if ((a.y > y) != (b.y > y) && x < a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x)) odd = !odd;
  }
  return odd;
}

template <typename P>
void require_simple(const std::vector<P>& points) {
  const std::size_t n = points.size();
  for (std::size_t i = 0, j = n - 1; i < n; j = i++)
    if (points[i].x == points[j].x && points[i].y == points[j].y)
      throw std::invalid_argument(
          fmt::format("field mask: points {} and {} are the same; leave one out", j + 1, i + 1));
  double area = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const P &a = points[i], &b = points[(i + 1) % n], &after = points[(i + 2) % n];
    area += a.x * b.y - b.x * a.y;
    // An edge that runs straight back over the one before it.
    if (n > 3 && side(a, b, after) == 0 &&
        (b.x - a.x) * (after.x - b.x) + (b.y - a.y) * (after.y - b.y) < 0)
      throw std::invalid_argument(fmt::format(
          "field mask: the edges that meet in point {} lie on each other", (i + 1) % n + 1));
    for (std::size_t j = i + 2; j < n; ++j) {
      if (i == 0 && j == n - 1) continue;  // neighbours around the end
      if (meet(a, b, points[j], points[(j + 1) % n]))
        throw std::invalid_argument(
            fmt::format("field mask: the edge from point {} to {} crosses or touches the one from "
                        "{} to {}; list "
                        "the points in their order around the field",
                        i + 1, i + 2, j + 1, (j + 1) % n + 1));
    }
  }
  if (std::abs(area) < 2)
    throw std::invalid_argument("field mask: the points lie on one line; the area is 0");
}

}  // namespace

FieldMask::FieldMask(std::span<const MaskPoint> polygon, const PanoramaGeometry& geometry) {
  if (polygon.size() < 3)
    throw std::invalid_argument(fmt::format(
        "field mask: {} point{}; a polygon needs at least three [yaw, pitch] pairs in degrees",
        polygon.size(), polygon.size() == 1 ? "" : "s"));
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const MaskPoint& p = polygon[i];
    if (!std::isfinite(p.yaw) || !std::isfinite(p.pitch) || std::abs(p.yaw) > std::numbers::pi ||
        std::abs(p.pitch) > std::numbers::pi / 2)
      throw std::invalid_argument(fmt::format(
          "field mask: point {} is [{}, {}]; yaw must be from -180 to 180 and pitch from -90 to 90 "
          "degrees",
          i + 1, degrees(p.yaw), degrees(p.pitch)));
    points_.push_back({geometry.x_of(p.yaw) + 0.5, geometry.y_of(p.pitch) + 0.5});
  }
  require_simple(points_);
  if (!touches({0, 0, static_cast<double>(geometry.width), static_cast<double>(geometry.height)}))
    throw std::invalid_argument(
        fmt::format("field mask: no part of it is in the panorama (yaw {:.1f} to {:.1f}, pitch "
                    "{:.1f} to {:.1f} "
                    "degrees)",
                    degrees(geometry.yaw_left), degrees(geometry.yaw_right),
                    degrees(geometry.pitch_top), degrees(geometry.pitch_bottom)));
}

bool FieldMask::contains(double x, double y) const noexcept {
  return points_.empty() || inside(points_, x + 0.5, y + 0.5);
}

bool FieldMask::touches(const PixelRect& r) const {
  if (points_.empty()) return true;
  const std::vector<Point> corners{
      {r.left, r.top}, {r.right, r.top}, {r.right, r.bottom}, {r.left, r.bottom}};
  for (const Point& p : points_)
    if (p.x > r.left && p.x < r.right && p.y > r.top && p.y < r.bottom) return true;
  if (inside(points_, (r.left + r.right) / 2, (r.top + r.bottom) / 2)) return true;
  for (std::size_t i = 0, j = points_.size() - 1; i < points_.size(); j = i++)
    for (std::size_t k = 0; k < 4; ++k)
      if (meet(points_[j], points_[i], corners[k], corners[(k + 1) % 4])) return true;
  return false;
}

PixelRect FieldMask::bounds(const PanoramaGeometry& geometry) const {
  const double width = geometry.width, height = geometry.height;
  if (points_.empty()) return {0, 0, width, height};
  PixelRect r{width, height, 0, 0};
  for (const Point& p : points_) {
    r.left = std::min(r.left, p.x);
    r.right = std::max(r.right, p.x);
    r.top = std::min(r.top, p.y);
    r.bottom = std::max(r.bottom, p.y);
  }
  return {std::max(r.left, 0.0), std::max(r.top, 0.0), std::min(r.right, width),
          std::min(r.bottom, height)};
}

}  // namespace gantry
