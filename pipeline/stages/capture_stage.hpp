// Takes the pictures of one camera and hands them on.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/stages/links.hpp"
#include "pipeline/telemetry.hpp"

namespace gantry {

class CaptureStage {
 public:
  CaptureStage(Camera& camera, SurfacePool& pool, CaptureLink& out, CameraTelemetry& counts,
               Telemetry& telemetry)
      : camera_(camera), pool_(pool), out_(out), counts_(counts), telemetry_(telemetry) {}

  // Set-up: pictures captured from this instant on are the end.
  void end_at(std::int64_t capture_ns) { end_ns_ = capture_ns; }
  // One picture; blocks until it is there. False when no more will come. The camera's thread.
  bool step() noexcept;

 private:
  Camera& camera_;
  SurfacePool& pool_;
  CaptureLink& out_;
  CameraTelemetry& counts_;
  Telemetry& telemetry_;
  std::int64_t end_ns_ = INT64_MAX;
};

}  // namespace gantry
