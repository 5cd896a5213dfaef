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
  double speed = 0, acceleration = 0, jerk = 0;  // rad/s, rad/s², rad/s³, above 0
};

struct MotionLimits {
  AxisLimits yaw{radians(40), radians(18), radians(60)};
  AxisLimits pitch{radians(15), radians(8), radians(30)};
  AxisLimits field_of_view{radians(10), radians(12), radians(40)};
};

struct SweepConfig {
  double pitch = 0, field_of_view = radians(60);
  double speed = radians(8), acceleration = radians(6);  // rad/s, rad/s²
};

struct FollowConfig {
  double narrow = radians(32), wide = radians(60);  // field of view; 20° … 100°
  double scene = 24;          // metres across that the view shows of play around a ball at rest
  double smoothing_s = 0.65;  // turns of play that are shorter move the camera little
  double slack = 0.02;  // of the field of view: so far from the centre the ball may wander freely
  double hold_s = 3;    // after (and before) this time from its last sight a ball is given up
  double ball_confidence = 0.35;  // 0 … 1, of detections that count as a ball
  double person_confidence = 0.35;
  double ball_speed = 36;    // m/s: a faster one is another object
  double camera_height = 5;  // metres above the pitch
};

// Ways to film: their numbers are the defaults that single keys may change.
enum class Preset {
  broadcast,  // calm and close enough to read play; the numbers above
  action,     // closer to the ball, quicker
  wide,       // more of the pitch, the calmest
};
FollowConfig follow_preset(Preset preset);
MotionLimits motion_preset(Preset preset);

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
