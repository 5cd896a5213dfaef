// Moves a camera as planned, within limits of speed, acceleration and jerk, and never out of view.
//
// How: each axis takes the planned jerk as far as its limits allow. A step is taken only if the
// camera could brake to rest after it, within those limits, with the poses on the way inside of the
// view limits; otherwise axes are braked, one after the other, until that holds. Braking all of them
// does, because the step before was tested for it.
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

  // Starts at rest at a pose that fits.
  void start(const CameraPose& pose) noexcept;
  // One step of `seconds` > 0 with the jerks that are wanted. Speed, acceleration and jerk are
  // differences of poses over `seconds`; their limits hold exactly as long as the steps are of one
  // length, and the view limits always.
  const CameraPose& advance(const Axes& jerk, double seconds) noexcept;

  const CameraPose& pose() const noexcept { return pose_; }
  AxisState axis(std::size_t i) const noexcept;

 private:
  double limited(std::size_t i, double acceleration, double seconds) const noexcept;
  double braking(std::size_t i, double speed, double acceleration, double seconds) const noexcept;
  bool can_stop(const Axes& acceleration, double seconds) const noexcept;
  Axes safe_acceleration(const Axes& wanted, double seconds) const noexcept;

  const ViewLimits& limits_;
  std::array<AxisLimits, 3> axis_;
  CameraPose pose_;
  Axes speed_{}, acceleration_{};
};

}  // namespace gantry
