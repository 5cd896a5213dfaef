// The ball's path: the best hypothesis, how far each of its sights is trusted, and what lies between.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "pipeline/ball_tracker.hpp"
#include "pipeline/ball_units.hpp"

namespace gantry {
namespace {

constexpr double kAstray = 6;  // m/s: how fast the ball may part from where it is guessed
constexpr double kAstrayLying = 0.5, kLay = 0.5;  // and of one that lay within so many metres
constexpr double kNearby = 3.5 * kDegree;         // what counts as there
constexpr double kSpeed_s = 0.4;                  // sights that are so near tell the speed
constexpr double kKept = 0.7;     // of its speed is kept on average while it is not seen
constexpr double kDrift_s = 0.4;  // beyond its last sight the ball comes to rest in this time
constexpr double kSettled_s = 4;  // what comes later than that changes no score from before
constexpr double kBirth = 3;      // of a path that begins within the window
constexpr double kEven = 4, kSure = 1.5;  // the lead that is trusted by one half, and a step of it
constexpr double kElsewhere = 3 * kDegree;  // from the path: there the ball would be out of sight
constexpr double kAtOnce_s = 0.2;           // shorter ways say no more than their ends
constexpr double kNoRival = 12;             // a lead that leaves no doubt
constexpr double kRounding = 1e-6;          // more than sums of scores are off by
constexpr double kTrusted = 0.04;           // sights below are not used
constexpr double kSurely = 0.5;             // and those from here on are of the ball;
constexpr double kContradicts = 0.2;        // these say that it was played meanwhile
constexpr double kMayLie_s = 5;             // for so long it may still be there
constexpr double kLaySurely_s = 1;          // what had not moved for so long lay there
constexpr double kPlayed = 15;              // m/s: from there it takes its time to the next sight

// That the ball is near a place, radians, that it may be astray from by so many metres.
double sureness(double metres, double range) {
  const double off = metres / range / kNearby;
  return 1 / (1 + off * off);
}

}  // namespace

// The best scores from the beginning to each node. Those of long ago are settled.
void BallTracker::look_back() noexcept {
  const std::int64_t newest_ns = instant(end_ - 1).capture_ns;
  const std::int64_t from = first_after(newest_ns - static_cast<std::int64_t>(1e9 * kSettled_s));
  for (std::int64_t n = end_ - 1; n >= from; --n)
    for (int i = 0; i < instant(n).count; ++i) {
      const Node& node = instant(n).nodes[i];
      if (node.chain_instant < first_) continue;
      Node& before = instant(node.chain_instant).nodes[node.chain_node];
      before.sequel = node.sequel + 1, before.next_instant = n, before.next_node = i;
    }
  double best = from > first_ ? instant(from - 1).best : -1e300;
  for (std::int64_t n = from; n < end_; ++n) {
    Instant& at = instant(n);
    const double anew =
        base_ - kBirth - unseen(seconds_of(at.capture_ns - instant(first_).capture_ns));
    for (int i = 0; i < at.count; ++i) {
      Node& node = at.nodes[i];
      node.before = anew, node.best_way = -1;
      for (int w = 0; w < node.way_count; ++w) {
        Way& way = node.ways[w];
        if (way.instant >= first_) {  // otherwise forgotten: its score stays
          const Node& there = instant(way.instant).nodes[way.node];
          way.score = there.before - way.cost - cut(there, node);
        }
        if (way.score > node.before) node.before = way.score, node.best_way = w;
      }
      node.before += node.gain;
      best = std::max(best, node.before);
    }
    at.best = best;
  }
}

// And from each node to the end, but of those that the best path leaves no doubt about.
void BallTracker::look_ahead() noexcept {
  const std::int64_t newest_ns = instant(end_ - 1).capture_ns;
  for (std::int64_t n = first_; n < end_; ++n) {
    Instant& at = instant(n);
    const double after = n == end_ - 1 ? 0 : -unseen(seconds_of(newest_ns - at.capture_ns));
    for (int i = 0; i < at.count; ++i) at.nodes[i].after = after;
  }
  const double least = best_ - kNoRival - kRounding;
  for (std::int64_t n = end_ - 1; n >= first_; --n)
    for (const Node& node : std::span(instant(n).nodes.data(), instant(n).count)) {
      if (node.before + node.after < least) continue;
      for (int i = 0; i < node.way_count; ++i) {
        const Way& way = node.ways[i];
        if (way.instant < first_) continue;
        Node& from = instant(way.instant).nodes[way.node];
        from.after = std::max(from.after, node.after + node.gain + way.score - from.before);
      }
    }
}

// The best path; where it is not seen it goes straight.
void BallTracker::choose_path() noexcept {
  const std::int64_t newest_ns = instant(end_ - 1).capture_ns;
  std::int64_t last = -1;
  int node = -1;
  best_ = base_ - unseen(seconds_of(newest_ns - instant(first_).capture_ns));
  for (std::int64_t n = first_; n < end_; ++n) {
    Instant& at = instant(n);
    at.chosen = -1;
    place(n) = {at.capture_ns, 1e9, 1e9, 1, 0};
    const double left = n == end_ - 1 ? 0 : unseen(seconds_of(newest_ns - at.capture_ns));
    for (int i = 0; i < at.count; ++i)
      if (const double total = at.nodes[i].before - left; total > best_)
        best_ = total, last = n, node = i;
  }
  std::int64_t next = end_;
  for (std::int64_t n = last; n >= first_;) {
    Instant& at = instant(n);
    const Node& here = at.nodes[node];
    at.chosen = node;
    const Node& there = next < end_ ? instant(next).nodes[instant(next).chosen] : here;
    const double gap_s = next < end_ ? seconds_of(place(next).capture_ns - at.capture_ns) : 1;
    for (std::int64_t k = n; k < next; ++k) {
      const double share = seconds_of(place(k).capture_ns - at.capture_ns) / gap_s;
      const double pitch = here.pitch + share * (there.pitch - here.pitch);
      place(k) = {place(k).capture_ns, here.yaw + share * (there.yaw - here.yaw), pitch,
                  std::cos(pitch), 0};
    }
    next = n;
    if (here.best_way < 0) break;
    n = here.ways[here.best_way].instant, node = here.ways[here.best_way].node;
  }
  for (std::int64_t k = first_; last >= 0 && k < next; ++k) {
    const std::int64_t capture_ns = place(k).capture_ns;
    place(k) = place(next);
    place(k).capture_ns = capture_ns;
  }
}

// For every instant the best path that is elsewhere; the path is trusted as far as it is better.
void BallTracker::find_rivals() noexcept {
  const std::int64_t newest_ns = instant(end_ - 1).capture_ns;
  const double nothing = base_ - unseen(seconds_of(newest_ns - instant(first_).capture_ns)),
               least = best_ - kNoRival;
  for (std::int64_t n = first_; n < end_; ++n) {
    place(n).rival = nothing;
    for (const Node& node : std::span(instant(n).nodes.data(), instant(n).count))
      if (node.before + node.after >= least)
        rival_at(place(n), node.yaw, node.pitch, node.before + node.after);
  }
  for (std::int64_t n = first_; n < end_; ++n) find_rival_ways(n, least);
  find_rival_ends(least);
  for (std::int64_t n = first_; n < end_; ++n)
    instant(n).trust = 1 / (1 + std::exp((kEven - (best_ - place(n).rival)) / kSure));
}

// Of the ways to the sights of an instant.
void BallTracker::find_rival_ways(std::int64_t n, double least) noexcept {
  const Instant& at = instant(n);
  std::int64_t known = n;  // from here on the least rival up to n is
  for (const Node& node : std::span(at.nodes.data(), at.count)) {
    if (node.before + node.after < least) continue;
    for (const Way& way : std::span(node.ways.data(), node.way_count)) {
      const double through = way.score + node.gain + node.after;
      if (way.instant < first_ || through < least ||
          seconds_of(at.capture_ns - place(way.instant).capture_ns) < kAtOnce_s)
        continue;
      for (; known > way.instant; --known)
        place(known - 1).least_rival =
            std::min(place(known - 1).rival, known < n ? place(known).least_rival : best_);
      if (through > place(way.instant).least_rival)
        rival_between(instant(way.instant).nodes[way.node], node, way.instant, n, through);
    }
  }
}

// Of the paths that end at a sight.
void BallTracker::find_rival_ends(double least) noexcept {
  const std::int64_t newest_ns = instant(end_ - 1).capture_ns;
  double least_rival = best_;  // after n
  for (std::int64_t n = end_ - 1; n >= first_; --n) {
    const Instant& at = instant(n);
    const Node* other = nullptr;  // the best one that the path does not take
    for (int i = 0; i < at.count; ++i) {
      const Node& node = at.nodes[i];
      if (i != at.chosen && node.before + node.after >= least &&
          (!other || node.before > other->before))
        other = &node;
    }
    const double left = unseen(seconds_of(newest_ns - at.capture_ns));
    for (const Node* last : {other, at.chosen < 0 ? nullptr : &at.nodes[at.chosen]})
      if (last && last->before - left > std::max(least, least_rival))
        rival_between(*last, *last, n + 1, end_, last->before - left);
    least_rival = std::min(least_rival, place(n).rival);
  }
}

// A path that goes straight from one node to another; of the instants [begin, end).
void BallTracker::rival_between(const Node& from, const Node& to, std::int64_t begin,
                                std::int64_t end, double total) noexcept {
  const std::int64_t start_ns = place(begin).capture_ns;
  const double yaw = to.yaw - from.yaw, pitch = to.pitch - from.pitch;
  const double gap_s = &from == &to ? 1 : seconds_of(place(end).capture_ns - start_ns);
  for (std::int64_t n = begin; n < end; ++n) {
    Place& path = place(n);
    if (total <= path.rival) continue;
    const double share = seconds_of(path.capture_ns - start_ns) / gap_s;
    rival_at(path, from.yaw + share * yaw, from.pitch + share * pitch, total);
  }
}

void BallTracker::rival_at(Place& path, double yaw, double pitch, double total) noexcept {
  if (total <= path.rival) return;
  const double across = (yaw - path.yaw) * path.cosine, up = pitch - path.pitch;
  if (!(across * across + up * up < kElsewhere * kElsewhere)) path.rival = total;
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

// Of the ball as it came to a sight, or goes on from it: from the next one on that side.
bool BallTracker::speed_around(std::int64_t number, int side, double& yaw,
                               double& pitch) const noexcept {
  const Instant& at = instant(number);
  for (std::int64_t n = number + side; n >= first_ && n < end_; n += side) {
    const double dt = seconds_of(instant(n).capture_ns - at.capture_ns);
    if (std::abs(dt) > kSpeed_s) break;
    if (!trusted(n)) continue;
    const Node &here = at.nodes[at.chosen], &there = instant(n).nodes[instant(n).chosen];
    yaw = (there.yaw - here.yaw) / dt, pitch = (there.pitch - here.pitch) / dt;
    return true;
  }
  return false;
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
  const double share = past / gap, straight_yaw = (to.yaw - from.yaw) / gap,
               straight_pitch = (to.pitch - from.pitch) / gap;
  const auto mix = [&](double x, double y) { return x + share * (y - x); };
  s.yaw = mix(from.yaw, to.yaw), s.pitch = mix(from.pitch, to.pitch);
  s.yaw_speed = straight_yaw, s.pitch_speed = straight_pitch;
  const double range = std::min(from.range, to.range);
  const double way = range * distance_between(from.yaw, from.pitch, to.yaw, to.pitch);
  const bool stays = from.lies && way < kLay;
  if (!stays) {
    // A cubic that leaves as the ball came, and arrives as it goes on.
    const double leaves = kKept * past * (1 - share) * (1 - share),
                 arrives = -ahead * share * share;
    if (double yaw, pitch; !from.lies && speed_around(before, -1, yaw, pitch))
      s.yaw += leaves * (yaw - straight_yaw), s.pitch += leaves * (pitch - straight_pitch);
    if (double yaw, pitch; speed_around(next, 1, yaw, pitch))
      s.yaw += arrives * (yaw - straight_yaw), s.pitch += arrives * (pitch - straight_pitch);
  }
  s.diameter = mix(from.diameter, to.diameter);
  s.track = std::min(a.trust, b.trust);
  const double astray = stays ? kAstrayLying : kAstray;
  s.confidence = s.track * sureness(astray * past * ahead / gap, range);
  s.interpolated = past > 0;
  return s;
}

LastSight BallTracker::last_sight(std::int64_t t) const noexcept {
  const auto sure = [&](std::int64_t n, double trust) {
    return instant(n).chosen >= 0 && instant(n).trust >= trust;
  };
  const std::int64_t after = first_after(t);
  std::int64_t before = after - 1, next = after;
  while (before >= first_ && !sure(before, kSurely)) --before;
  while (next < end_ && !sure(next, kContradicts)) ++next;
  if (before < first_) return {};
  const Instant& a = instant(before);
  const Node& from = a.nodes[a.chosen];
  if (seconds_of(t - a.capture_ns) > kMayLie_s) return {};
  const Instant& b = instant(std::min(next, end_ - 1));
  LastSight s{true, false, from.yaw, from.pitch, seconds_of(b.capture_ns - a.capture_ns)};
  s.lay = from.lies && seconds_of(a.capture_ns - from.still_since_ns) > kLaySurely_s;
  if (next < end_) {
    const Node& to = b.nodes[b.chosen];
    const double way =
        std::min(from.range, to.range) * distance_between(from.yaw, from.pitch, to.yaw, to.pitch);
    s.known = seconds_of(b.capture_ns - t) >= way / kPlayed;
  }
  return s;
}

}  // namespace gantry
