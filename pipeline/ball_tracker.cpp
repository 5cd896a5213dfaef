// Scores, steps and the path of the ball's hypotheses.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/ball_tracker.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {
constexpr double kGravity = 9.81;
constexpr double kBounce = 0.62;        // of the speed downwards that a bounce gives back
constexpr double kBallDiameter = 0.22;  // metres
constexpr double kDegree = 3.14159265358979323846 / 180;
constexpr double kSightError = 0.22 * kDegree;  // of a detection's centre
constexpr double kPush = 24;                    // m/s²: what motion without a kick differs by
constexpr double kKickSpeed = 13;               // m/s: of an ordinary kick
constexpr double kUnknownSpeed = 8;  // m/s: error of the speed after a kick or a first sight
constexpr double kKick = 1.4;        // costs, in units of log-likelihood
constexpr double kHidden = 0.25, kHidden_s = 0.5;  // of a gap, and of each second of it
constexpr double kElsewhere = 1.6;                 // per sight of a chain before it was entered
constexpr double kMostElsewhere = 20;
constexpr double kTeleport = 16, kAfterLongGap = 5;
constexpr double kBase = 1.4, kSlope = 4;  // gain of a sight: at a confidence of 0.55, and by it
constexpr double kMeritOf = 0.12;          // of a chain's merit comes from its last sight
constexpr double kDoubted = 4, kTrustBack = 0.5;
constexpr int kProven = 5;  // sights of a chain that may speak against others
constexpr int kDense = 24;  // instants; of those before only every third is looked at
constexpr double kBirth = 3;
constexpr double kSmooth = 3;  // a step costs no more within a chain
constexpr double kChain_s = 0.8;
constexpr double kSmooth_s = 0.8;  // the longest gap over which motion without a touch is believed
constexpr double kVague = 0.12;
constexpr double kSame = 2 * kDegree;  // nearer candidates speak of the same ball
constexpr double kSpotSize = 0.7 * kDegree;
constexpr double kSpotHalfLife_s = 60;
constexpr double kMoved = 1.2;        // metres
constexpr double kEvidence_s = 0.15;  // sights that are nearer in time repeat each other
constexpr double kAstray = 6;         // m/s: how fast the ball may part from where it is guessed
constexpr double kNearby = 3.5 * kDegree;  // what counts as there
constexpr double kSupport_s = 1.5;
constexpr double kEven = 3, kSure = 1.2;  // the worth of a trust of one half, and a step of it
constexpr double kTrusted = 0.3;          // sights below are not used

double seconds(std::int64_t ns) {
  return 1e-9 * static_cast<double>(ns);
}

// That the ball is near a place, radians, that it may be astray from by so many metres.
double sureness(double metres, double range) {
  const double off = metres / range / kNearby;
  return 1 / (1 + off * off);
}

double distance(double yaw, double pitch, double other_yaw, double other_pitch) {
  const double across = (other_yaw - yaw) * std::cos(pitch);
  return std::hypot(across, other_pitch - pitch);
}

}  // namespace

BallTracker::BallTracker(const BallTrackerConfig& config, const PanoramaGeometry& panorama,
                         const Ground& ground)
    : config_(config), panorama_(panorama), ground_(ground), ring_(kInstants) {}

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
    evidence_ = std::clamp(seconds(found.capture_ns - instant(end_ - 1).capture_ns) / kEvidence_s,
                           0.15, 1.0);
  take_candidates(found, now);
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
    node.gain = gain_of(node, now.capture_ns, people);
    node.score += node.gain;
    if (node.score > now.best) now.best = node.score, now.best_instant = number, now.best_node = i;
  }
  choose_path();
  weigh_path();
  learn(now);
}

void BallTracker::take_candidates(const Detections& found, Instant& at) noexcept {
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
    n.speed_error = kUnknownSpeed;
    n.yaw = panorama_.yaw_of(d.x), n.pitch = panorama_.pitch_of(d.y);
    n.confidence = d.confidence;
    const double scale = (panorama_.yaw_right - panorama_.yaw_left) / panorama_.width;
    n.diameter = std::isfinite(d.width) ? std::max(1e-4, scale * d.width) : 1e-4;
    // Not farther than the ground in its direction; nearer only if it looks much larger.
    const double ground = ground_.range(n.pitch);
    n.range = std::min(std::max(3.0, kBallDiameter / n.diameter), ground);
  }
}

