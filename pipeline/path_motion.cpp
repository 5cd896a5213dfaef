// Steps of a camera that can always stop in time.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/path_motion.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr int kMostSteps = 400;   // of a way to rest
constexpr double kAtRest = 1e-5;  // rad/s
constexpr int kRounds = 24;       // of halving what an acceleration can be

Axes axes(const CameraPose& p) {
  return {p.yaw, p.pitch, p.field_of_view};
}
CameraPose pose_of(const Axes& a) {
  return {a[0], a[1], a[2]};
}

}  // namespace

PathMotion::PathMotion(const ViewLimits& limits, const MotionLimits& motion)
    : limits_(limits),
      axis_{motion.yaw, motion.pitch, motion.field_of_view},
      pose_(limits.home()) {}

void PathMotion::start(const CameraPose& pose, const Axes& speed,
                       const Axes& acceleration) noexcept {
  pose_ = limits_.clamp(pose);
  speed_ = speed, acceleration_ = acceleration;
}

AxisState PathMotion::axis(std::size_t i) const noexcept {
  return {axes(pose_)[i], speed_[i], acceleration_[i]};
}

// The acceleration of the next step nearest to the one wanted that the limits allow: of jerk, of
// acceleration, and of the speed that is reached while it is taken back.
double PathMotion::limited(std::size_t i, double acceleration, double seconds) const noexcept {
  const auto& [top, most, jerk] = axis_[i];
  const double change = jerk * seconds;
  double a = std::clamp(acceleration, acceleration_[i] - change, acceleration_[i] + change);
  a = std::clamp(a, -most, most);
  const double side = a < 0 ? -1 : 1, speed = side * speed_[i];
  double high = side * a;
  const auto reaches = [&](double value) {
    const double whole = std::floor(value / change);
    return speed + seconds * ((whole + 1) * value - change * whole * (whole + 1) / 2);
  };
  if (reaches(high) <= top) return a;
  double low = std::max(0.0, side * acceleration_[i] - change);
  for (int round = 0; round < 30; ++round) {
    const double middle = (low + high) / 2;
    (reaches(middle) <= top ? low : high) = middle;
  }
  return side * low;
}

// The acceleration of the next step on the way to rest.
double PathMotion::braking(std::size_t i, double speed, double acceleration,
                           double seconds) const noexcept {
  const auto& [top, most, jerk] = axis_[i];
  const double change = jerk * seconds, fast = std::abs(speed);
  // Such that it can be taken back to nothing just when the speed is.
  const double soft = std::sqrt(2 * jerk * fast + change * change / 4) - change / 2;
  const double wanted = -std::copysign(std::min({most, soft, fast / seconds}), speed);
  return std::clamp(wanted, acceleration - change, acceleration + change);
}

double PathMotion::way_to_rest(std::size_t i, double speed, double acceleration,
                               double seconds) const noexcept {
  double way = 0;
  for (int step = 0; step < kMostSteps && std::abs(speed) >= kAtRest; ++step) {
    acceleration = braking(i, speed, acceleration, seconds);
    speed += acceleration * seconds;
    way += speed * seconds;
  }
  return way;
}

CameraPose PathMotion::resting_place(double seconds) const noexcept {
  Axes at = axes(pose_);
  for (std::size_t i = 0; i < 3; ++i) at[i] += way_to_rest(i, speed_[i], acceleration_[i], seconds);
  return limits_.clamp(pose_of(at));
}

// The acceleration after which braking would end in the target: what is looked at is the motion
// against the target's own, which grows with the acceleration.
double PathMotion::towards(std::size_t i, const AxisState& target, double seconds) const noexcept {
  const double change = axis_[i].jerk * seconds, here = axes(pose_)[i];
  double low = acceleration_[i] - change, high = acceleration_[i] + change;
  for (int round = 0; round < kRounds; ++round) {
    const double a = (low + high) / 2, speed = speed_[i] + a * seconds;
    const double off = here + speed * seconds - target.place;
    const double rest =
        off + way_to_rest(i, speed - target.speed, a - target.acceleration, seconds);
    (rest < 0 ? low : high) = a;
  }
  return (low + high) / 2;
}

