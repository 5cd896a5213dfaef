// Moves a camera as planned, within limits of speed, acceleration and jerk, and never out of view.
//
// How: each axis takes the planned jerk as far as its limits allow. A step is taken only if the
// camera could brake to rest after it, within those limits, with the poses on the way inside of the
// view limits; otherwise axes are braked, one after the other, until that holds. Braking all of them
// does, because the step before was tested for it; only after a start in motion it may take a jerk.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>

#include "pipeline/director.hpp"
#include "pipeline/path_planner.hpp"

namespace gantry {

using Axes = std::array<double, 3>;  // yaw, pitch, field of view

class PathMotion {
 public:
  // `limits` must outlive it.
  PathMotion(const ViewLimits& limits, const MotionLimits& motion);

  // Starts at a pose that fits, at rest or as it moves: speed and acceleration, radians and seconds.
  void start(const CameraPose& pose, const Axes& speed = {},
             const Axes& acceleration = {}) noexcept;
  // One step of `seconds` > 0 with the jerks that are wanted. Speed, acceleration and jerk are
  // differences of poses over `seconds`; their limits hold exactly as long as the steps are of one
  // length, and the view limits always.
  const CameraPose& advance(const Axes& jerk, double seconds) noexcept;

  // One step as fast towards the target as lets the camera come to rest in it, or go on as it moves.
  // `target`: what it will be after this step; its places fit.
  const CameraPose& seek(const std::array<AxisState, 3>& target, double seconds) noexcept;

  const CameraPose& pose() const noexcept { return pose_; }
  AxisState axis(std::size_t i) const noexcept;
  const AxisLimits& limits(std::size_t i) const noexcept { return axis_[i]; }
  // Where the camera would come to rest if it braked now, in steps of `seconds` > 0.
  CameraPose resting_place(double seconds) const noexcept;

 private:
  double limited(std::size_t i, double acceleration, double seconds) const noexcept;
  double braking(std::size_t i, double speed, double acceleration, double seconds) const noexcept;
  double way_to_rest(std::size_t i, double speed, double acceleration,
                     double seconds) const noexcept;
  double towards(std::size_t i, const AxisState& target, double seconds) const noexcept;
  const CameraPose& step(const Axes& acceleration, double seconds) noexcept;
  bool can_stop(const Axes& acceleration, double seconds) const noexcept;
  Axes safe_acceleration(const Axes& wanted, double seconds) const noexcept;

  const ViewLimits& limits_;
  std::array<AxisLimits, 3> axis_;
  CameraPose pose_;
  Axes speed_{}, acceleration_{};
};

}  // namespace gantry
