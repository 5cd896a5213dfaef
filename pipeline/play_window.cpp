// The ball's path and the players' middle over a window of detections.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/play_window.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kReachMargin = radians(1.5);  // a detector's error, added to what the ball can do
constexpr double kLongestReach_s = 2;          // later the path says nothing of where the ball is
constexpr double kSettled = 0.4;  // of the hold time: full trust up to here, then falling to 0

double seconds(std::int64_t ns) {
  return 1e-9 * static_cast<double>(ns);
}

// The difference of two instants, without overflow for any stamps.
std::int64_t between(std::int64_t earlier, std::int64_t later) {
  constexpr std::int64_t kLong = INT64_MAX / 4;
  return std::clamp(later, -kLong, kLong) - std::clamp(earlier, -kLong, kLong);
}

}  // namespace

PlayWindow::PlayWindow(const FollowConfig& config, const PanoramaGeometry& panorama)
    : config_(config), panorama_(panorama), ring_(kCapacity) {}

std::int64_t PlayWindow::newest_ns() const noexcept {
  return count_ ? instant(count_ - 1).capture_ns : INT64_MIN;
}

// Index of the first instant later than this one.
std::size_t PlayWindow::first_after(std::int64_t capture_ns) const noexcept {
  std::size_t low = 0, high = count_;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    (instant(middle).capture_ns <= capture_ns ? low = middle + 1 : high = middle);
  }
  return low;
}

void PlayWindow::forget_before(std::int64_t capture_ns) noexcept {
  while (count_ && instant(0).capture_ns < capture_ns) {
    head_ = (head_ + 1) % kCapacity;
    --count_;
  }
}

// The place of this instant in the order of time; null if it has one, or is older than a full window.
PlayWindow::Instant* PlayWindow::insert(std::int64_t capture_ns) noexcept {
  std::size_t at = first_after(capture_ns);
  if (at > 0 && instant(at - 1).capture_ns == capture_ns) return nullptr;
  if (count_ == kCapacity) {
    if (at == 0) return nullptr;
    head_ = (head_ + 1) % kCapacity;
    --count_;
    --at;
  }
  for (std::size_t i = count_; i > at; --i) instant(i) = instant(i - 1);
  ++count_;
  return &instant(at);
}

