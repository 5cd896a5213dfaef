// One box per object: merges what overlapping tiles, and anchors within a tile, saw twice.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "pipeline/detections.hpp"

namespace gantry {

// Sides of a box that end at a border of its tile with more panorama behind it.
enum CutSide : std::uint8_t { kCutLeft = 1, kCutTop = 2, kCutRight = 4, kCutBottom = 8 };

// Panorama pixels, from the picture's top left edge.
struct Candidate {
  float left = 0, top = 0, right = 0, bottom = 0;
  float confidence = 0;
  ObjectClass object = ObjectClass::other;
  std::uint8_t cut = 0;    // CutSide bits
  std::uint16_t tile = 0;  // of the plan
  std::uint32_t anchor = 0;
};

struct MergeLimits {
  // Two boxes are one object from this intersection over union on, 0 … 1 …
  float iou = 0.5f;
  // … or, where they come from different tiles and a border cuts one of them, from this
  // intersection over the smaller box on, 0 … 1.
  float ios = 0.5f;
};

// Greedy by confidence, per class: within each tile first, then across tiles. Pieces of an object
// that no tile sees whole are put together: pieces on both sides of a border that overlap, or
// nearly touch, and agree along the border. The outcome does not depend on the order of the
// candidates, and merging it again changes nothing.
class CandidateMerge {
 public:
  // Set-up. Throws std::invalid_argument for limits outside of 0 … 1.
  CandidateMerge(int panorama_width, const std::array<MergeLimits, kObjectClasses>& limits);

  struct Result {
    std::span<Candidate> kept;     // the front of the candidates, strongest first
    std::uint32_t overflowed = 0;  // objects beyond Detections::kCapacity, the weakest
  };
  // Reorders and overwrites `candidates`. One thread at a time, no allocation.
  Result merge(std::span<Candidate> candidates) noexcept;

  // Within one tile alone, before merge(): `holds` is asked of every box that would be kept; what does
  // not hold goes, and drops no other. Returns how many stay, in front.
  using Holds = std::function<bool(const Candidate&)>;
  std::size_t thin(std::span<Candidate> of_one_tile, const Holds& holds) noexcept;

 private:
  // More than Detections hold: before tiles are compared, an object may be there several times.
  static constexpr std::size_t kMostKept = 2 * Detections::kCapacity;
  static constexpr std::size_t kStrips = 64, kWords = kMostKept / 64;
  enum class Scope { within_tiles, across_tiles };
  using Kept = std::array<std::uint64_t, kWords>;  // one bit per kept box

  bool same_object(const Candidate& a, const Candidate& b, Scope scope) const noexcept;
  // The kept box that is the same object; -1: none.
  int find(std::span<const Candidate> kept, const Candidate& c, Scope scope) const noexcept;
  void enter(std::size_t index, const Candidate& c) noexcept;
  std::size_t column(float x) const noexcept;
  std::size_t row(float y) const noexcept;
  // Over the strongest first. Returns whether boxes grew; they may now meet others.
  bool pass(Result& result, Scope scope, const Holds* holds = nullptr) noexcept;

  std::array<MergeLimits, kObjectClasses> limits_;
  float columns_per_pixel_;
  // Which kept boxes reach into each strip of the panorama, so that a candidate is compared with
  // its neighbours alone.
  std::array<Kept, kStrips> columns_{}, rows_{};
};

}  // namespace gantry
