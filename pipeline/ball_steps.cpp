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
                 kMostElsewhere = 5;  // per sight of a chain while the path was elsewhere
constexpr double kAfterLongGap = 4;   // of a way that nothing is known of
constexpr double kSmooth = 3;         // a step costs no more within a chain
constexpr double kRounding = 1e-6;
constexpr double kStrays = kSmooth + kRounding;
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

// What a kick that might have led to so many places costs at least: kAim * log1p(places), and less.
double least_aim(double places) {
  return kAim * std::numbers::ln2 * std::max(0, std::ilogb(places));
}

}  // namespace

// Whether any ball may get there, at the nearer of both ranges: needs neither quotient nor root.
inline bool BallTracker::in_reach(const Node& from, const Node& to, double dt) const noexcept {
  const double across = (to.yaw - from.yaw) * from.cosine, up = to.pitch - from.pitch;
  const double nearer = std::min(from.range, to.range);
  const double reach = config_.fastest * dt + 0.5 + 2 * nearer * sight_error_;
  return (across * across + up * up) * nearer * nearer <= reach * reach * (1 + kRounding);
}

// From smooth motion, the cheapest of: rolling on; flying on; either with a bounce on the ground.
// What cannot be wanted is left out before the logarithms, which are never below 0.
bool BallTracker::step_between(const Node& from, const Node& to, double dt, const Wanted& wanted,
                               Step& step) const noexcept {
  const double c = from.cosine;
  const double across = (to.yaw - from.yaw) * c, up = to.pitch - from.pitch;
  const double square = across * across + up * up;
  const double range = 2 * from.range * to.range / (from.range + to.range);
  const double way = range * std::sqrt(square), error = range * sight_error_;
  if (way > config_.fastest * dt + 2 * error + 0.5) return false;
  const double deeper =
      std::abs(to.range - from.range) - kFlightSpeed * dt;  // than it flies in this time
  const double sizes = std::max(0.0, deeper) / (kSizeError * range);
  const double depth = 0.5 * sizes * sizes;
  const double still = sight_error_ * sight_error_ * 2;
  const double lies = from.lies ? 0.5 * square / still : kNever;
  Smooth on;
  if (dt <= kSmooth_s) on = smooth_between(from, dt, across, up, range);
  const double smooth_least = std::min(lies, on.off + depth);
  if (wanted.smooth && smooth_least >= kSmooth) return false;
  const double speed = std::max(0.0, way - error) / dt / kKickSpeed;
  const double far = std::clamp((from.alone - kTouch) / kTouch, 0.0, 1.0);
  const double somebody = kKick + kNobody * far, fast = 0.5 * speed * speed;
  const double area = kKickSpeed * dt / error, places = area * area;
  const double kick_least = somebody + least_aim(places) + fast + depth;
  if (!wanted.smooth &&
      wanted.before - (std::min(evidence_ * smooth_least, kick_least) + wanted.gap) <= wanted.score)
    return false;
  step = {somebody + kAim * std::log1p(places) + fast + depth, false, 0};
  if (lies <= step.cost) step = {lies, true, 0};
  if (dt > kSmooth_s) return true;
  const double vague = std::log(on.variance / still);
  const double smooth = on.off + kVague * vague + depth;
  if (smooth <= step.cost) step = {smooth, true, vague};
  return true;
}

// Radians a second squared.
double BallTracker::turn_of(const Node& node) noexcept {
  const double c = node.cosine;
  return kTurn * (node.yaw_speed * node.yaw_speed * c * c + node.pitch_speed * node.pitch_speed);
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
  const double turn = turn_of(from) * dt * dt;
  const double still = sight_error_ * sight_error_ * 2;
  const double variance = still + sway * sway + drift * drift + turn * turn;
  const double off = std::min(rolled * rolled, flown * flown) + ahead_yaw * ahead_yaw;
  return {0.5 * off / variance, variance};
}

// Puts a link where it belongs: one per chain, the best first.
void BallTracker::add(const Link& link, Links& best) noexcept {
  std::size_t at = 0;
  while (best[at].from && best[at].cost + best[at].vague <= link.cost + link.vague) ++at;
  const auto same = [&](const Link& l) { return l.from && l.from->chain == link.from->chain; };
  if (at + 1 == best.size() || std::any_of(best.begin(), best.begin() + at, same)) return;
  auto end = std::find_if(best.begin() + at, best.end() - 1, same);
  if (end == best.end() - 1) --end;  // the last one is no chain
  std::move_backward(best.begin() + at, end, end + 1);
  best[at] = link;
}

