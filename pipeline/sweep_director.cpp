// The pan: from rest at one end to rest at the other, with constant acceleration, speed, deceleration.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/sweep_director.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {

SweepDirector::SweepDirector(const SweepConfig& config, const ViewLimits& limits)
    : acceleration_(config.acceleration), top_speed_(config.speed) {
  const double beyond = radians(360);
  left_ = limits.clamp({limits.home().yaw - beyond, config.pitch, config.field_of_view});
  right_ = limits.clamp({limits.home().yaw + beyond, config.pitch, config.field_of_view});
  const double distance = right_.yaw - left_.yaw;
  top_speed_ = std::min(top_speed_, std::sqrt(distance * acceleration_));
  if (distance <= 0) return;
  speed_up_s_ = top_speed_ / acceleration_;
  pass_s_ = distance / top_speed_ + speed_up_s_;
}

const Decision& SweepDirector::decide(std::int64_t capture_ns) noexcept {
  decision_.capture_ns = capture_ns;
  decision_.pose = decision_.aim = pose_at(capture_ns);
  decision_.reason = Reason::set;
  return decision_;
}

CameraPose SweepDirector::pose_at(std::int64_t capture_ns) noexcept {
  if (!started_) started_ = true, origin_ns_ = capture_ns;
  if (pass_s_ == 0) return left_;
  const double cycle = 2 * pass_s_;
  double t = std::fmod(1e-9 * static_cast<double>(capture_ns - origin_ns_) + pass_s_ / 2, cycle);
  if (t < 0) t += cycle;
  const double from_end = t < pass_s_ ? t : cycle - t;  // the way back is the way there, mirrored
  const double nearest = std::min(from_end, pass_s_ - from_end);
  const double way = nearest < speed_up_s_ ? acceleration_ * nearest * nearest / 2
                                           : top_speed_ * (nearest - speed_up_s_ / 2);
  CameraPose pose = left_;
  pose.yaw = from_end == nearest ? left_.yaw + way : right_.yaw - way;
  return pose;
}

}  // namespace gantry
