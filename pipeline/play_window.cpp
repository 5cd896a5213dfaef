// The window over both trackers, and the players' flow.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/play_window.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kPause_s = 10;    // a longer one is doubted,
constexpr double kStepBack_s = 1;  // as is a step back by more than this
constexpr double kLead_s = 0.8;    // players are taken for where they will be
constexpr double kStandingWeight = 1, kRunningWeight = 0.6;  // and per m/s of who runs
constexpr double kNearMiddle = 0.25;  // radians: those farther from the middle weigh less
constexpr int kRounds = 3;            // of that weighting
constexpr double kSpreadOf = 2.4;     // standard deviations that hold most of them
constexpr double kTrusted_s = 1, kForgotten_s = 4;  // after (and before) players were last seen

double seconds(std::int64_t ns) {
  return 1e-9 * static_cast<double>(ns);
}

// The difference of two instants, without overflow for any stamps.
std::int64_t between(std::int64_t earlier, std::int64_t later) {
  constexpr std::int64_t kLong = INT64_MAX / 4;
  return std::clamp(later, -kLong, kLong) - std::clamp(earlier, -kLong, kLong);
}

}  // namespace

PlayWindow::PlayWindow(const BallTrackerConfig& ball, double person_confidence,
                       const PanoramaGeometry& panorama, const Ground& ground)
    : ball_(ball, panorama, ground),
      persons_(person_confidence, panorama, ground),
      ground_(ground),
      ring_(kInstants) {}

std::int64_t PlayWindow::newest_ns() const noexcept {
  return count_ ? instant(count_ - 1).capture_ns : INT64_MIN;
}

std::size_t PlayWindow::first_after(std::int64_t t) const noexcept {
  std::size_t low = 0, high = count_;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    (instant(middle).capture_ns <= t ? low = middle + 1 : high = middle);
  }
  return low;
}

void PlayWindow::forget_before(std::int64_t capture_ns) noexcept {
  ball_.forget_before(capture_ns);
  while (count_ && instant(0).capture_ns < capture_ns) {
    head_ = (head_ + 1) % kInstants;
    --count_;
  }
}

bool PlayWindow::believe(std::int64_t capture_ns) noexcept {
  const double step = count_ ? seconds(between(newest_ns(), capture_ns)) : 0;
  if (!count_ || (step > 0 && step <= kPause_s)) return true;
  if (step <= 0 && step >= -kStepBack_s) return false;
  const double on = seconds(between(doubted_ns_, capture_ns));
  const bool goes_on = doubted_ && on > 0 && on <= kPause_s;
  doubted_ = true;
  doubted_ns_ = capture_ns;
  if (!goes_on) return false;
  count_ = 0;
  ball_.clear();
  persons_.clear();
  return true;
}

void PlayWindow::observe(const Detections& found) noexcept {
  if (!believe(found.capture_ns)) return;
  doubted_ = false;
  persons_.observe(found);
  ball_.observe(found, persons_.people());
  if (count_ == kInstants) head_ = (head_ + 1) % kInstants, --count_;
  Instant& at = instant(count_++);
  at.capture_ns = found.capture_ns;
  at.players = measure();
  at.count = 0;
  for (const PersonState& p : persons_.people()) at.people[at.count++] = p;
}

// The middle of where everyone will be; who runs counts more, who is far from the others less.
PlayersState PlayWindow::measure() const noexcept {
  PlayersState s;
  double yaw = 0, pitch = 0;
  for (int round = 0; round <= kRounds; ++round) {
    double total = 0, yaws = 0, pitches = 0, squares = 0;
    for (const PersonState& p : persons_.people()) {
      const double range = ground_.range(p.pitch - p.height / 2);
      const double speed = std::min(8.0, range * std::hypot(p.yaw_speed, p.pitch_speed));
      const double lead = std::min(kLead_s, 5 / std::max(1.0, speed));
      const double y = p.yaw + lead * p.yaw_speed, e = p.pitch;
      const double off = round == 0 ? 0 : (y - yaw) / kNearMiddle;
      const double weight =
          p.confidence * (kStandingWeight + kRunningWeight * speed) / (1 + off * off);
      total += weight, yaws += weight * y, pitches += weight * e;
      squares += weight * (y - yaw) * (y - yaw);
    }
    if (total <= 0) return s;
    if (round == kRounds) s.spread = kSpreadOf * std::sqrt(squares / total);
    yaw = yaws / total, pitch = pitches / total;
  }
  s.yaw = yaw, s.pitch = pitch, s.trust = 1;
  return s;
}

PlayersState PlayWindow::players_at(std::int64_t t) const noexcept {
  const std::size_t after = first_after(t);
  std::size_t before = after, next = after;
  while (before > 0 && instant(before - 1).players.trust == 0) --before;
  while (next < count_ && instant(next).players.trust == 0) ++next;
  if (before == 0 && next == count_) return {};
  const Instant& a = instant(before > 0 ? before - 1 : next);
  const Instant& b = instant(next < count_ ? next : before - 1);
  const double past = std::abs(seconds(between(a.capture_ns, t))),
               ahead = std::abs(seconds(between(t, b.capture_ns)));
  const double share = &a == &b ? 0 : past / std::max(1e-9, past + ahead);
  const auto mix = [&](double x, double y) { return x + share * (y - x); };
  PlayersState s;
  s.yaw = mix(a.players.yaw, b.players.yaw);
  s.pitch = mix(a.players.pitch, b.players.pitch);
  s.spread = mix(a.players.spread, b.players.spread);
  s.trust =
      std::clamp((kForgotten_s - std::min(past, ahead)) / (kForgotten_s - kTrusted_s), 0.0, 1.0);
  return s;
}

void PlayWindow::tracks_at(std::int64_t t, Tracks& out) const noexcept {
  out.capture_ns = t;
  out.ball = ball_.at(t);
  out.person_count = 0;
  const std::size_t after = first_after(t);
  if (count_ == 0) return;
  const Instant& a = instant(after > 0 ? after - 1 : 0);
  const Instant& b = instant(std::min(after, count_ - 1));
  const double past = seconds(between(a.capture_ns, t)),
               gap = seconds(between(a.capture_ns, b.capture_ns));
  if (past > kTrusted_s || (after == 0 && past < 0)) return;
  for (std::uint32_t i = 0; i < a.count; ++i) {
    PersonState p = a.people[i];
    const auto same = std::find_if(b.people.begin(), b.people.begin() + b.count,
                                   [&](const PersonState& q) { return q.identity == p.identity; });
    if (gap > 0 && same != b.people.begin() + b.count) {
      const auto share = static_cast<float>(past / gap);
      p.yaw += share * (same->yaw - p.yaw), p.pitch += share * (same->pitch - p.pitch);
    } else {
      p.yaw += static_cast<float>(past) * p.yaw_speed;
      p.pitch += static_cast<float>(past) * p.pitch_speed;
    }
    p.seen = p.seen && past == 0;
    out.persons[out.person_count++] = p;
  }
}

}  // namespace gantry
