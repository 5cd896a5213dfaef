// Moves a camera towards a target within limits of speed and acceleration, and never out of view.
//
// How: each axis wants the speed from which it can still stop at the target. A step is taken only if
// the camera could brake to a stop after it with every pose on the way inside of the view limits;
// otherwise axes are braked, one after the other, until that holds. Braking all of them always does,
// because the step before was tested for it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>

#include "pipeline/director.hpp"

namespace gantry {

class CameraMotion {
 public:
  // `limits` must outlive it.
  CameraMotion(const ViewLimits& limits, const MotionLimits& motion);

  // Starts at a pose that fits, at rest or with a speed (rad/s).
  void start(const CameraPose& pose, const CameraPose& speed = {}) noexcept;
  // One step of `seconds` > 0 towards a target that fits and moves with `target_speed` (rad/s).
  // Speed and acceleration are differences of poses over `seconds`; their limits hold exactly as long
  // as the steps are of one length, and the view limits always.
  const CameraPose& advance(const CameraPose& target, const CameraPose& target_speed,
                            double seconds) noexcept;
  const CameraPose& pose() const noexcept { return pose_; }

 private:
  using Axes = std::array<double, 3>;  // yaw, pitch, field of view
  Axes wanted_speed(const Axes& target, const Axes& target_speed, double seconds) const noexcept;
  Axes braked_speed(double seconds) const noexcept;
  bool can_stop(const Axes& speed, double seconds) const noexcept;
  Axes safe_speed(const Axes& wanted, double seconds) const noexcept;

  const ViewLimits& limits_;
  std::array<AxisLimits, 3> axis_;
  CameraPose pose_;
  Axes speed_{};
};

}  // namespace gantry
