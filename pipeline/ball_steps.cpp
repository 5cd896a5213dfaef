// The steps of the ball's hypotheses: chains of smooth motion, and the best ways to each sight.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "pipeline/ball_tracker.hpp"
#include "pipeline/ball_units.hpp"

namespace gantry {
namespace {

constexpr double kGravity = 9.81;
constexpr double kBounce = 0.62;              // of the speed downwards that a bounce gives back
constexpr double kPush = 24, kPushLying = 8;  // m/s²: what motion without a kick differs by
constexpr double kTurn = 0.7;        // how much faster what passes nearby turns or turns less
constexpr double kUnknownSpeed = 8;  // m/s: error of the speed after a kick or a first sight
// Costs, in units of log-likelihood.
constexpr double kKick = 0.6,
                 kAim = 0.2;       // of a kick, and of the places that it might have led to
constexpr double kKickSpeed = 13;  // m/s: of an ordinary one
constexpr double kNobody = 1, kTouch = 2.5;  // of a kick where nobody is within so many metres
// Of a gap, nearly all of it after so long, and of each second.
constexpr double kHidden = 2.6, kHiddenSoon_s = 0.5, kHidden_s = 0.7;
constexpr double kElsewhere = 1.6,
                 kMostElsewhere = 5;        // per sight of a chain while the path was elsewhere
constexpr double kAfterLongGap = 4;         // of a way that nothing is known of
constexpr double kSmooth = 3;               // a step costs no more within a chain
constexpr double kStrays = kSmooth + 1e-6;  // beyond roundings
constexpr double kSmooth_s = 0.8;  // the longest gap over which motion without a touch is believed
constexpr double kVague = 0.12;
constexpr double kNever = 1e300;
constexpr double kFlightSpeed = 20;  // m/s, of the ball towards the camera or away from it
constexpr double kSizeError = 0.2;   // of a distance that is told by a size, in its own terms
// Metres: what comes so near to what lies may be mixed up with it.
constexpr double kTouchLying = 0.8;
constexpr double kLies_s = 0.8;  // what has not moved for so long lies
constexpr double kMoved = 1.2;   // metres
constexpr int kDense = 24;       // instants; of those before only every third is looked at

double mix(double a, double b, double share) {
  return a + share * (b - a);
}

}  // namespace

// Whether smooth motion, which is off by as much as at the nearer of both ranges, would still cost too
// much for how far the node is across alone: most are, and this needs neither quotient nor root.
bool BallTracker::strays(const Node& from, const Node& to, double dt) const noexcept {
  const double c = from.cosine, range = std::min(from.range, to.range), square = range * range;
  const double ahead = (to.yaw - from.yaw) * c - from.yaw_speed * c * dt;
  const double push = 0.5 * kPush * dt * dt, drift = from.speed_error * dt;
  const double turn =
      kTurn * (from.yaw_speed * from.yaw_speed * c * c + from.pitch_speed * from.pitch_speed) * dt *
      dt;
  const double still = sight_error_ * sight_error_ * 2;
  return ahead * ahead * square >
         2 * kStrays * ((still + turn * turn) * square + push * push + drift * drift);
}

// From smooth motion, the cheapest of: rolling on; flying on; either with a bounce on the ground.
// What cannot be wanted is left out before the logarithms, which are never below 0.
bool BallTracker::step_between(const Node& from, const Node& to, double dt, const Wanted& wanted,
                               Step& step) const noexcept {
  const double c = from.cosine;
  const double across = (to.yaw - from.yaw) * c, up = to.pitch - from.pitch;
  const double range = 2 * from.range * to.range / (from.range + to.range);
  const double way = range * std::sqrt(across * across + up * up), error = range * sight_error_;
  const double reach = config_.fastest * dt + 2 * error + 0.5;
  if (way > reach) return false;
  const double deeper =
      std::abs(to.range - from.range) - kFlightSpeed * dt;  // than it flies in this time
  const double sizes = std::max(0.0, deeper) / (kSizeError * range);
  const double depth = 0.5 * sizes * sizes;
  const double speed = std::max(0.0, way - error) / dt / kKickSpeed;
  const double far = std::clamp((from.alone - kTouch) / kTouch, 0.0, 1.0);
  const double somebody = kKick + kNobody * far, fast = 0.5 * speed * speed;
  const double still = sight_error_ * sight_error_ * 2;
  const double lies = from.lies ? 0.5 * (across * across + up * up) / still : kNever;
  const double area = kKickSpeed * dt / error, places = area * area;
  const auto kick_least = [&] {
    return somebody + kAim * std::numbers::ln2 * std::max(0, std::ilogb(places)) + fast + depth;
  };
  Smooth on;
  if (dt <= kSmooth_s) on = smooth_between(from, dt, across, up, range);
  const double smooth_least = std::min(lies, on.off + depth);
  if (wanted.smooth
          ? smooth_least >= kSmooth
          : wanted.before - (std::min(evidence_ * smooth_least, kick_least()) + wanted.gap) <=
                wanted.score)
    return false;
  step = {somebody + kAim * std::log1p(places) + fast + depth, false, 0};
  if (lies <= step.cost) step = {lies, true, 0};
  if (dt > kSmooth_s) return true;
  const double vague = std::log(on.variance / still);
  const double smooth = on.off + kVague * vague + depth;
  if (smooth <= step.cost) step = {smooth, true, vague};
  return true;
}

BallTracker::Smooth BallTracker::smooth_between(const Node& from, double dt, double across,
                                                double up, double range) const noexcept {
  const double c = from.cosine;
  const double ahead_yaw = across - from.yaw_speed * c * dt;
  const double rolled = up - from.pitch_speed * dt;
  const double drop = 0.5 * kGravity * dt * dt / range;
  double flown = rolled + drop;
  const double landing = from.pitch_speed * dt - drop;
  if (landing < from.fall) flown = up - (from.fall + kBounce * (from.fall - landing));
  const double sway = 0.5 * (from.lies ? kPushLying : kPush) * dt * dt / range;
  const double drift = from.speed_error * dt / range;
  const double turn =
      kTurn * (from.yaw_speed * from.yaw_speed * c * c + from.pitch_speed * from.pitch_speed) * dt *
      dt;
  const double still = sight_error_ * sight_error_ * 2;
  const double variance = still + sway * sway + drift * drift + turn * turn;
  const double off = std::min(rolled * rolled, flown * flown) + ahead_yaw * ahead_yaw;
  return {0.5 * off / variance, variance};
}

// The chains that the node goes on most smoothly, the best first.
BallTracker::Links BallTracker::smoothest(const Node& node, std::int64_t number) const noexcept {
  const std::int64_t now_ns = instant(number).capture_ns;
  Links best;
  best.fill({kSmooth, 0});
  const auto add = [&](const Link& link) {
    std::size_t at = 0;
    while (best[at].from && best[at].cost + best[at].vague <= link.cost + link.vague) ++at;
    const auto same = [&](const Link& l) { return l.from && l.from->chain == link.from->chain; };
    if (at + 1 == best.size() || std::any_of(best.begin(), best.begin() + at, same)) return;
    auto end = std::find_if(best.begin() + at, best.end() - 1, same);
    if (end == best.end() - 1) --end;  // the last one is no chain
    std::move_backward(best.begin() + at, end, end + 1);
    best[at] = link;
  };
  for (std::int64_t n = number - 1; n >= first_; --n) {
    const Instant& then = instant(n);
    const double dt = seconds_of(now_ns - then.capture_ns);
    if (dt > config_.longest_gap_s) break;
    std::uint32_t left = dt > kSmooth_s ? then.lying : (1u << then.count) - 1;
    for (; left != 0; left &= left - 1) {
      const int i = std::countr_zero(left);
      if (!then.nodes[i].lies && strays(then.nodes[i], node, dt)) continue;
      Step step;
      if (step_between(then.nodes[i], node, dt, {true, 0, 0, 0}, step) && step.smooth &&
          step.cost < kSmooth)
        add({step.cost, step.vague, &then.nodes[i], n, i});
    }
  }
  return best;
}

// The smoothest pair of a node and a chain goes first; no other node of this instant goes on that
// chain: the ball cannot be in two places.
void BallTracker::chain(Instant& now, std::int64_t number) noexcept {
  std::array<Links, kCandidates> links;
  std::array<std::size_t, kCandidates> first{};  // of the links that are still free
  std::array<bool, kCandidates> done{};
  for (int i = 0; i < now.count; ++i) links[i] = smoothest(now.nodes[i], number);
  const auto free_link = [&](int i) -> const Link& { return links[i][first[i]]; };
  const auto rank = [&](int i) { return free_link(i).cost + free_link(i).vague; };
  for (int round = 0; round < now.count; ++round) {
    int next = -1;
    for (int i = 0; i < now.count; ++i)
      if (!done[i] && (next < 0 || rank(i) < rank(next))) next = i;
    join(now.nodes[next], free_link(next), now.capture_ns);
    if (now.nodes[next].lies) now.lying |= 1u << next;
    done[next] = true;
    const std::uint32_t taken = now.nodes[next].chain;
    for (int i = 0; i < now.count; ++i)
      for (Link& l : links[i])
        if (l.from && l.from->chain == taken) l = {1e9, 0, nullptr};
    for (int i = 0; i < now.count; ++i)
      while (first[i] + 1 < links[i].size() && free_link(i).cost > kSmooth) ++first[i];
  }
}

void BallTracker::join(Node& node, const Link& onto, std::int64_t now_ns) noexcept {
  if (const Node* link = onto.from) {
    node.chain_instant = onto.instant, node.chain_node = onto.node;
    node.chain = link->chain;
    node.support = link->support + 1;
    node.origin_yaw = link->origin_yaw, node.origin_pitch = link->origin_pitch;
    node.still_since_ns = link->still_since_ns;
    const double dt = seconds_of(now_ns - instant(onto.instant).capture_ns);
    const double follow = link->speed_error > 2 ? 0.9 : std::clamp(0.5 + dt, 0.6, 0.95);
    node.speed_error = std::max(0.5, 0.25 * link->speed_error);
    node.yaw_speed = mix(link->yaw_speed, (node.yaw - link->yaw) / dt, follow);
    node.pitch_speed = mix(link->pitch_speed, (node.pitch - link->pitch) / dt, follow);
  } else {
    node.speed_error = kUnknownSpeed;
    node.chain = ++chains_;
    node.origin_yaw = node.yaw, node.origin_pitch = node.pitch;
    node.still_since_ns = now_ns;
    if (const Spot* s = spot_at(node.yaw, node.pitch)) node.support = static_cast<int>(s->sights);
  }
  if (node.range * distance_between(node.origin_yaw, node.origin_pitch, node.yaw, node.pitch) >
      kMoved) {
    node.origin_yaw = node.yaw, node.origin_pitch = node.pitch;
    node.still_since_ns = now_ns;
  }
  node.lies = seconds_of(now_ns - node.still_since_ns) > kLies_s;
}

// The price of a step from one chain to another: both had sights while the ball was elsewhere. Chains
// that meet may be mixed up.
double BallTracker::cut(const Node& from, const Node& to) const noexcept {
  if (from.chain == to.chain) return 0;
  const auto price = [&](int sights, std::int64_t next_instant, int next_node, const Node& here) {
    if (sights == 0) return 0.0;
    if (next_instant >= first_) {
      const Node& next = instant(next_instant).nodes[next_node];
      if (next.range * distance_between(next.yaw, next.pitch, next.cosine, here.yaw, here.pitch) <
          (next.lies ? kTouchLying : kTouch))
        return 0.0;
    }
    return std::min(kMostElsewhere, kElsewhere * evidence_ * sights);
  };
  return price(to.support, to.chain_instant, to.chain_node, from) +
         price(from.sequel, from.next_instant, from.next_node, to);
}

// The price of not being seen for so long.
double BallTracker::unseen(double seconds) const noexcept {
  return evidence_ * kHidden * (1 - std::exp(-seconds / kHiddenSoon_s)) + kHidden_s * seconds;
}

// The best ways to this node from different chains.
void BallTracker::find_ways(Node& node, std::int64_t number) noexcept {
  const std::int64_t now_ns = instant(number).capture_ns;
  const auto add = [&](const Way& way, const Node& from) {
    int at = 0;
    const auto chain_of = [&](const Way& w) { return instant(w.instant).nodes[w.node].chain; };
    for (; at < node.way_count && node.ways[at].score >= way.score; ++at)
      if (chain_of(node.ways[at]) == from.chain) return;
    if (at == kWays) return;
    int end = at;
    while (end < node.way_count && chain_of(node.ways[end]) != from.chain) ++end;
    if (end == kWays) --end;
    if (end == node.way_count) ++node.way_count;
    std::move_backward(node.ways.begin() + at, node.ways.begin() + end,
                       node.ways.begin() + end + 1);
    node.ways[at] = way;
  };
  for (std::int64_t n = number - 1; n >= first_; --n) {
    const Instant& then = instant(n);
    const double dt = seconds_of(now_ns - then.capture_ns);
    const bool far = dt > config_.longest_gap_s;
    if (number - n > kDense && (number - n) % 3 != 0 && !far) continue;
    const double gap = n < number - 1 ? unseen(dt) : 0;
    const double least = gap + (far ? kAfterLongGap : dt > kSmooth_s ? kKick : 0);
    const bool full = node.way_count == kWays;
    const auto hopeless = [&](double score) {
      return full && score - least < node.ways[kWays - 1].score;
    };
    if (hopeless(then.best)) break;
    for (int i = 0; i < then.count; ++i) {
      const Node& other = then.nodes[i];
      if (hopeless(other.before) || (far && (other.sequel > 0 || other.support == 0))) continue;
      Step step{kAfterLongGap, false};
      const Wanted wanted{false, other.before, gap, full ? node.ways[kWays - 1].score : -kNever};
      if (!far && !step_between(other, node, dt, wanted, step)) continue;
      const double cost = (step.smooth ? evidence_ : 1) * step.cost + gap;
      if (full && other.before - cost <= node.ways[kWays - 1].score) continue;
      add({n, i, cost, other.before - cost - cut(other, node)}, other);
    }
  }
}

}  // namespace gantry
