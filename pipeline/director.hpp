// Directors decide where the virtual camera looks, from what the detector saw.
//
// When a frame is shown its director has already been given the detections of up to the whole delay
// after it, in the order in which they were found: it may plan with them. With no delay it has only
// the past.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>

#include "pipeline/decision.hpp"
#include "pipeline/detections.hpp"
#include "pipeline/view_limits.hpp"

namespace gantry {

class Director {
 public:
  virtual ~Director() = default;

  // Both: the pacing thread, no allocation, no wait. The same calls give the same poses, to the bit.

  // Takes in what was found in one panorama. Any order and any time stamps do no harm.
  virtual void observe(const Detections& found) noexcept = 0;
  // The decision for the frame shown that was captured at this instant; called once per frame shown,
  // or again for a frame that is shown again. Its pose always fits the limits. Stays as it is until
  // the next call.
  virtual const Decision& decide(std::int64_t capture_ns) noexcept = 0;
};

constexpr double radians(double degrees) {
  return degrees * 3.14159265358979323846 / 180;
}

struct AxisLimits {
  double speed = 0, acceleration = 0;  // rad/s, rad/s², above 0
};

struct MotionLimits {
  AxisLimits yaw{radians(25), radians(30)};
  AxisLimits pitch{radians(12), radians(15)};
  AxisLimits field_of_view{radians(10), radians(12)};
};

struct SweepConfig {
  double pitch = 0, field_of_view = radians(60);
  double speed = radians(8), acceleration = radians(6);  // rad/s, rad/s²
};

struct FollowConfig {
  double narrow = radians(40), wide = radians(70);  // field of view
  double ball_confidence = 0.35;                    // 0 … 1, of detections that count as a ball
  double person_confidence = 0.35;
  double ball_speed = radians(70);  // rad/s: a faster one is another object
  double hold_s = 2;       // after (and before) this time from its last sight a ball is given up
  double smoothing_s = 1;  // the aim is averaged over this time to either side
};

struct DirectorConfig {
  enum class Kind { follow, sweep, fixed };
  Kind kind = Kind::sweep;
  CameraPose fixed{0, 0, radians(60)};
  SweepConfig sweep;
  FollowConfig follow;
  MotionLimits motion;  // of follow
};

// Set-up. Throws std::invalid_argument naming the value that is out of its range.
std::unique_ptr<Director> make_director(const DirectorConfig& config,
                                        const PanoramaGeometry& panorama, const ViewLimits& limits);

}  // namespace gantry
