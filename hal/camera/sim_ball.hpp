// The ball's flight: gravity, air drag, bounces, rolling friction, and its rotation.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>

#include "hal/camera/lens.hpp"

namespace gantry {

struct SimBall {
  Vector3 position{0, 0, 0.11};            // of its centre, metres
  Vector3 velocity;                        // metres per second
  Vector3 spin;                            // radians per second, world frame
  std::array<double, 4> turn{1, 0, 0, 0};  // orientation: unit quaternion w x y z, world from ball
};

double speed(const SimBall& ball);

// One step of `dt` seconds. Answers whether the ball bounced off the ground.
bool fly(SimBall& ball, double radius, double dt);
// Where a ball that is only rolling will be after `seconds`.
Vector3 rolled(const SimBall& ball, double seconds);

// Rolling friction: deceleration in m/s² on cut grass, constant to the accuracy that matters here.
constexpr double kRollingDeceleration = 1.5;

}  // namespace gantry
