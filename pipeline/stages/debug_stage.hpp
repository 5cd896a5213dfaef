// Makes the debug picture of every panorama that is shown.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/debug_picture.hpp"
#include "pipeline/stages/links.hpp"
#include "pipeline/telemetry.hpp"

namespace gantry {

class DebugStage {
 public:
  // `wait_for_surface`: wait for a free surface instead of dropping the picture (files, fast).
  DebugStage(DebugLink& in, DebugPicture& picture, SurfacePool& surfaces, OutputLink& out,
             bool wait_for_surface, Telemetry& telemetry)
      : in_(in),
        picture_(picture),
        surfaces_(surfaces),
        out_(out),
        wait_for_surface_(wait_for_surface),
        telemetry_(telemetry) {}

  // One picture; blocks until there is one to make, and until the device has made it. False when no
  // more will come. A submission thread.
  bool step() noexcept;

 private:
  DebugLink& in_;
  DebugPicture& picture_;
  SurfacePool& surfaces_;
  OutputLink& out_;
  bool wait_for_surface_;
  Telemetry& telemetry_;
};

}  // namespace gantry
