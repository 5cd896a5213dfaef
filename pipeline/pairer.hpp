// Brings together the pictures that one to four cameras took at the same time.
//
// Each camera has a short line of waiting pictures. When every line has one, the first of each are
// a pair if they were captured within half an interval; if not, the earliest can find no partner
// any more (the others only get later) and is dropped as unpaired. Cameras may thus run at any
// phase, and drift through each other: where one gains a whole picture on the others, that one is
// left over.
//
// A camera whose line is empty is waited for until the others are `most_wait_frames` ahead. Then
// the pair goes on without it (allow_missing) or is dropped, and it is not waited for again until
// it delivers.
//
// The numbers add up per camera: offered = paired + unpaired + waiting.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "pipeline/frames.hpp"

namespace gantry {

// Counts the numbers that are missing in a rising sequence; one that falls starts anew.
class SequenceGaps {
 public:
  void see(std::uint64_t sequence) noexcept {
    if (any_ && sequence > last_ + 1) missing_ += sequence - last_ - 1;
    last_ = sequence;
    any_ = true;
  }
  std::uint64_t missing() const noexcept { return missing_; }

 private:
  std::uint64_t last_ = 0, missing_ = 0;
  bool any_ = false;
};

struct PairerOptions {
  // Pictures of the others that a silent camera may cost; 0: wait as long as it takes (files).
  int most_wait_frames = 3;
  bool allow_missing = true;  // a pair may go on without a camera that is late or has ended
};

class Pairer {
 public:
  static constexpr std::size_t kDepth = 16;           // pictures that can wait per camera
  static constexpr double kMostRateDifference = 0.5;  // frames per second

  struct Camera {
    std::string name;
    double frames_per_second = 0;
  };
  // Set-up. Throws std::invalid_argument, with advice, where there are none or more than four
  // cameras, or their rates are not numbers above 0 or differ by more than 0.5.
  Pairer(std::span<const Camera> cameras, const PairerOptions& options);

  // Everything below: one thread, no allocation, no wait. After each offer call next() until false.

  bool room(std::size_t camera) const noexcept { return lines_[camera].count < kDepth; }
  // False: no room, the frame stays with the caller.
  bool offer(std::size_t camera, CameraFrame&& frame) noexcept;
  // True: `out` is the next pair; the surface of a missing camera is empty.
  bool next(FramePair& out) noexcept;
  // This camera will deliver nothing for now; an offer takes it back.
  void end(std::size_t camera) noexcept { lines_[camera].ended = true; }
  // No pair will come any more, unless a camera comes back.
  bool finished() const noexcept;

  std::size_t cameras() const noexcept { return count_; }
  // Of the agreed rate, the slowest camera's; nanoseconds.
  std::int64_t interval_ns() const noexcept { return interval_ns_; }

  struct Counts {
    std::uint64_t offered = 0;
    std::uint64_t paired = 0;
    std::uint64_t unpaired = 0;  // dropped without partners
    std::uint64_t missing = 0;   // pairs that went on without this camera
    std::uint64_t gaps = 0;      // pictures lost before us, by their sequence numbers
  };
  Counts counts(std::size_t camera) const noexcept;
  std::uint64_t pairs() const noexcept { return pairs_; }

 private:
  struct Line {
    std::array<CameraFrame, kDepth> frames;
    std::size_t first = 0, count = 0;
    bool ended = false;
    bool absent = false;                      // the last pair went on without it
    std::int64_t newest_ns = INT64_MIN;       // captured
    std::int64_t gone_before_ns = INT64_MIN;  // pairs up to here went on without it
    SequenceGaps gaps;
    Counts counts;

    const CameraFrame& head() const noexcept { return frames[first]; }
    CameraFrame take() noexcept;
  };
  struct Heads {
    std::size_t earliest = 0;
    std::int64_t earliest_ns = INT64_MAX, latest_ns = INT64_MIN;
    bool any = false;
    bool complete = true;  // every camera is there
    bool awaited = false;  // one that is not may still come
  };
  Heads look() const noexcept;
  bool waited_enough(const Heads& heads) const noexcept;
  void drop(Line& line) noexcept;
  void emit(FramePair& out, const Heads& heads) noexcept;

  std::span<Line> lines() noexcept { return {lines_.data(), count_}; }
  std::span<const Line> lines() const noexcept { return {lines_.data(), count_}; }

  PairerOptions options_;
  std::size_t count_ = 0;
  std::int64_t interval_ns_ = 0;
  std::uint64_t pairs_ = 0;
  std::array<Line, Rig::kMostCameras> lines_;
};

}  // namespace gantry