// From smooth motion, the cheapest of: rolling on; flying on; either with a bounce on the ground.
bool BallTracker::step_between(const Node& from, const Node& to, double dt,
                               Step& step) const noexcept {
  const double c = std::cos(from.pitch);
  const double across = (to.yaw - from.yaw) * c, up = to.pitch - from.pitch;
  const double range = 2 * from.range * to.range / (from.range + to.range);
  const double way = range * std::hypot(across, up), error = range * kSightError;
  const double reach = config_.fastest * dt + 2 * error + 0.5;
  if (way > reach) return false;
  const double hidden = kHidden_s * dt;
  const double speed = std::max(0.0, way - error) / dt / kKickSpeed;
  const double area = kKickSpeed * dt / error;
  step.cost = kKick + 0.25 * std::log1p(area * area) + 0.5 * speed * speed + hidden;
  step.smooth = false;
  if (dt > kSmooth_s) return true;
  const double ahead_yaw = across - from.yaw_speed * c * dt;
  const double rolled = up - from.pitch_speed * dt;
  const double drop = 0.5 * kGravity * dt * dt / range;
  double flown = rolled + drop;
  const double lowest = ground_.pitch_at(from.range) - from.pitch;
  const double landing = from.pitch_speed * dt - drop;
  if (landing < lowest) flown = up - (lowest + kBounce * (lowest - landing));
  const double sway = 0.5 * kPush * dt * dt / range;
  const double drift = from.speed_error * dt / range;
  const double variance = kSightError * kSightError * 2 + sway * sway + drift * drift;
  const double off = std::min(rolled * rolled, flown * flown) + ahead_yaw * ahead_yaw;
  const double smooth =
      0.5 * off / variance + kVague * std::log(variance / (2 * kSightError * kSightError)) + hidden;
  if (smooth <= step.cost) step = {smooth, true};
  return true;
}

// The chain that the node goes on most smoothly, of those that no other node of its instant goes on:
// the ball cannot be in two places.
BallTracker::Link BallTracker::smoothest(const Node& node, std::int64_t number,
                                         std::span<const std::uint32_t> taken) const noexcept {
  const std::int64_t now_ns = instant(number).capture_ns;
  Link best{kSmooth, nullptr};
  for (std::int64_t n = number - 1; n >= first_; --n) {
    const Instant& then = instant(n);
    const double dt = seconds(now_ns - then.capture_ns);
    if (dt > kChain_s) break;
    for (int i = 0; i < then.count; ++i) {
      const Node& other = then.nodes[i];
      Step step;
      if (!step_between(other, node, dt, step) || !step.smooth || step.cost >= best.cost) continue;
      if (std::find(taken.begin(), taken.end(), other.chain) != taken.end()) continue;
      best = {step.cost, &other};
    }
  }
  return best;
}

// The smoothest pair of a node and a chain goes first.
void BallTracker::chain(Instant& now, std::int64_t number) noexcept {
  std::array<Link, kCandidates> links;
  std::array<std::uint32_t, kCandidates> taken;
  std::array<bool, kCandidates> done{};
  for (int i = 0; i < now.count; ++i) links[i] = smoothest(now.nodes[i], number, {});
  std::size_t count = 0;
  for (int round = 0; round < now.count; ++round) {
    int next = -1;
    for (int i = 0; i < now.count; ++i)
      if (!done[i] && (next < 0 || links[i].cost < links[next].cost)) next = i;
    join(now.nodes[next], links[next].from, now.capture_ns);
    done[next] = true;
    taken[count++] = now.nodes[next].chain;
    for (int i = 0; i < now.count; ++i)
      if (!done[i] && links[i].from && links[i].from->chain == taken[count - 1])
        links[i] = smoothest(now.nodes[i], number, {taken.data(), count});
  }
}

void BallTracker::join(Node& node, const Node* link, std::int64_t now_ns) noexcept {
  if (link) {
    node.chain = link->chain;
    node.support = link->support + 1;
    node.against = link->against;
    node.merit = link->merit +
                 std::max(1.0 / (node.support + 1), kMeritOf) * (node.confidence - link->merit);
    node.origin_yaw = link->origin_yaw, node.origin_pitch = link->origin_pitch;
    node.still_since_ns = link->still_since_ns;
  } else {
    node.chain = ++chains_;
    node.merit = node.confidence;
    node.origin_yaw = node.yaw, node.origin_pitch = node.pitch;
    node.still_since_ns = now_ns;
  }
  if (node.range * distance(node.origin_yaw, node.origin_pitch, node.yaw, node.pitch) > kMoved) {
    node.origin_yaw = node.yaw, node.origin_pitch = node.pitch;
    node.still_since_ns = now_ns;
  }
}

