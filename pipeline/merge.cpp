// Greedy suppression over strips, repeated while pieces grow together.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/merge.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>
#include <tuple>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr float kRowHeight = 48;    // pixels; rows below the last strip's share it
constexpr float kGap = 6;           // pixels: pieces this near on both sides of a border touch
constexpr float kAgreement = 0.5f;  // of the pieces' extents along the border, over their union

bool stronger(const Candidate& a, const Candidate& b) {
  if (a.confidence != b.confidence) return a.confidence > b.confidence;
  return std::tuple(a.left, a.top, a.right, a.bottom, a.object, a.cut, a.tile) <
         std::tuple(b.left, b.top, b.right, b.bottom, b.object, b.cut, b.tile);
}

float overlap(float a0, float a1, float b0, float b1) {
  return std::max(0.0f, std::min(a1, b1) - std::max(a0, b0));
}

float agreement(float a0, float a1, float b0, float b1) {
  return overlap(a0, a1, b0, b1) / (std::max(a1, b1) - std::min(a0, b0));
}

// Whether the extents along the cut border fit: a piece is as high as the whole beside it.
bool agree(const Candidate& a, const Candidate& b, unsigned cut) {
  return (!(cut & (kCutLeft | kCutRight)) ||
          agreement(a.top, a.bottom, b.top, b.bottom) >= kAgreement) &&
         (!(cut & (kCutTop | kCutBottom)) ||
          agreement(a.left, a.right, b.left, b.right) >= kAgreement);
}

// a's `far` side and b's `near` side lie at the same border.
bool touch(const Candidate& a, const Candidate& b) {
  return ((a.cut & kCutRight) && (b.cut & kCutLeft) && std::abs(b.left - a.right) <= kGap &&
          agreement(a.top, a.bottom, b.top, b.bottom) >= kAgreement) ||
         ((a.cut & kCutBottom) && (b.cut & kCutTop) && std::abs(b.top - a.bottom) <= kGap &&
          agreement(a.left, a.right, b.left, b.right) >= kAgreement);
}

// The box around both. A side is cut where the box that reaches further is, unless the other
// reaches as far uncut.
bool grow(Candidate& box, const Candidate& other) {
  const auto side = [&](float& mine, float theirs, bool further, CutSide bit) {
    if (mine == theirs) box.cut &= static_cast<std::uint8_t>(other.cut | ~bit);
    if (!further) return false;
    mine = theirs;
    box.cut = static_cast<std::uint8_t>((box.cut & ~bit) | (other.cut & bit));
    return true;
  };
  const bool left = side(box.left, other.left, other.left < box.left, kCutLeft);
  const bool top = side(box.top, other.top, other.top < box.top, kCutTop);
  const bool right = side(box.right, other.right, other.right > box.right, kCutRight);
  const bool bottom = side(box.bottom, other.bottom, other.bottom > box.bottom, kCutBottom);
  return left || top || right || bottom;
}

}  // namespace

CandidateMerge::CandidateMerge(int panorama_width,
                               const std::array<MergeLimits, kObjectClasses>& limits)
    : limits_(limits),
      columns_per_pixel_(static_cast<float>(kStrips) / static_cast<float>(panorama_width)) {
  for (const MergeLimits& l : limits)
    if (!(l.iou > 0 && l.iou <= 1 && l.ios > 0 && l.ios <= 1))
      throw std::invalid_argument(
          fmt::format("detector merge: shares are {} and {}; they must be above 0 and at most 1",
                      l.iou, l.ios));
}

