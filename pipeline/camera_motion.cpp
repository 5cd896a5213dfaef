// Steps of a camera that can always stop in time.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/camera_motion.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kResponse = 3;        // 1/s: near the target the distance shrinks by this rate
constexpr double kBrakeReserve = 0.8;  // of the acceleration, when planning to stop at the target
constexpr int kStopChecks = 12;        // poses on the way to a stop that are looked at, at most

std::array<double, 3> axes(const CameraPose& p) {
  return {p.yaw, p.pitch, p.field_of_view};
}
CameraPose pose_of(const std::array<double, 3>& a) {
  return {a[0], a[1], a[2]};
}

}  // namespace

CameraMotion::CameraMotion(const ViewLimits& limits, const MotionLimits& motion)
    : limits_(limits),
      axis_{motion.yaw, motion.pitch, motion.field_of_view},
      pose_(limits.home()) {}

void CameraMotion::start(const CameraPose& pose, const CameraPose& speed) noexcept {
  pose_ = limits_.clamp(pose);
  speed_ = axes(speed);
}

CameraMotion::Axes CameraMotion::wanted_speed(const Axes& target, const Axes& target_speed,
                                              double seconds) const noexcept {
  const Axes here = axes(pose_);
  Axes speed{};
  for (std::size_t i = 0; i < 3; ++i) {
    const double top = axis_[i].speed, acceleration = axis_[i].acceleration;
    const double way = target[i] - here[i], distance = std::abs(way);
    const double stoppable = std::sqrt(2 * kBrakeReserve * acceleration * distance);
    const double towards = std::copysign(std::min(kResponse * distance, stoppable), way);
    const double wanted = std::clamp(target_speed[i] + towards, -top, top);
    const double change = acceleration * seconds;
    speed[i] = speed_[i] + std::clamp(wanted - speed_[i], -change, change);
  }
  return speed;
}

CameraMotion::Axes CameraMotion::braked_speed(double seconds) const noexcept {
  Axes speed{};
  for (std::size_t i = 0; i < 3; ++i) {
    const double slower = std::abs(speed_[i]) - axis_[i].acceleration * seconds;
    speed[i] = std::copysign(std::max(0.0, slower), speed_[i]);
  }
  return speed;
}

bool CameraMotion::can_stop(const Axes& speed, double seconds) const noexcept {
  Axes from = axes(pose_);
  double longest = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    from[i] += speed[i] * seconds;
    longest = std::max(longest, std::abs(speed[i]) / axis_[i].acceleration);
  }
  const double step = std::max(seconds, longest / kStopChecks);
  for (double t = 0;; t += step) {
    Axes at = from;
    for (std::size_t i = 0; i < 3; ++i) {
      const double acceleration = axis_[i].acceleration;
      const double braking = std::min(t, std::abs(speed[i]) / acceleration);
      at[i] += std::copysign(braking * (std::abs(speed[i]) - acceleration * braking / 2), speed[i]);
    }
    if (!limits_.fits(pose_of(at))) return false;
    if (t >= longest) return true;
  }
}

CameraMotion::Axes CameraMotion::safe_speed(const Axes& wanted, double seconds) const noexcept {
  const Axes braked = braked_speed(seconds);
  const double narrowing = std::max(-axis_[2].speed, speed_[2] - axis_[2].acceleration * seconds);
  // The aim matters more than the field of view, the yaw more than the pitch.
  for (const Axes& candidate :
       {wanted, Axes{wanted[0], wanted[1], braked[2]}, Axes{wanted[0], wanted[1], narrowing},
        Axes{wanted[0], braked[1], wanted[2]}, Axes{wanted[0], braked[1], narrowing},
        Axes{braked[0], wanted[1], wanted[2]}, Axes{braked[0], wanted[1], narrowing},
        Axes{braked[0], braked[1], wanted[2]}})
    if (can_stop(candidate, seconds)) return candidate;
  return braked;
}

const CameraPose& CameraMotion::advance(const CameraPose& target, const CameraPose& target_speed,
                                        double seconds) noexcept {
  const Axes here = axes(pose_);
  speed_ = safe_speed(wanted_speed(axes(target), axes(target_speed), seconds), seconds);
  Axes next{};
  for (std::size_t i = 0; i < 3; ++i) next[i] = here[i] + speed_[i] * seconds;
  pose_ = pose_of(next);
  if (!limits_.fits(
          pose_)) {  // only after a step of another length: black would be worse than a jerk
    pose_ = limits_.clamp(pose_);
    const Axes reached = axes(pose_);
    for (std::size_t i = 0; i < 3; ++i) speed_[i] = (reached[i] - here[i]) / seconds;
  }
  return pose_;
}

}  // namespace gantry
