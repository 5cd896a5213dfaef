// Runs the detector on the latest panorama, or on every n-th, and hands its findings on.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/detector.hpp"
#include "pipeline/stages/links.hpp"
#include "pipeline/stages/pace_stage.hpp"
#include "pipeline/telemetry.hpp"

namespace gantry {

class AnalyseStage {
 public:
  // `every`: analyse panoramas whose number is a multiple of it. `passed` is rung when `progress`
  // has moved. `log`: takes the findings too; may be null. `live`: captures have instants of the
  // clock.
  AnalyseStage(AnalysisLink& in, Detector& detector, int every, DetectionsLink& out,
               DetectionLogLink* log, AnalysisProgress& progress, Signal& passed, bool live,
               Telemetry& telemetry)
      : in_(in),
        detector_(detector),
        every_(static_cast<std::uint64_t>(every)),
        out_(out),
        log_(log),
        progress_(progress),
        passed_(passed),
        live_(live),
        telemetry_(telemetry) {}

  // One panorama; blocks until there is one and until it is analysed. False when no more will come.
  // The detector's submission thread. A detector that fails is switched off: the picture goes on.
  bool step() noexcept;

 private:
  void analyse(const PanoramaFrame& panorama) noexcept;

  AnalysisLink& in_;
  Detector& detector_;
  std::uint64_t every_;
  DetectionsLink& out_;
  DetectionLogLink* log_;
  AnalysisProgress& progress_;
  Signal& passed_;
  bool live_;
  Telemetry& telemetry_;
  Detections found_;
  bool failed_ = false;
};

}  // namespace gantry
