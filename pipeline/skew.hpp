// How far apart in time the cameras expose, measured over the first pairs of a run.
//
// Pairs are made of pictures within half an interval of each other, so what is seen is the phase
// between cameras: cameras on one synchronisation wire show less than a millisecond, free-running
// ones anything up to half an interval.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "pipeline/frames.hpp"

namespace gantry {

class Skew {
 public:
  static constexpr std::size_t kPairs = 60;

  // One thread, no allocation. True once per camera: its skew has now been measured.
  bool see(const FramePair& pair, std::size_t camera) noexcept {
    const CameraFrame &first = pair.cameras[0], &other = pair.cameras[camera];
    Line& line = lines_[camera];
    if (!first.surface || !other.surface || line.count == kPairs) return false;
    line.offsets_ns[line.count++] = other.capture_ns - first.capture_ns;
    return line.count == kPairs;
  }
  // The median of this camera's instants less the first camera's; once measured.
  std::int64_t offset_ns(std::size_t camera) noexcept {
    auto& all = lines_[camera].offsets_ns;
    std::nth_element(all.begin(), all.begin() + kPairs / 2, all.end());
    return all[kPairs / 2];
  }

 private:
  struct Line {
    std::array<std::int64_t, kPairs> offsets_ns{};
    std::size_t count = 0;
  };
  std::array<Line, Rig::kMostCameras> lines_;
};

}  // namespace gantry
