// Measures on the device what neighbouring cameras show in their overlap, beside the frame path.
//
// start() enqueues on a queue of its own, poll() looks whether the sums have arrived; neither
// waits. One submission thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/colour_match.hpp"
#include "pipeline/frames.hpp"
#include "pipeline/stitch_mesh.hpp"

namespace gantry {

class OverlapStatistics {
 public:
  // Set-up. Points are mesh nodes that both cameras of a pair see, thinned to kMostPoints.
  OverlapStatistics(gpu::Device& device, const StitchMesh& mesh,
                    std::span<const Nv12Layout> cameras, const ColourFormat& format);

  // Cameras that share enough of the panorama to be compared.
  std::span<const CameraPair> pairs() const { return pairs_; }
  bool running() const { return running_; }

  // Measures the pairs of which both cameras are present. Not while running. `done` completes when
  // the pictures are not read any more; null if there is nothing to measure.
  Status start(const FramePair& frames, cl::Event* done) noexcept;
  // True once per start(), when the sums are there: one for each pair, count 0 where not measured.
  bool poll(std::span<const OverlapSums>& sums) noexcept;

  static constexpr int kMostPoints = 16384, kFewestPoints = 64, kWorkItems = 256;

 private:
  struct Pair {
    cl::Kernel kernel;  // arguments but for the pictures are bound
    cl::Buffer points;
    gpu::Memory rows;  // kWorkItems × 8 int32
    bool measured = false;
  };

  cl::CommandQueue queue_;
  std::vector<CameraPair> pairs_;
  std::vector<Pair> work_;
  std::vector<OverlapSums> sums_;
  cl::Event arrived_;
  bool running_ = false;
};

}  // namespace gantry
