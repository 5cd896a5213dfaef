// Cuts the virtual camera's view out of the panorama that the pacer chose, or draws the slate.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/slate.hpp"
#include "pipeline/stages/links.hpp"
#include "pipeline/telemetry.hpp"
#include "pipeline/view_overlay.hpp"
#include "pipeline/virtual_camera.hpp"

namespace gantry {

class RenderStage {
 public:
  // `overlay`: drawn over every view; may be null. `wait_for_surface`: wait for a free surface instead
  // of dropping the view (files, fast). `with_panorama`: views take their panorama along, for the
  // display.
  RenderStage(RenderLink& in, VirtualCamera& camera, ViewOverlay* overlay, Slate& slate,
              SurfacePool& views, PresentLink& out, bool wait_for_surface, bool with_panorama,
              Telemetry& telemetry)
      : in_(in),
        camera_(camera),
        overlay_(overlay),
        slate_(slate),
        views_(views),
        out_(out),
        wait_for_surface_(wait_for_surface),
        with_panorama_(with_panorama),
        telemetry_(telemetry) {}

  // One view; blocks until one is asked for. False when no more will come. A submission thread.
  bool step() noexcept;

 private:
  Status draw(const RenderJob& job, SurfaceRef surface, ViewFrame& view) noexcept;

  RenderLink& in_;
  VirtualCamera& camera_;
  ViewOverlay* overlay_;
  Slate& slate_;
  SurfacePool& views_;
  PresentLink& out_;
  bool wait_for_surface_, with_panorama_;
  Telemetry& telemetry_;
};

}  // namespace gantry
