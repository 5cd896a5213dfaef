// Sights of what may be the ball, and what speaks for them.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/ball_tracker.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/ball_units.hpp"

namespace gantry {
namespace {
constexpr double kBallDiameter = 0.22;  // metres
constexpr double kSightError = 0.22 * kDegree,
                 kSightPixels = 3;         // of a detection's centre: the larger
constexpr double kBase = 0.7, kSlope = 8;  // gain of a sight: at a confidence of 0.55, and by it,
constexpr double kLeastGain = -1, kMostGain = 4.5;
constexpr double kPersists =
    1;  // of a chain's second sight and third: what is seen once is often false
constexpr double kRest_s = 2, kRestShare = 0.75;  // what has lain for so long repeats itself
constexpr double kLearns = 0.7,
                 kLearns_s = 1;  // trust of a path that tells false balls, and its age
constexpr double kSpotSize = 0.5 * kDegree, kSpotHalfLife_s = 60, kMostSights = 20;
constexpr double kEvidence_s = 0.15;  // sights that are nearer in time repeat each other

}  // namespace

BallTracker::BallTracker(const BallTrackerConfig& config, const PanoramaGeometry& panorama,
                         const Ground& ground)
    : config_(config),
      panorama_(panorama),
      ground_(ground),
      sight_error_(std::max(
          kSightError, kSightPixels * (panorama.yaw_right - panorama.yaw_left) / panorama.width)),
      ring_(kInstants),
      places_(kInstants) {}

void BallTracker::clear() noexcept {
  first_ = end_ = 0;
  learned_ = 0;
  base_ = 0;
  spots_ = {};
}

void BallTracker::forget_before(std::int64_t capture_ns) noexcept {
  while (first_ < end_ && instant(first_).capture_ns < capture_ns) forget_first();
}

void BallTracker::forget_first() noexcept {
  base_ = std::max(base_, instant(first_++).best);
}

void BallTracker::observe(const Detections& found, std::span<const PersonState> people) noexcept {
  if (end_ - first_ == kInstants) forget_first();
  Instant& now = instant(end_);
  now.capture_ns = found.capture_ns;
  now.count = 0;
  now.lying = 0;
  now.chosen = -1;
  evidence_ = 1;
  if (end_ > first_)
    evidence_ = std::clamp(
        seconds_of(found.capture_ns - instant(end_ - 1).capture_ns) / kEvidence_s, 0.15, 1.0);
  take_candidates(found, people, now);
  const std::int64_t number = end_++;
  chain(now, number);
  for (int i = 0; i < now.count; ++i) weigh(now.nodes[i], now.capture_ns);
  find_ways(now, number);
  look_back();
  choose_path();
  look_ahead();
  find_rivals();
  learn();
}

void BallTracker::take_candidates(const Detections& found, std::span<const PersonState> people,
                                  Instant& at) noexcept {
  for (const Detection& d : found.view()) {
    if (d.object != ObjectClass::ball || !(d.confidence >= config_.confidence) ||
        !std::isfinite(d.x) || !std::isfinite(d.y))
      continue;
    int to = at.count;
    if (at.count == kCandidates) {
      to = 0;
      for (int i = 1; i < kCandidates; ++i)
        if (at.nodes[i].confidence < at.nodes[to].confidence) to = i;
      if (!(d.confidence > at.nodes[to].confidence)) continue;
    } else {
      ++at.count;
    }
    Node& n = at.nodes[to];
    n = Node{};
    n.yaw = panorama_.yaw_of(d.x), n.pitch = panorama_.pitch_of(d.y);
    n.confidence = d.confidence;
    const double scale = (panorama_.yaw_right - panorama_.yaw_left) / panorama_.width;
    n.diameter = std::isfinite(d.width) ? std::max(1e-4, scale * d.width) : 1e-4;
    // Not farther than the ground in its direction; nearer only if it looks much larger.
    const double ground = ground_.range(n.pitch);
    n.range = std::min(std::max(3.0, kBallDiameter / n.diameter), ground);
  }
  for (int i = 0; i < at.count; ++i) {
    Node& n = at.nodes[i];
    n.cosine = std::cos(n.pitch);
    n.fall = ground_.pitch_at(n.range) - n.pitch;
    n.alone = metres_to_nearest(n, people);
  }
}

double BallTracker::metres_to_nearest(const Node& node,
                                      std::span<const PersonState> people) const noexcept {
  double nearest = people.empty() ? 0 : 1e9;
  for (const PersonState& p : people) {
    const double feet = p.pitch - p.height / 2;
    nearest = std::min(nearest, ground_.range(feet) * distance_between(node.yaw, node.pitch,
                                                                       node.cosine, p.yaw, feet));
  }
  return nearest;
}

// What a sight speaks for: its confidence, that it moves, that somebody is near.
void BallTracker::weigh(Node& node, std::int64_t now_ns) const noexcept {
  double gain = kBase + kSlope * (node.confidence - 0.55);
  if (node.support == 1 || node.support == 2) gain += kPersists;
  node.gain = evidence_ * std::clamp(gain, kLeastGain, kMostGain);
  const double still_s = seconds_of(now_ns - node.still_since_ns);
  if (still_s > kRest_s && node.gain > 0) node.gain *= kRestShare;
}

BallTracker::Spot* BallTracker::spot_at(double yaw, double pitch) noexcept {
  const double cosine = std::cos(pitch);
  for (Spot& s : spots_)
    if (s.sights > 0 && distance_between(yaw, pitch, cosine, s.yaw, s.pitch) < kSpotSize) return &s;
  return nullptr;
}

// What lies elsewhere than the ball is remembered for longer than the window.
void BallTracker::learn() noexcept {
  const std::int64_t newest_ns = instant(end_ - 1).capture_ns;
  for (learned_ = std::max(learned_, first_); learned_ < end_; ++learned_) {
    const Instant& at = instant(learned_);
    const Place& path = place(learned_);
    if (seconds_of(newest_ns - at.capture_ns) < kLearns_s) break;
    for (int i = 0; i < at.count && at.trust >= kLearns; ++i) {
      const Node& n = at.nodes[i];
      Spot* s = spot_at(n.yaw, n.pitch);
      if (distance_between(path.yaw, path.pitch, n.yaw, n.pitch) < kSameBall) {
        if (s && i == at.chosen) s->sights *= 0.7;
        continue;
      }
      if (seconds_of(at.capture_ns - n.still_since_ns) < 0.5) continue;
      if (!s) {
        s = &*std::min_element(spots_.begin(), spots_.end(),
                               [](const Spot& a, const Spot& b) { return a.last_ns < b.last_ns; });
        *s = {n.yaw, n.pitch, 0, at.capture_ns};
      }
      const double age_s = seconds_of(at.capture_ns - s->last_ns);
      s->sights =
          std::min(kMostSights, s->sights * std::exp2(-age_s / kSpotHalfLife_s) + evidence_);
      s->last_ns = at.capture_ns;
    }
  }
}

}  // namespace gantry