void PlayWindow::observe(const Detections& found) noexcept {
  const bool in_order = !tracking_ || found.capture_ns > last_.capture_ns;
  Instant* at = insert(found.capture_ns);
  if (!at) return;
  *at = Instant{};
  at->capture_ns = found.capture_ns;
  if (in_order || between(found.capture_ns, last_.capture_ns) > 1'000'000'000)
    follow_ball(found, *at);
  measure_players(found, *at);
}

bool PlayWindow::within_reach(const Sight& from, const Sight& to) const noexcept {
  const double time = std::abs(seconds(between(from.capture_ns, to.capture_ns)));
  const double yaw = (to.yaw - from.yaw) * std::cos(from.pitch), pitch = to.pitch - from.pitch;
  return std::hypot(yaw, pitch) <=
         kReachMargin + config_.ball_speed * std::min(time, kLongestReach_s);
}

void PlayWindow::follow_ball(const Detections& found, Instant& at) noexcept {
  const bool lost = !tracking_ || std::abs(seconds(between(last_.capture_ns, found.capture_ns))) >
                                      kLongestReach_s;
  Sight near, other;
  double best = -1e9;
  for (const Detection& d : found.view()) {
    if (d.object != ObjectClass::ball || !(d.confidence >= config_.ball_confidence) ||
        !std::isfinite(d.x) || !std::isfinite(d.y))
      continue;
    const Sight s{found.capture_ns, panorama_.yaw_of(d.x), panorama_.pitch_of(d.y), d.confidence};
    if (s.confidence > other.confidence) other = s;
    if (lost || !within_reach(last_, s)) continue;
    // A nearer candidate is worth more, by as much as a tenth of confidence per degree.
    const double value =
        s.confidence - 0.1 * std::hypot(s.yaw - last_.yaw, s.pitch - last_.pitch) / radians(1);
    if (value > best) best = value, near = s;
  }
  if (near.confidence > 0) {
    last_ = at.ball = near;
    at.has_ball = true;
    challenger_count_ = 0;
  } else if (other.confidence > 0) {
    challenge(other, at);
  }
}

void PlayWindow::challenge(const Sight& sight, Instant& at) noexcept {
  const bool goes_on =
      challenger_count_ > 0 && within_reach(challenger_[challenger_count_ - 1], sight);
  if (!goes_on) challenger_count_ = 0;
  challenger_[challenger_count_++] = sight;
  if (challenger_count_ < kConfirm) return;
  for (const Sight& s : challenger_) {
    const std::size_t i = first_after(s.capture_ns);
    if (i == 0 || instant(i - 1).capture_ns != s.capture_ns) continue;
    instant(i - 1).ball = s;
    instant(i - 1).has_ball = true;
  }
  challenger_count_ = 0;
  tracking_ = true;
  last_ = at.ball;
}

// Weighted medians: a few persons far off, or false ones, do not move the middle.
void PlayWindow::measure_players(const Detections& found, Instant& at) noexcept {
  std::size_t n = 0;
  double total = 0;
  for (const Detection& d : found.view()) {
    if (d.object != ObjectClass::person || !(d.confidence >= config_.person_confidence) ||
        !std::isfinite(d.x) || !std::isfinite(d.y) || !(d.confidence > 0))
      continue;
    persons_[n++] = {panorama_.yaw_of(d.x), panorama_.pitch_of(d.y), d.confidence};
    total += d.confidence;
  }
  if (n == 0) return;
  const auto begin = persons_.begin(), end = begin + static_cast<std::ptrdiff_t>(n);
  const auto quantile = [&](double share, double Weighted::*value) {
    double sum = 0;
    for (auto p = begin; p != end; ++p)
      if ((sum += p->weight) >= share * total) return (*p).*value;
    return persons_[n - 1].*value;
  };
  std::sort(begin, end, [](const Weighted& a, const Weighted& b) { return a.pitch < b.pitch; });
  at.players.pitch = quantile(0.5, &Weighted::pitch);
  std::sort(begin, end, [](const Weighted& a, const Weighted& b) { return a.yaw < b.yaw; });
  at.players.yaw = quantile(0.5, &Weighted::yaw);
  at.players.spread = quantile(0.9, &Weighted::yaw) - quantile(0.1, &Weighted::yaw);
  at.has_players = true;
}

double PlayWindow::trust_after(std::int64_t gap_ns) const noexcept {
  const double share = seconds(gap_ns) / config_.hold_s;
  return std::clamp((1 - share) / (1 - kSettled), 0.0, 1.0);
}

// The nearest instants at or before, and after, for which `has` holds, within twice the hold time.
template <typename Has>
std::pair<const PlayWindow::Instant*, const PlayWindow::Instant*> PlayWindow::neighbours(
    std::int64_t instant_ns, Has&& has) const noexcept {
  const auto reach = static_cast<std::int64_t>(2e9 * config_.hold_s);
  const std::size_t after = first_after(instant_ns);
  const auto near = [&](const Instant& i) {
    return std::abs(between(i.capture_ns, instant_ns)) <= reach;
  };
  const Instant *before = nullptr, *next = nullptr;
  for (std::size_t i = after; i-- > 0 && !before && near(instant(i));)
    if (has(instant(i))) before = &instant(i);
  for (std::size_t i = after; i < count_ && !next && near(instant(i)); ++i)
    if (has(instant(i))) next = &instant(i);
  return {before, next};
}

BallEstimate PlayWindow::ball_at(std::int64_t t) const noexcept {
  const auto [before, next] = neighbours(t, [](const Instant& i) { return i.has_ball; });
  if (!before && !next) return {};
  const std::int64_t past = before ? between(before->capture_ns, t) : INT64_MAX;
  const std::int64_t ahead = next ? between(t, next->capture_ns) : INT64_MAX;
  BallEstimate e;
  e.trust = trust_after(std::min(past, ahead));
  const Sight& nearest = past <= ahead ? before->ball : next->ball;
  e.yaw = nearest.yaw;
  e.pitch = nearest.pitch;
  // Between sights at most twice the hold time apart it went from one to the other; else it is in
  // neither place in the middle, where the trust is 0.
  if (before && next && seconds(past + ahead) <= 2 * config_.hold_s) {
    const double share = static_cast<double>(past) / static_cast<double>(past + ahead);
    e.yaw = before->ball.yaw + share * (next->ball.yaw - before->ball.yaw);
    e.pitch = before->ball.pitch + share * (next->ball.pitch - before->ball.pitch);
  }
  return e;
}

PlayersEstimate PlayWindow::players_at(std::int64_t t) const noexcept {
  const auto [before, next] = neighbours(t, [](const Instant& i) { return i.has_players; });
  if (!before && !next) return {};
  const std::int64_t past = before ? between(before->capture_ns, t) : INT64_MAX;
  const std::int64_t ahead = next ? between(t, next->capture_ns) : INT64_MAX;
  PlayersEstimate e = past <= ahead ? before->players : next->players;
  if (before && next) {
    const double share = static_cast<double>(past) / static_cast<double>(past + ahead);
    const auto mix = [&](double a, double b) { return a + share * (b - a); };
    e.yaw = mix(before->players.yaw, next->players.yaw);
    e.pitch = mix(before->players.pitch, next->players.pitch);
    e.spread = mix(before->players.spread, next->players.spread);
  }
  e.trust = trust_after(std::min(past, ahead));
  return e;
}

}  // namespace gantry
