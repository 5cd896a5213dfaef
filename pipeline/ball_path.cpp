// The ball's path: the best hypothesis, how far each of its sights is trusted, and what lies between.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "pipeline/ball_tracker.hpp"
#include "pipeline/ball_units.hpp"

namespace gantry {
namespace {

constexpr double kAstray = 6;  // m/s: how fast the ball may part from where it is guessed
constexpr double kNearby = 3.5 * kDegree;  // what counts as there
constexpr double kDrift_s = 0.4;        // beyond its last sight the ball comes to rest in this time
constexpr double kSupport_s = 1.5;      // sights that are nearer in time support each other
constexpr double kEven = 6, kSure = 2;  // the worth of a trust of one half, and a step of it
constexpr double kTrusted = 0.08;       // sights below are not used

// That the ball is near a place, radians, that it may be astray from by so many metres.
double sureness(double metres, double range) {
  const double off = metres / range / kNearby;
  return 1 / (1 + off * off);
}

}  // namespace

void BallTracker::choose_path() noexcept {
  for (std::int64_t n = first_; n < end_; ++n) instant(n).chosen = -1;
  const Instant& last = instant(end_ - 1);
  std::int64_t n = last.best_instant;
  int node = last.best_node;
  while (node >= 0 && n >= first_) {
    const Node& at = instant(n).nodes[node];
    if (!doubted(at.chain)) instant(n).chosen = node;
    n = at.previous_instant, node = at.previous;
  }
}

// What the best sight of another ball is worth: of one that was seen before, and is not found out.
double BallTracker::rival_of(const Instant& at) const noexcept {
  double rival = 0;
  for (int i = 0; i < at.count; ++i) {
    const Node& n = at.nodes[i];
    if (i == at.chosen || n.support == 0 || doubted(n.chain)) continue;
    if (at.chosen >= 0) {
      const Node& ball = at.nodes[at.chosen];
      if (distance_between(n.yaw, n.pitch, ball.yaw, ball.pitch) <= kSameBall) continue;
    }
    rival = std::max(rival, n.worth);
  }
  return rival;
}

// A sight of the path is as trusted as the sights around it are worth, less what the steps cost and
// what speaks for another ball.
void BallTracker::weigh_path() noexcept {
  const auto worth = [&](std::int64_t n) {
    const Instant& at = instant(n);
    if (at.chosen < 0) return -rival_of(at);
    return at.nodes[at.chosen].worth - at.nodes[at.chosen].step - rival_of(at);
  };
  std::int64_t from = first_, to = first_;  // [from, to) lies around n
  double sum = 0;
  for (std::int64_t n = first_; n < end_; ++n) {
    const std::int64_t centre = instant(n).capture_ns;
    for (; to < end_ && seconds_of(instant(to).capture_ns - centre) <= kSupport_s; ++to)
      sum += worth(to);
    for (; seconds_of(centre - instant(from).capture_ns) > kSupport_s; ++from) sum -= worth(from);
    Instant& at = instant(n);
    at.trust = 1 / (1 + std::exp((kEven - sum) / kSure));
  }
}

bool BallTracker::trusted(std::int64_t number) const noexcept {
  const Instant& at = instant(number);
  return at.chosen >= 0 && at.trust >= kTrusted;
}

std::int64_t BallTracker::first_after(std::int64_t t) const noexcept {
  std::int64_t low = first_, high = end_;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    (instant(middle).capture_ns <= t ? low = middle + 1 : high = middle);
  }
  return low;
}

BallState BallTracker::at(std::int64_t t) const noexcept {
  const std::int64_t after = first_after(t);
  std::int64_t before = after - 1, next = after;
  while (before >= first_ && !trusted(before)) --before;
  while (next < end_ && !trusted(next)) ++next;
  BallState s;
  if (before < first_ && next >= end_) return s;
  const auto& a = instant(before >= first_ ? before : next);
  const auto& b = instant(next < end_ ? next : before);
  const Node &from = a.nodes[a.chosen], &to = b.nodes[b.chosen];
  const double gap = seconds_of(b.capture_ns - a.capture_ns);
  s.known = true;
  s.seen_before_ns = a.capture_ns, s.seen_after_ns = b.capture_ns;
  const double past = std::abs(seconds_of(t - a.capture_ns)),
               ahead = std::abs(seconds_of(b.capture_ns - t));
  if (gap <= 0) {  // at a sight, or beyond the ends
    const double drift = kDrift_s * (1 - std::exp(-past / kDrift_s)) * (t >= a.capture_ns ? 1 : -1);
    s.yaw = from.yaw + drift * from.yaw_speed, s.pitch = from.pitch + drift * from.pitch_speed;
    s.yaw_speed = from.yaw_speed * std::exp(-past / kDrift_s);
    s.pitch_speed = from.pitch_speed * std::exp(-past / kDrift_s);
    s.diameter = from.diameter;
    s.track = a.trust;
    s.confidence = s.track * sureness(kAstray * past, from.range);
    s.interpolated = past > 0;
    return s;
  }
  const double share = past / gap;
  const auto mix = [&](double x, double y) { return x + share * (y - x); };
  s.yaw = mix(from.yaw, to.yaw), s.pitch = mix(from.pitch, to.pitch);
  s.yaw_speed = (to.yaw - from.yaw) / gap, s.pitch_speed = (to.pitch - from.pitch) / gap;
  s.diameter = mix(from.diameter, to.diameter);
  s.track = std::min(a.trust, b.trust);
  s.confidence = s.track * sureness(kAstray * past * ahead / gap, std::min(from.range, to.range));
  s.interpolated = past > 0;
  return s;
}

}  // namespace gantry