bool CandidateMerge::same_object(const Candidate& a, const Candidate& b,
                                 Scope scope) const noexcept {
  if (a.object != b.object || (scope == Scope::within_tiles && a.tile != b.tile)) return false;
  const MergeLimits& limit = limits_[static_cast<std::size_t>(a.object)];
  const float shared =
      overlap(a.left, a.right, b.left, b.right) * overlap(a.top, a.bottom, b.top, b.bottom);
  const float area_a = (a.right - a.left) * (a.bottom - a.top);
  const float area_b = (b.right - b.left) * (b.bottom - b.top);
  if (shared > 0 && shared >= limit.iou * (area_a + area_b - shared)) return true;
  if (a.tile == b.tile || !(a.cut | b.cut)) return false;
  if (shared > 0 && shared >= limit.ios * std::min(area_a, area_b) && agree(a, b, a.cut | b.cut))
    return true;
  return touch(a, b) || touch(b, a);
}

std::size_t CandidateMerge::column(float x) const noexcept {
  return static_cast<std::size_t>(
      std::clamp(x * columns_per_pixel_, 0.0f, static_cast<float>(kStrips - 1)));
}

std::size_t CandidateMerge::row(float y) const noexcept {
  return static_cast<std::size_t>(
      std::clamp(y * (1 / kRowHeight), 0.0f, static_cast<float>(kStrips - 1)));
}

void CandidateMerge::enter(std::size_t index, const Candidate& c) noexcept {
  const std::uint64_t bit = std::uint64_t{1} << (index % 64);
  for (std::size_t i = column(c.left); i <= column(c.right); ++i) columns_[i][index / 64] |= bit;
  for (std::size_t i = row(c.top); i <= row(c.bottom); ++i) rows_[i][index / 64] |= bit;
}

int CandidateMerge::find(std::span<const Candidate> kept, const Candidate& c,
                         Scope scope) const noexcept {
  const std::size_t left = column(c.left - kGap), right = column(c.right + kGap);
  const std::size_t top = row(c.top - kGap), bottom = row(c.bottom + kGap);
  for (std::size_t w = 0; w * 64 < kept.size(); ++w) {
    std::uint64_t beside = 0, level = 0;
    for (std::size_t i = left; i <= right; ++i) beside |= columns_[i][w];
    for (std::size_t i = top; i <= bottom; ++i) level |= rows_[i][w];
    for (std::uint64_t bits = beside & level; bits; bits &= bits - 1) {
      const std::size_t index = w * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      if (same_object(kept[index], c, scope)) return static_cast<int>(index);
    }
  }
  return -1;
}

bool CandidateMerge::pass(Result& result, Scope scope, const Holds* holds) noexcept {
  const std::span<Candidate> candidates = result.kept;
  columns_ = {};
  rows_ = {};
  std::size_t count = 0;
  bool grown = false;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate c = candidates[i];
    const int same = find(candidates.first(count), c, scope);
    if (same < 0) {
      if (holds && !(*holds)(c)) continue;
      if (count == kMostKept) {
        ++result.overflowed;
        continue;
      }
      enter(count, c);
      candidates[count++] = c;
    } else if (Candidate& box = candidates[static_cast<std::size_t>(same)];
               box.cut && box.tile != c.tile && grow(box, c)) {
      grown = true;
      enter(static_cast<std::size_t>(same), box);
    }
  }
  result.kept = candidates.first(count);
  return grown;
}

std::size_t CandidateMerge::thin(std::span<Candidate> of_one_tile, const Holds& holds) noexcept {
  Result result{of_one_tile, 0};
  std::sort(of_one_tile.begin(), of_one_tile.end(), stronger);
  pass(result, Scope::within_tiles, &holds);
  return result.kept.size();
}

CandidateMerge::Result CandidateMerge::merge(std::span<Candidate> candidates) noexcept {
  Result result{candidates, 0};
  std::sort(candidates.begin(), candidates.end(), stronger);
  pass(result, Scope::within_tiles);
  // A box grows only by taking in another, so this ends.
  while (pass(result, Scope::across_tiles))
    std::sort(result.kept.begin(), result.kept.end(), stronger);
  if (result.kept.size() > Detections::kCapacity) {
    result.overflowed += static_cast<std::uint32_t>(result.kept.size() - Detections::kCapacity);
    result.kept = result.kept.first(Detections::kCapacity);
  }
  return result;
}

}  // namespace gantry
