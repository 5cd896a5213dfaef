// Takes the pictures of one camera and hands them on; tries a lost camera again, with a back-off.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>

#include "hal/recovery.hpp"
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
  // One picture, or one attempt to get a lost camera back; blocks until it is there or due. False
  // when no more will come. The camera's thread.
  bool step() noexcept;
  // The camera ends, also one that is waited for. Any thread.
  void stop() noexcept;

  // Nothing to do: waits for the next attempt. Any thread.
  bool idle() const noexcept { return wake_.awaited(); }

 private:
  bool take(CameraFrame&& frame) noexcept;
  bool wait_for_attempt() noexcept;
  bool end() noexcept;

  Camera& camera_;
  SurfacePool& pool_;
  CaptureLink& out_;
  CameraTelemetry& counts_;
  Telemetry& telemetry_;
  std::int64_t end_ns_ = INT64_MAX;
  Recovery recovery_;
  std::atomic<bool> stopped_{false};
  Signal wake_;
};

}  // namespace gantry
