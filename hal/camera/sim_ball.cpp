// Physics of the ball.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_ball.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kGravity = 9.81;
// ½ ρ c_d A / m of a size 5 ball at c_d = 0.25: Asai and Seo 2013, "Aerodynamic drag of modern
// soccer balls".
constexpr double kDrag = 0.0132;
constexpr double kRestitution = 0.62, kBounceGrip = 0.78;
constexpr double kSmallestBounce = 0.7;  // m/s upwards; below it the ball rolls

void rotate(SimBall& ball, double dt) {
  const Vector3 w = ball.spin;
  auto& q = ball.turn;
  const std::array<double, 4> rate{
      -w.x * q[1] - w.y * q[2] - w.z * q[3], w.x * q[0] + w.y * q[3] - w.z * q[2],
      w.y * q[0] + w.z * q[1] - w.x * q[3], w.z * q[0] + w.x * q[2] - w.y * q[1]};
  double norm = 0;
  for (int i = 0; i < 4; ++i) {
    q[i] += 0.5 * dt * rate[i];
    norm += q[i] * q[i];
  }
  for (double& v : q) v /= std::sqrt(norm);
}

void roll(SimBall& ball, double radius, double dt) {
  const double v = std::hypot(ball.velocity.x, ball.velocity.y);
  const double left = std::max(0.0, v - kRollingDeceleration * dt);
  const double keep = v > 0 ? left / v : 0;
  ball.velocity = {ball.velocity.x * keep, ball.velocity.y * keep, 0};
  ball.position.z = radius;
  ball.spin = {-ball.velocity.y / radius, ball.velocity.x / radius, 0};
}

}  // namespace

double speed(const SimBall& ball) {
  const Vector3& v = ball.velocity;
  return std::sqrt(v.x * v.x + v.y * v.y + v.z * v.z);
}

bool fly(SimBall& ball, double radius, double dt) {
  Vector3& v = ball.velocity;
  const double drag = kDrag * speed(ball) * dt;
  const bool rolling = ball.position.z <= radius + 1e-6 && v.z <= 0;
  v = {v.x * (1 - drag), v.y * (1 - drag), v.z * (1 - drag) - (rolling ? 0 : kGravity * dt)};
  ball.position = {ball.position.x + v.x * dt, ball.position.y + v.y * dt,
                   ball.position.z + v.z * dt};
  bool bounced = false;
  if (rolling) {
    roll(ball, radius, dt);
  } else if (ball.position.z < radius) {
    const double up = -v.z * kRestitution;
    if (up < kSmallestBounce) {
      v.z = 0;
      roll(ball, radius, dt);
    } else {
      bounced = true;
      ball.position.z = 2 * radius - ball.position.z;
      v = {v.x * kBounceGrip, v.y * kBounceGrip, up};
      ball.spin = {-v.y / radius, v.x / radius, 0};
    }
  }
  rotate(ball, dt);
  return bounced;
}

Vector3 rolled(const SimBall& ball, double seconds) {
  const double v = std::hypot(ball.velocity.x, ball.velocity.y);
  const double t = std::min(seconds, v / kRollingDeceleration);
  const double way = v > 0 ? (t - 0.5 * kRollingDeceleration * t * t / v) : 0;
  return {ball.position.x + ball.velocity.x * way, ball.position.y + ball.velocity.y * way, 0.11};
}

}  // namespace gantry
