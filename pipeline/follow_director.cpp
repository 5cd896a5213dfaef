// From the window of play to an aim, and from aim to aim.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/follow_director.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace gantry {
namespace {

constexpr int kSide = 8;              // samples of the average to either side
constexpr double kRoom = 1.3;         // the view is so much larger than what it must hold
constexpr double kBallLead_s = 0.8;   // and shows where the ball can be after this time
constexpr double kSpreadShare = 1.2;  // view to players' spread, when the ball is not known
constexpr double kShortestMean_s = 0.25;
constexpr std::int64_t kSlope_ns = 40'000'000;  // the aim's speed is taken over twice this
constexpr double kLongestStep_s = 0.2;  // after a gap in the frames the camera goes on from here
constexpr std::int64_t kLatest_ns = INT64_MAX / 4;  // sums of instants stay in range
constexpr std::int64_t kKept_ns = 10'000'000'000;   // detections before the frame shown

}  // namespace

FollowDirector::FollowDirector(const FollowConfig& config, const MotionLimits& motion,
                               const PanoramaGeometry& panorama, const ViewLimits& limits)
    : config_(config),
      limits_(limits),
      home_(limits_.clamp({limits.home().yaw, limits.home().pitch, config.wide})),
      window_(config, panorama),
      motion_(limits_, motion) {}

void FollowDirector::observe(const Detections& found) noexcept {
  window_.observe(found);
}

FollowDirector::Place FollowDirector::place_at(std::int64_t t) const noexcept {
  const BallEstimate ball = window_.ball_at(t);
  const PlayersEstimate players = window_.players_at(t);
  const auto mix = [](double a, double b, double share) { return a + share * (b - a); };
  return {mix(mix(home_.yaw, players.yaw, players.trust), ball.yaw, ball.trust),
          mix(mix(home_.pitch, players.pitch, players.trust), ball.pitch, ball.trust), ball.trust,
          players.trust, players.spread};
}

CameraPose FollowDirector::aim_at(std::int64_t t) const noexcept {
  // Without a future the average reaches no further into the past either: the camera would lag.
  const std::int64_t known_to = std::clamp(window_.newest_ns(), t, t + kKept_ns);
  const double known_s = 1e-9 * static_cast<double>(known_to - t);
  const double side_s =
      std::clamp(known_s, std::min(kShortestMean_s, config_.smoothing_s), config_.smoothing_s);
  std::array<Place, 2 * kSide + 1> places;
  double total = 0, yaw = 0, pitch = 0, ball = 0, players = 0, spread = 0, way = 0;
  for (int i = -kSide; i <= kSide; ++i) {
    Place& p = places[static_cast<std::size_t>(i + kSide)];
    p = place_at(t + static_cast<std::int64_t>(1e9 * side_s * i / kSide));
    const double weight = kSide + 1 - std::abs(i);
    total += weight;
    yaw += weight * p.yaw;
    pitch += weight * p.pitch;
    ball += weight * p.ball_trust;
    players += weight * p.players_trust;
    spread += weight * p.players_trust * p.spread;
    if (i > -kSide) {
      const Place& last = places[static_cast<std::size_t>(i + kSide - 1)];
      way += std::hypot(p.yaw - last.yaw, p.pitch - last.pitch);
    }
  }
  CameraPose aim{yaw / total, pitch / total, 0};
  double reach = 0;
  for (const Place& p : places)
    reach = std::max(
        {reach, std::abs(p.yaw - aim.yaw), std::abs(p.pitch - aim.pitch) / limits_.aspect()});
  const double of_ball = config_.narrow + kBallLead_s * way / (2 * side_s);
  const double of_players = players > 0 ? kSpreadShare * spread / players : config_.wide;
  const double ball_share = ball / total, players_share = players / total;
  const double without_ball = config_.wide + players_share * (of_players - config_.wide);
  const double wanted = without_ball + ball_share * (of_ball - without_ball);
  aim.field_of_view =
      std::clamp(std::max(wanted, 2 * kRoom * reach * ball_share), config_.narrow, config_.wide);
  return limits_.clamp(aim);
}

const Decision& FollowDirector::decide(std::int64_t capture_ns) noexcept {
  decision_.capture_ns = capture_ns;
  decision_.pose = move_to(capture_ns);
  const BallEstimate ball = window_.ball_at(last_ns_);
  decision_.tracks.ball = {ball.trust > 0, false, ball.yaw, ball.pitch, 0, 0, 0, ball.trust};
  decision_.reason = ball.trust > 0.5 ? Reason::ball : Reason::players;
  decision_.ball_share = ball.trust;
  return decision_;
}

const CameraPose& FollowDirector::move_to(std::int64_t capture_ns) noexcept {
  capture_ns = std::clamp(capture_ns, -kLatest_ns, kLatest_ns);
  if (started_ && capture_ns <= last_ns_) {
    // A step back of more than a moment is a new time line: it goes on from there.
    if (last_ns_ - capture_ns > 1'000'000'000) last_ns_ = capture_ns;
    return motion_.pose();
  }
  if (!started_) {
    started_ = true;
    motion_.start(aim_at(capture_ns));
  } else {
    const double step_s =
        std::min(1e-9 * static_cast<double>(capture_ns - last_ns_), kLongestStep_s);
    CameraPose aim = aim_at(capture_ns);
    const CameraPose before = aim_at(capture_ns - kSlope_ns),
                     after = aim_at(capture_ns + kSlope_ns);
    const double over_s = 2e-9 * static_cast<double>(kSlope_ns);
    const CameraPose speed{(after.yaw - before.yaw) / over_s, (after.pitch - before.pitch) / over_s,
                           (after.field_of_view - before.field_of_view) / over_s};
    // A camera that lags opens until the aim is inside of its view again.
    const CameraPose& here = motion_.pose();
    const double lag =
        std::max(std::abs(aim.yaw - here.yaw), std::abs(aim.pitch - here.pitch) / limits_.aspect());
    aim.field_of_view =
        std::clamp(std::max(aim.field_of_view, 2 * kRoom * lag), config_.narrow, config_.wide);
    motion_.advance(limits_.clamp(aim), speed, step_s);
  }
  last_ns_ = capture_ns;
  window_.forget_before(capture_ns - kKept_ns);
  return motion_.pose();
}

}  // namespace gantry
