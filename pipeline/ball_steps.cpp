// The steps of the ball's hypotheses: chains of smooth motion, and the best way to each sight.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "pipeline/ball_tracker.hpp"
#include "pipeline/ball_units.hpp"

namespace gantry {
namespace {

constexpr double kGravity = 9.81;
constexpr double kBounce = 0.62;     // of the speed downwards that a bounce gives back
constexpr double kPush = 24;         // m/s²: what motion without a kick differs by
constexpr double kUnknownSpeed = 8;  // m/s: error of the speed after a kick or a first sight
// Costs, in units of log-likelihood.
constexpr double kKick = 0.6,
                 kAim = 0.25;      // of a kick, and of the places that it might have led to
constexpr double kKickSpeed = 13;  // m/s: of an ordinary one
constexpr double kNobody = 1, kTouch = 2.5;  // of a kick where nobody is within so many metres
constexpr double kHidden = 0.25, kHidden_s = 0.5;  // of a gap, and of each second of it
constexpr double kElsewhere = 1.6;                 // per sight of a chain before it was entered
constexpr double kMostElsewhere = 20;
constexpr double kTeleport = 12, kAfterLongGap = 4, kBirth = 3;
constexpr double kSmooth = 3;      // a step costs no more within a chain,
constexpr double kChain_s = 0.8;   // nor lasts longer
constexpr double kSmooth_s = 0.8;  // the longest gap over which motion without a touch is believed
constexpr double kVague = 0.12;
constexpr double kMeritOf = 0.12;  // of a chain's merit comes from its last sight
constexpr double kMoved = 1.2;     // metres
constexpr int kDense = 24;         // instants; of those before only every third is looked at

}  // namespace

// From smooth motion, the cheapest of: rolling on; flying on; either with a bounce on the ground.
bool BallTracker::step_between(const Node& from, const Node& to, double dt,
                               Step& step) const noexcept {
  const double c = from.cosine;
  const double across = (to.yaw - from.yaw) * c, up = to.pitch - from.pitch;
  const double range = 2 * from.range * to.range / (from.range + to.range);
  const double way = range * std::sqrt(across * across + up * up), error = range * sight_error_;
  const double reach = config_.fastest * dt + 2 * error + 0.5;
  if (way > reach) return false;
  const double hidden = kHidden_s * dt;
  const double speed = std::max(0.0, way - error) / dt / kKickSpeed;
  const double area = kKickSpeed * dt / error;
  const double far = std::clamp((from.alone - kTouch) / kTouch, 0.0, 1.0);
  step.cost = kKick + kNobody * far + kAim * std::log1p(area * area) + 0.5 * speed * speed + hidden;
  step.smooth = false;
  if (dt > kSmooth_s) return true;
  const double ahead_yaw = across - from.yaw_speed * c * dt;
  const double rolled = up - from.pitch_speed * dt;
  const double drop = 0.5 * kGravity * dt * dt / range;
  double flown = rolled + drop;
  const double landing = from.pitch_speed * dt - drop;
  if (landing < from.fall) flown = up - (from.fall + kBounce * (from.fall - landing));
  const double sway = 0.5 * kPush * dt * dt / range;
  const double drift = from.speed_error * dt / range;
  const double variance = sight_error_ * sight_error_ * 2 + sway * sway + drift * drift;
  const double off = std::min(rolled * rolled, flown * flown) + ahead_yaw * ahead_yaw;
  const double smooth = 0.5 * off / variance +
                        kVague * std::log(variance / (2 * sight_error_ * sight_error_)) + hidden;
  if (smooth <= step.cost) step = {smooth, true};
  return true;
}

// The chains that the node goes on most smoothly, the best first.
BallTracker::Links BallTracker::smoothest(const Node& node, std::int64_t number) const noexcept {
  const std::int64_t now_ns = instant(number).capture_ns;
  Links best;
  best.fill({kSmooth});
  const auto add = [&](const Link& link) {
    std::size_t at = 0;
    while (best[at].cost <= link.cost && best[at].from) ++at;
    const auto same = [&](const Link& l) { return l.from && l.from->chain == link.from->chain; };
    if (std::any_of(best.begin(), best.begin() + at, same)) return;
    auto end = std::find_if(best.begin() + at, best.end() - 1, same);
    if (end == best.end() - 1) --end;  // the last one is no chain
    std::move_backward(best.begin() + at, end, end + 1);
    best[at] = link;
  };
  for (std::int64_t n = number - 1; n >= first_; --n) {
    const Instant& then = instant(n);
    const double dt = seconds_of(now_ns - then.capture_ns);
    if (dt > kChain_s) break;
    for (int i = 0; i < then.count; ++i) {
      Step step;
      if (step_between(then.nodes[i], node, dt, step) && step.smooth &&
          step.cost < best[best.size() - 2].cost)
        add({step.cost, &then.nodes[i], n, i});
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
  for (int round = 0; round < now.count; ++round) {
    int next = -1;
    for (int i = 0; i < now.count; ++i)
      if (!done[i] && (next < 0 || free_link(i).cost < free_link(next).cost)) next = i;
    join(now.nodes[next], free_link(next), now.capture_ns);
    done[next] = true;
    const std::uint32_t taken = now.nodes[next].chain;
    for (int i = 0; i < now.count; ++i)
      for (Link& l : links[i])
        if (l.from && l.from->chain == taken) l = {1e9, nullptr};
    for (int i = 0; i < now.count; ++i)
      while (first[i] + 1 < links[i].size() && free_link(i).cost > kSmooth) ++first[i];
  }
}

void BallTracker::join(Node& node, const Link& onto, std::int64_t now_ns) noexcept {
  if (const Node* link = onto.from) {
    node.chain_instant = onto.instant, node.chain_node = onto.node;
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
  if (node.range * distance_between(node.origin_yaw, node.origin_pitch, node.yaw, node.pitch) >
      kMoved) {
    node.origin_yaw = node.yaw, node.origin_pitch = node.pitch;
    node.still_since_ns = now_ns;
  }
}

// The best way to this node.
void BallTracker::link(Node& node, std::int64_t number) noexcept {
  const std::int64_t now_ns = instant(number).capture_ns;
  const double evidence = evidence_;
  node.speed_error = kUnknownSpeed;
  // Sights of the chain when the path was at an instant; asked for ever earlier ones.
  std::int64_t chain_instant = number;
  const Node* of_chain = &node;
  const auto elsewhere = [&](std::int64_t from, std::uint32_t chain) {
    if (chain == node.chain) return 0.0;
    while (of_chain && chain_instant > from) {
      chain_instant = of_chain->chain_instant;
      of_chain =
          chain_instant < first_ ? nullptr : &instant(chain_instant).nodes[of_chain->chain_node];
    }
    const int sights = of_chain ? of_chain->support + 1 : 0;
    return std::min(kElsewhere * evidence * sights, kMostElsewhere);
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
    const double dt = seconds_of(now_ns - then.capture_ns);
    if (dt > config_.longest_gap_s) break;
    if (number - n > kDense && (number - n) % 3 != 0) continue;
    const double gap = n < number - 1 ? kHidden * evidence : 0;
    const double least =
        gap + (dt > kSmooth_s ? kKick + kHidden_s * dt : evidence * kHidden_s * dt);
    if (then.best_node < 0 || then.best - least < best) break;  // nothing before can be better
    for (int i = 0; i < then.count; ++i) {
      const Node& other = then.nodes[i];
      if (other.score - least < best) continue;
      Step step;
      if (!step_between(other, node, dt, step)) continue;
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
  const double dt = seconds_of(now_ns - instant(node.previous_instant).capture_ns);
  if (dt > 1) return;
  const double follow =
      smooth ? (from->speed_error > 2 ? 0.9 : std::clamp(0.5 + dt, 0.6, 0.95)) : 1.0;
  node.speed_error = smooth ? std::max(0.5, 0.25 * from->speed_error) : kUnknownSpeed;
  const double vy = (node.yaw - from->yaw) / dt, vp = (node.pitch - from->pitch) / dt;
  node.yaw_speed = from->yaw_speed + follow * (vy - from->yaw_speed);
  node.pitch_speed = from->pitch_speed + follow * (vp - from->pitch_speed);
}

}  // namespace gantry
