// Sights of what may be the ball, and what speaks for and against them.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/ball_tracker.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/ball_units.hpp"

namespace gantry {
namespace {
constexpr double kBallDiameter = 0.22;  // metres
constexpr double kSightError = 0.22 * kDegree,
                 kSightPixels = 2;         // of a detection's centre: the larger
constexpr double kBase = 0.8, kSlope = 8;  // gain of a sight: at a confidence of 0.55, and by it,
constexpr double kLeastGain = -1, kMostGain = 4.5;
constexpr double kCompany = 0.3;                 // with somebody nearer than
constexpr double kNear = 4;                      // metres
constexpr double kRest_s = 2, kRestShare = 0.5;  // what has lain for so long repeats itself
constexpr double kAgainst = 0.45,
                 kMostAgainst = 3;  // of a sight of its chain while the ball was elsewhere
constexpr double kSpot = 0.25, kMostSpot = 2.5;  // and of one of its place
constexpr double kDoubted = 4, kTrustBack = 0.5;
constexpr double kLearns = 0.7;  // trust from which a path speaks against others
constexpr double kSpotSize = 0.7 * kDegree;
constexpr double kSpotHalfLife_s = 60;
constexpr double kEvidence_s = 0.15;  // sights that are nearer in time repeat each other

}  // namespace

BallTracker::BallTracker(const BallTrackerConfig& config, const PanoramaGeometry& panorama,
                         const Ground& ground)
    : config_(config),
      panorama_(panorama),
      ground_(ground),
      sight_error_(std::max(
          kSightError, kSightPixels * (panorama.yaw_right - panorama.yaw_left) / panorama.width)),
      ring_(kInstants) {}

void BallTracker::clear() noexcept {
  first_ = end_ = 0;
  spots_ = {};
  doubts_ = {};
}

void BallTracker::forget_before(std::int64_t capture_ns) noexcept {
  while (first_ < end_ && instant(first_).capture_ns < capture_ns) ++first_;
}

void BallTracker::observe(const Detections& found, std::span<const PersonState> people) noexcept {
  if (end_ - first_ == kInstants) ++first_;
  Instant& now = instant(end_);
  now.capture_ns = found.capture_ns;
  now.count = 0;
  now.chosen = -1;
  evidence_ = 1;
  if (end_ > first_)
    evidence_ = std::clamp(
        seconds_of(found.capture_ns - instant(end_ - 1).capture_ns) / kEvidence_s, 0.15, 1.0);
  take_candidates(found, people, now);
  const std::int64_t number = end_++;
  chain(now, number);
  for (int i = 0; i < now.count; ++i) link(now.nodes[i], number);
  now.best = -1e300, now.best_node = -1;
  if (number > first_) {
    const Instant& before = instant(number - 1);
    now.best = before.best, now.best_instant = before.best_instant,
    now.best_node = before.best_node;
  }
  for (int i = 0; i < now.count; ++i) {
    Node& node = now.nodes[i];
    weigh(node, now.capture_ns);
    node.score += node.gain;
    if (node.score > now.best) now.best = node.score, now.best_instant = number, now.best_node = i;
  }
  choose_path();
  weigh_path();
  learn(now);
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
    nearest = std::min(nearest,
                       ground_.range(feet) * distance_between(node.yaw, node.pitch, p.yaw, feet));
  }
  return nearest;
}

// What a sight speaks for: its confidence, that it moves, that somebody is near; against it: that it
// was seen when the ball was elsewhere.
void BallTracker::weigh(Node& node, std::int64_t now_ns) const noexcept {
  double gain = kBase + kSlope * (node.confidence - 0.55);
  const double still_s = seconds_of(now_ns - node.still_since_ns);
  if (node.alone < kNear) gain += kCompany;
  double spot = 0;
  for (const Spot& s : spots_)
    if (s.weight > 0 && distance_between(node.yaw, node.pitch, s.yaw, s.pitch) < kSpotSize)
      spot =
          std::max(spot, s.weight * std::exp2(-seconds_of(now_ns - s.last_ns) / kSpotHalfLife_s));
  gain -= std::min(kMostSpot, kSpot * spot) + std::min(kMostAgainst, kAgainst * node.against);
  node.worth = evidence_ * std::clamp(gain, kLeastGain, kMostGain);
  node.gain = node.worth;
  if (still_s > kRest_s && node.gain > 0) node.gain *= kRestShare;
}

double& BallTracker::doubt_of(std::uint32_t chain) noexcept {
  Doubt& d = doubts_[chain % doubts_.size()];
  if (d.chain != chain) d = {chain, 0};
  return d.weight;
}

bool BallTracker::doubted(std::uint32_t chain) const noexcept {
  const Doubt& d = doubts_[chain % doubts_.size()];
  return d.chain == chain && d.weight >= kDoubted;
}

BallTracker::Spot* BallTracker::spot_at(double yaw, double pitch) noexcept {
  for (Spot& s : spots_)
    if (s.weight > 0 && distance_between(yaw, pitch, s.yaw, s.pitch) < kSpotSize) return &s;
  return nullptr;
}

// Only a path that is trusted speaks against others, and only against those that look less like a
// ball than its own sights: once astray it must not talk the ball down.
void BallTracker::learn(Instant& now) noexcept {
  if (now.chosen < 0 || now.trust < kLearns) return;
  const Node& ball = now.nodes[now.chosen];
  for (int i = 0; i < now.count; ++i) {
    Node& other = now.nodes[i];
    if (i == now.chosen ||
        distance_between(ball.yaw, ball.pitch, other.yaw, other.pitch) < kSameBall)
      continue;
    if (other.merit > ball.merit) continue;
    other.against = std::min(30.0, other.against + evidence_);
    doubt_of(other.chain) += evidence_;
    if (seconds_of(now.capture_ns - other.still_since_ns) < 0.5) continue;
    Spot* s = spot_at(other.yaw, other.pitch);
    if (!s) {
      s = &*std::min_element(spots_.begin(), spots_.end(), [](const Spot& a, const Spot& b) {
        return a.weight < b.weight || (a.weight == b.weight && a.last_ns < b.last_ns);
      });
      *s = {other.yaw, other.pitch, 0, now.capture_ns};
    }
    const double age = seconds_of(now.capture_ns - s->last_ns);
    s->weight = std::min(20.0, s->weight * std::exp2(-age / kSpotHalfLife_s) + evidence_);
    s->last_ns = now.capture_ns;
  }
  now.nodes[now.chosen].against *= 0.7;
  double& doubt = doubt_of(ball.chain);
  doubt = std::max(0.0, doubt - kTrustBack * evidence_);
  if (Spot* s = spot_at(ball.yaw, ball.pitch)) s->weight *= 0.7;
}

}  // namespace gantry