// The best way to this node.
void BallTracker::link(Node& node, std::int64_t number) noexcept {
  const std::int64_t now_ns = instant(number).capture_ns;
  const double evidence = evidence_;
  const auto elsewhere = [&](std::int64_t from, std::uint32_t chain) {
    if (chain == node.chain) return 0.0;
    const auto alone = static_cast<double>(node.support - (number - from));
    return std::clamp(kElsewhere * evidence * (alone + 1), 0.0, kMostElsewhere);
  };
  double best = -kBirth * 1.0;
  const Node* from = nullptr;
  bool smooth = false;
  const auto take = [&](double value, std::int64_t instant_number, int index, bool is_smooth) {
    if (value <= best) return;
    best = value;
    node.previous_instant = instant_number, node.previous = index;
    from = &instant(instant_number).nodes[index];
    smooth = is_smooth;
  };
  std::int64_t n = number - 1;
  for (; n >= first_; --n) {
    const Instant& then = instant(n);
    const double dt = seconds(now_ns - then.capture_ns);
    if (dt > config_.longest_gap_s) break;
    if (number - n > kDense && (number - n) % 3 != 0) continue;
    if (then.best_node < 0 || then.best < best) break;  // nothing before can be better
    for (int i = 0; i < then.count; ++i) {
      const Node& other = then.nodes[i];
      if (other.score < best) continue;
      Step step;
      if (!step_between(other, node, dt, step)) continue;
      const double gap = n < number - 1 ? kHidden * evidence : 0;
      const double cost = (step.smooth ? evidence : 1) * step.cost;
      take(other.score - cost - gap - elsewhere(n, other.chain), n, i, step.smooth);
    }
  }
  const auto leap = [&](std::int64_t to, double cost) {
    if (to < first_ || instant(to).best_node < 0) return;
    const Instant& then = instant(to);
    if (then.best_instant < first_) {  // forgotten: only its score is left
      if (then.best - cost > best) best = then.best - cost, node.previous = -1, from = nullptr;
      return;
    }
    const Node& other = instant(then.best_instant).nodes[then.best_node];
    take(then.best - cost - elsewhere(then.best_instant, other.chain), then.best_instant,
         then.best_node, false);
  };
  leap(number - 1, kTeleport);
  leap(n, kAfterLongGap);
  node.step = from ? from->score - best : kBirth;
  node.score = best;
  if (!from) return;
  const double dt = seconds(now_ns - instant(node.previous_instant).capture_ns);
  if (dt > 1) return;
  const double follow =
      smooth ? (from->speed_error > 2 ? 0.9 : std::clamp(0.5 + dt, 0.6, 0.95)) : 1.0;
  node.speed_error = smooth ? std::max(0.5, 0.25 * from->speed_error) : kUnknownSpeed;
  const double vy = (node.yaw - from->yaw) / dt, vp = (node.pitch - from->pitch) / dt;
  node.yaw_speed = from->yaw_speed + follow * (vy - from->yaw_speed);
  node.pitch_speed = from->pitch_speed + follow * (vp - from->pitch_speed);
}

// What a sight speaks for: its confidence, that it moves, that somebody is near; against it: that it
// was seen when the ball was elsewhere.
double BallTracker::gain_of(const Node& node, std::int64_t now_ns,
                            std::span<const PersonState> people) const noexcept {
  double gain = kBase + kSlope * (node.confidence - 0.55);
  double nearest = 1e9;
  for (const PersonState& p : people) {
    const double feet = p.pitch - p.height / 2;
    nearest = std::min(nearest, ground_.range(feet) * distance(node.yaw, node.pitch, p.yaw, feet));
  }
  const double still_s = seconds(now_ns - node.still_since_ns);
  if (!people.empty()) {
    if (nearest < 4) gain += 0.3;
    if (nearest > 6 && still_s > 1) gain -= 0.3;
  }
  double spot = 0;
  for (const Spot& s : spots_)
    if (s.weight > 0 && distance(node.yaw, node.pitch, s.yaw, s.pitch) < kSpotSize)
      spot = std::max(spot, s.weight * std::exp2(-seconds(now_ns - s.last_ns) / kSpotHalfLife_s));
  gain -= std::min(2.5, 0.25 * spot) + std::min(3.0, 0.45 * node.against);
  return evidence_ * std::clamp(gain, -1.0, 2.5);
}

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
    if (s.weight > 0 && distance(yaw, pitch, s.yaw, s.pitch) < kSpotSize) return &s;
  return nullptr;
}

