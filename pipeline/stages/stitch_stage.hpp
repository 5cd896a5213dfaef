// Turns pairs into panoramas and hands each, by reference, to everyone who wants it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/stages/links.hpp"
#include "pipeline/stitcher.hpp"
#include "pipeline/telemetry.hpp"

namespace gantry {

struct PanoramaReaders {
  RingLink* ring = nullptr;
  CompletionLink* completion = nullptr;
  AnalysisLink* analysis = nullptr;      // null: no detector
  PanoramaOutputLink* output = nullptr;  // null: no panorama recording
};

class StitchStage {
 public:
  // `wait_for_surface`: wait for a free panorama instead of dropping the pair (files, fast).
  StitchStage(PairLink& in, Stitcher& stitcher, SurfacePool& panoramas, PanoramaReaders readers,
              bool wait_for_surface, Telemetry& telemetry)
      : in_(in),
        stitcher_(stitcher),
        panoramas_(panoramas),
        readers_(readers),
        wait_for_surface_(wait_for_surface),
        telemetry_(telemetry) {}

  // One pair; blocks until there is one. False when no more will come. A submission thread.
  bool step() noexcept;

 private:
  void close() noexcept;

  PairLink& in_;
  Stitcher& stitcher_;
  SurfacePool& panoramas_;
  PanoramaReaders readers_;
  bool wait_for_surface_;
  Telemetry& telemetry_;
  std::uint64_t number_ = 0;
};

// Watches panoramas come to their end on the device: takes the times, and holds nothing up.
class CompletionStage {
 public:
  // `live`: captures have instants of the clock; otherwise only the device's time is taken.
  CompletionStage(CompletionLink& in, bool live, Telemetry& telemetry)
      : in_(in), live_(live), telemetry_(telemetry) {}
  // One panorama. False when no more will come. A submission thread: it waits for the device.
  bool step() noexcept;

 private:
  CompletionLink& in_;
  bool live_;
  Telemetry& telemetry_;
};

}  // namespace gantry
