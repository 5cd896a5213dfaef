// From tile boxes to candidates, from merged candidates to detections.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/detect_filter.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr float kMargin = 2.5f;  // network pixels; boxes of cut objects end this near to the border
constexpr std::array<std::string_view, kObjectClasses> kNames{"ball", "person", "referee", "other"};

void require(const ClassLimits& l, std::string_view name) {
  const auto order = [&](float least, float most, std::string_view what) {
    if (!(least >= 0 && most > 0 && least <= most))
      throw std::invalid_argument(fmt::format(
          "detector limits of {}: {} from {} to {}; both must be numbers, 0 or more, and "
          "the first not above the second",
          name, what, least, most));
  };
  order(l.min_width, l.max_width, "width");
  order(l.min_height, l.max_height, "height");
  order(l.min_aspect, l.max_aspect, "aspect");
  if (!(l.confidence > 0 && l.confidence <= 1))
    throw std::invalid_argument(
        fmt::format("detector limits of {}: confidence is {}; it must be above 0 and at most 1",
                    name, l.confidence));
}

bool too_large(const ClassLimits& l, float width, float height) {
  return width > l.max_width || height > l.max_height;
}

bool within(const ClassLimits& l, float width, float height) {
  return !too_large(l, width, height) && width >= l.min_width && height >= l.min_height &&
         width >= l.min_aspect * height && width <= l.max_aspect * height;
}

}  // namespace

DetectFilter::DetectFilter(const TilePlan& plan, const PanoramaGeometry& geometry,
                           const LimitsPerClass& limits, const FieldMask& mask)
    : limits_(limits),
      mask_(mask),
      width_(static_cast<float>(geometry.width)),
      height_(static_cast<float>(geometry.height)),
      scale_(static_cast<float>(plan.scale)),
      margin_(kMargin / scale_) {
  for (std::size_t i = 0; i < limits.size(); ++i) require(limits[i], kNames[i]);
  for (const Tile& t : plan.tiles) tiles_.push_back(plan.rect(t));
}

bool DetectFilter::candidate(const NetworkBox& box, std::size_t tile,
                             Candidate& out) const noexcept {
  const PixelRect& t = tiles_[tile];
  const float x = static_cast<float>(t.left) + box.x / scale_;
  const float y = static_cast<float>(t.top) + box.y / scale_;
  const float half_width = box.width / (2 * scale_), half_height = box.height / (2 * scale_);
  // Networks let boxes hang over the picture's edge; there is nothing there.
  out.left = std::max({x - half_width, static_cast<float>(t.left), 0.0f});
  out.top = std::max({y - half_height, static_cast<float>(t.top), 0.0f});
  out.right = std::min({x + half_width, static_cast<float>(t.right), width_});
  out.bottom = std::min({y + half_height, static_cast<float>(t.bottom), height_});
  if (!(out.right > out.left && out.bottom > out.top)) return false;
  out.confidence = box.confidence;
  out.object = box.object;
  out.tile = static_cast<std::uint16_t>(tile);
  out.anchor = box.anchor;
  out.cut = cut_sides(out, t);
  const ClassLimits& l = limits_[static_cast<std::size_t>(box.object)];
  const float width = out.right - out.left, height = out.bottom - out.top;
  if (out.cut) return !too_large(l, width, height) && !whole_elsewhere(out);
  return within(l, width, height);
}

std::uint8_t DetectFilter::cut_sides(const Candidate& c, const PixelRect& t) const noexcept {
  unsigned cut = 0;
  if (t.left > 0 && c.left < t.left + margin_) cut |= kCutLeft;
  if (t.top > 0 && c.top < t.top + margin_) cut |= kCutTop;
  if (t.right < width_ && c.right > t.right - margin_) cut |= kCutRight;
  if (t.bottom < height_ && c.bottom > t.bottom - margin_) cut |= kCutBottom;
  return static_cast<std::uint8_t>(cut);
}

// How far a cut object goes on is not known: as far again as the piece's longer side is allowed
// for, or to the panorama's edge.
bool DetectFilter::whole_elsewhere(const Candidate& c) const noexcept {
  const float reach = std::max(c.right - c.left, c.bottom - c.top);
  Candidate whole = c;
  if (c.cut & kCutLeft) whole.left = std::max(c.left - reach, 0.0f);
  if (c.cut & kCutTop) whole.top = std::max(c.top - reach, 0.0f);
  if (c.cut & kCutRight) whole.right = std::min(c.right + reach, width_);
  if (c.cut & kCutBottom) whole.bottom = std::min(c.bottom + reach, height_);
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    const PixelRect& t = tiles_[i];
    if (i != c.tile && whole.left >= t.left && whole.top >= t.top && whole.right <= t.right &&
        whole.bottom <= t.bottom && !cut_sides(whole, t))
      return true;
  }
  return false;
}

bool DetectFilter::detection(const Candidate& c, Detection& out) const noexcept {
  const float width = c.right - c.left, height = c.bottom - c.top;
  if (!within(limits_[static_cast<std::size_t>(c.object)], width, height)) return false;
  // Panorama pixels count from the first one's centre, boxes from its edge.
  out = {(c.left + c.right) / 2 - 0.5f,
         (c.top + c.bottom) / 2 - 0.5f,
         width,
         height,
         c.confidence,
         c.object};
  const bool stands = c.object == ObjectClass::person || c.object == ObjectClass::referee;
  return mask_.contains(out.x, stands ? c.bottom - 0.5f : out.y);
}

}  // namespace gantry