// Only a path that is well supported itself speaks against others, and only against those that look
// less like a ball than its own sights: once astray it must not talk the ball down.
void BallTracker::learn(Instant& now) noexcept {
  if (now.chosen < 0 || now.trust < 0.7) return;
  const Node& ball = now.nodes[now.chosen];
  if (ball.support < kProven) return;
  for (int i = 0; i < now.count; ++i) {
    Node& other = now.nodes[i];
    if (i == now.chosen || distance(ball.yaw, ball.pitch, other.yaw, other.pitch) < kSame) continue;
    if (other.merit > ball.merit) continue;
    other.against = std::min(30.0, other.against + evidence_);
    doubt_of(other.chain) += evidence_;
    if (seconds(now.capture_ns - other.still_since_ns) < 0.5) continue;
    Spot* s = spot_at(other.yaw, other.pitch);
    if (!s) {
      s = &*std::min_element(spots_.begin(), spots_.end(), [](const Spot& a, const Spot& b) {
        return a.weight < b.weight || (a.weight == b.weight && a.last_ns < b.last_ns);
      });
      *s = {other.yaw, other.pitch, 0, now.capture_ns};
    }
    const double age = seconds(now.capture_ns - s->last_ns);
    s->weight = std::min(20.0, s->weight * std::exp2(-age / kSpotHalfLife_s) + evidence_);
    s->last_ns = now.capture_ns;
  }
  now.nodes[now.chosen].against *= 0.7;
  double& doubt = doubt_of(ball.chain);
  doubt = std::max(0.0, doubt - kTrustBack * evidence_);
  if (Spot* s = spot_at(ball.yaw, ball.pitch)) s->weight *= 0.7;
}

// What the best sight of another ball is worth: of one that was seen before, and is not found out.
double BallTracker::rival_of(const Instant& at) const noexcept {
  double rival = 0;
  for (int i = 0; i < at.count; ++i) {
    const Node& n = at.nodes[i];
    if (i == at.chosen || n.support == 0 || doubted(n.chain)) continue;
    if (at.chosen >= 0) {
      const Node& ball = at.nodes[at.chosen];
      if (distance(n.yaw, n.pitch, ball.yaw, ball.pitch) <= kSame) continue;
    }
    rival = std::max(rival, n.gain);
  }
  return rival;
}

// A sight of the path is as trusted as the sights around it are worth, less what the steps cost and
// what speaks for another ball.
void BallTracker::weigh_path() noexcept {
  const auto worth = [&](std::int64_t n) {
    const Instant& at = instant(n);
    if (at.chosen < 0) return -rival_of(at);
    return at.nodes[at.chosen].gain - at.nodes[at.chosen].step - rival_of(at);
  };
  std::int64_t from = first_, to = first_;  // [from, to) lies around n
  double sum = 0;
  for (std::int64_t n = first_; n < end_; ++n) {
    const std::int64_t centre = instant(n).capture_ns;
    for (; to < end_ && seconds(instant(to).capture_ns - centre) <= kSupport_s; ++to)
      sum += worth(to);
    for (; seconds(centre - instant(from).capture_ns) > kSupport_s; ++from) sum -= worth(from);
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
  const double gap = seconds(b.capture_ns - a.capture_ns);
  s.known = true;
  s.seen_before_ns = a.capture_ns, s.seen_after_ns = b.capture_ns;
  const double past = std::abs(seconds(t - a.capture_ns)),
               ahead = std::abs(seconds(b.capture_ns - t));
  if (gap <= 0) {  // at a sight, or beyond the ends
    const double drift = 0.4 * (1 - std::exp(-past / 0.4)) * (t >= a.capture_ns ? 1 : -1);
    s.yaw = from.yaw + drift * from.yaw_speed, s.pitch = from.pitch + drift * from.pitch_speed;
    s.yaw_speed = from.yaw_speed * std::exp(-past / 0.4);
    s.pitch_speed = from.pitch_speed * std::exp(-past / 0.4);
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
