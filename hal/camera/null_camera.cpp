// The camera without pictures.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/null_camera.hpp"

namespace gantry {

Status NullCamera::capture(SurfacePool&, CameraFrame&) noexcept {
  return Status::end;
}

}  // namespace gantry