// The way is looked at from its end, where it most often fails.
bool PathMotion::can_stop(const Axes& first, double seconds) const noexcept {
  std::array<Axes, kMostSteps> way;
  Axes at = axes(pose_), speed = speed_, a = first;
  int steps = 0;
  for (bool rests = false; steps < kMostSteps && !rests; ++steps) {
    rests = true;
    for (std::size_t i = 0; i < 3; ++i) {
      if (steps > 0) a[i] = braking(i, speed[i], a[i], seconds);
      speed[i] += a[i] * seconds;
      at[i] += speed[i] * seconds;
      rests = rests && std::abs(speed[i]) < kAtRest;
    }
    way[static_cast<std::size_t>(steps)] = at;
  }
  return std::all_of(way.rend() - steps, way.rend(),
                     [&](const Axes& there) { return limits_.fits(pose_of(there)); });
}

Axes PathMotion::safe_acceleration(const Axes& wanted, double seconds) const noexcept {
  Axes braked{};
  for (std::size_t i = 0; i < 3; ++i) braked[i] = braking(i, speed_[i], acceleration_[i], seconds);
  const double narrowing = limited(2, -axis_[2].acceleration, seconds);
  // The aim matters more than the field of view, the yaw more than the pitch.
  for (const Axes& candidate :
       {wanted, Axes{wanted[0], wanted[1], braked[2]}, Axes{wanted[0], wanted[1], narrowing},
        Axes{wanted[0], braked[1], wanted[2]}, Axes{wanted[0], braked[1], narrowing},
        Axes{braked[0], wanted[1], wanted[2]}, Axes{braked[0], wanted[1], narrowing},
        Axes{braked[0], braked[1], wanted[2]}, Axes{braked[0], braked[1], narrowing}})
    if (can_stop(candidate, seconds)) return candidate;
  if (can_stop(braked, seconds)) return braked;
  // As it was started it cannot stop softly: black would be worse than a jerk.
  Axes hard{};
  for (std::size_t i = 0; i < 3; ++i)
    hard[i] =
        -std::copysign(std::min(axis_[i].acceleration, std::abs(speed_[i]) / seconds), speed_[i]);
  return hard;
}

const CameraPose& PathMotion::advance(const Axes& jerk, double seconds) noexcept {
  Axes wanted{};
  for (std::size_t i = 0; i < 3; ++i)
    wanted[i] = limited(i, acceleration_[i] + jerk[i] * seconds, seconds);
  return step(wanted, seconds);
}

const CameraPose& PathMotion::seek(const std::array<AxisState, 3>& target,
                                   double seconds) noexcept {
  Axes wanted{};
  for (std::size_t i = 0; i < 3; ++i)
    wanted[i] = limited(i, towards(i, target[i], seconds), seconds);
  return step(wanted, seconds);
}

const CameraPose& PathMotion::step(const Axes& acceleration, double seconds) noexcept {
  acceleration_ = safe_acceleration(acceleration, seconds);
  const Axes here = axes(pose_);
  Axes next{};
  for (std::size_t i = 0; i < 3; ++i) {
    speed_[i] += acceleration_[i] * seconds;
    next[i] = here[i] + speed_[i] * seconds;
  }
  pose_ = pose_of(next);
  if (!limits_.fits(pose_)) {  // after a step of another length: black would be worse than a jerk
    pose_ = limits_.clamp(pose_);
    const Axes reached = axes(pose_);
    for (std::size_t i = 0; i < 3; ++i) {
      speed_[i] = (reached[i] - here[i]) / seconds;
      acceleration_[i] = 0;
    }
  }
  return pose_;
}

}  // namespace gantry