// The chains that each node goes on most smoothly. Most nodes stray: smooth motion, off by as much as
// at the nearer of both ranges, would cost too much for how far they are across alone.
void BallTracker::find_links(const Instant& now, std::int64_t number,
                             std::span<Links> links) const noexcept {
  const double still = sight_error_ * sight_error_ * 2;
  for (std::int64_t n = number - 1; n >= first_; --n) {
    const Instant& then = instant(n);
    const double dt = seconds_of(now.capture_ns - then.capture_ns);
    if (dt > config_.longest_gap_s) break;
    std::uint32_t left = dt > kSmooth_s ? then.lying : (1u << then.count) - 1;
    for (; left != 0; left &= left - 1) {
      const int from_node = std::countr_zero(left);
      const Node& from = then.nodes[from_node];
      const double cosine_square = from.cosine * from.cosine;
      const double yaw = from.yaw + from.yaw_speed * dt, turn = turn_of(from) * dt * dt;
      const double push = 0.5 * kPush * dt * dt, drift = from.speed_error * dt;
      const double angle = 2 * kStrays * (still + turn * turn),
                   way = 2 * kStrays * (push * push + drift * drift);
      for (int i = 0; i < now.count; ++i) {
        const Node& node = now.nodes[i];
        const double off = node.yaw - yaw, range = std::min(from.range, node.range);
        if (!from.lies && (off * off * cosine_square - angle) * range * range > way) continue;
        Step step;
        if (step_between(from, node, dt, {true, 0, 0, 0}, step) && step.smooth &&
            step.cost < kSmooth)
          add({step.cost, step.vague, &from, n, from_node}, links[i]);
      }
    }
  }
}

// The smoothest pair of a node and a chain goes first; no other node of this instant goes on that
// chain: the ball cannot be in two places.
void BallTracker::chain(Instant& now, std::int64_t number) noexcept {
  std::array<Links, kCandidates> links;
  std::array<std::size_t, kCandidates> first{};  // of the links that are still free
  std::array<bool, kCandidates> done{};
  for (Links& l : links) l.fill({kSmooth, 0});
  find_links(now, number, links);
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

// Puts a way where it belongs: one per chain, the best first.
void BallTracker::add(const Way& way, Node& node) const noexcept {
  const auto chain_of = [&](const Way& w) { return instant(w.instant).nodes[w.node].chain; };
  const std::uint32_t chain = chain_of(way);
  int at = 0;
  for (; at < node.way_count && node.ways[at].score >= way.score; ++at)
    if (chain_of(node.ways[at]) == chain) return;
  if (at == kWays) return;
  int end = at;
  while (end < node.way_count && chain_of(node.ways[end]) != chain) ++end;
  if (end == kWays) --end;
  if (end == node.way_count) ++node.way_count;
  std::move_backward(node.ways.begin() + at, node.ways.begin() + end, node.ways.begin() + end + 1);
  node.ways[at] = way;
}

// The best ways to each node from different chains.
void BallTracker::find_ways(Instant& now, std::int64_t number) noexcept {
  std::uint32_t open = (1u << now.count) - 1;  // of the nodes for which earlier ones may do better
  for (std::int64_t n = number - 1; n >= first_ && open != 0; --n) {
    Since since;
    since.dt = seconds_of(now.capture_ns - instant(n).capture_ns);
    since.far = since.dt > config_.longest_gap_s;
    if (number - n > kDense && (number - n) % 3 != 0 && !since.far) continue;
    since.gap = n < number - 1 ? unseen(since.dt) : 0;
    since.least = since.gap + (since.far ? kAfterLongGap : since.dt > kSmooth_s ? kKick : 0);
    for (std::uint32_t left = open; left != 0; left &= left - 1) {
      const int i = std::countr_zero(left);
      if (!ways_from(n, since, now.nodes[i])) open &= ~(1u << i);
    }
  }
}

// false: nothing better comes from there and before.
bool BallTracker::ways_from(std::int64_t n, const Since& since, Node& node) const noexcept {
  const Instant& then = instant(n);
  const bool full = node.way_count == kWays;
  const auto worst = [&] { return node.ways[kWays - 1].score; };
  const auto hopeless = [&](double score) { return full && score - since.least < worst(); };
  if (hopeless(then.best)) return false;
  double kick = since.least;  // of what does not lie; a step's range is below twice that of its end
  if (since.dt > kSmooth_s && !since.far) {
    const double area = kKickSpeed * since.dt / (2 * node.range * sight_error_);
    kick += least_aim(area * area);
  }
  for (int i = 0; i < then.count; ++i) {
    const Node& other = then.nodes[i];
    if (hopeless(other.before) || (since.far && (other.sequel > 0 || other.support == 0))) continue;
    if (full && !other.lies && other.before - kick <= worst()) continue;
    if (!since.far && !in_reach(other, node, since.dt)) continue;
    Step step{kAfterLongGap, false};
    const Wanted wanted{false, other.before, since.gap, full ? worst() : -kNever};
    if (!since.far && !step_between(other, node, since.dt, wanted, step)) continue;
    const double cost = (step.smooth ? evidence_ : 1) * step.cost + since.gap;
    if (full && other.before - cost <= worst()) continue;
    add({n, i, cost, other.before - cost - cut(other, node)}, node);
  }
  return true;
}

}  // namespace gantry
