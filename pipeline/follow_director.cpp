// From the window of play to places, from places to a path, from the path to a step.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/follow_director.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kLongestStep_s = 0.2;  // after a gap in the frames the camera goes on from here
constexpr std::int64_t kLatest_ns = INT64_MAX / 4;  // sums of instants stay in range
constexpr std::int64_t kKept_ns = 6'000'000'000;    // detections before the frame shown
constexpr double kBlind_s = 2;        // with nothing known ahead, so far is planned all the same
constexpr double kLead_s = 0.5;       // the view shows where the ball can be after this time
constexpr double kRoom = 1.25;        // and is so much larger than what it must hold
constexpr double kPlayersRoom = 1.1;  // view to players' spread, when the ball is not known
constexpr double kZoneWeight = 3, kLeastTrust = 0.12,
                 kBlindTrust = 0.35;                  // weights of a plan's targets
constexpr double kDoubtful = 0.01, kFollowed = 0.08;  // trust in a track that has no, and all, say
constexpr double kStill = 0.5;                        // m/s: below, the ball lies, and is kept
constexpr double kWithin = 0.97, kLyingBound = 1000;  // within this part of the view;
constexpr double kShortGap_s = 0.6;                   // so nearly seen all the time
// Where the ball may be as well is shown too if it is not farther from the aim, in yaw: after it lay
// there, and in a gap of so many seconds; the aim may go out of the view by this part of its reach.
constexpr double kBothLaid = radians(40), kBoth = radians(30), kLongGap_s = 3;
constexpr double kBothAside = 1.2, kBothWithin = 0.93, kBothBound = 60, kBothRoom = 1.2;
constexpr double kAnywhere = 1e9;
constexpr double kBend_s = 1.2;  // from both sights; from there on the players tell more of the way
constexpr double kZoomCalm = 2;  // the zoom's smoothing to that of the aim

double mix(double a, double b, double share) {
  return a + share * (b - a);
}

double smoothstep(double low, double high, double x) {
  const double t = std::clamp((x - low) / (high - low), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

// The planner follows targets of weight 1 with this time constant.
Effort effort_for(double smoothing_s) {
  const double s2 = smoothing_s * smoothing_s;
  return {s2 * s2, 0.02 * s2 * s2 * s2};
}

}  // namespace

FollowDirector::FollowDirector(const FollowConfig& config, const MotionLimits& motion,
                               const PanoramaGeometry& panorama, const ViewLimits& limits)
    : config_(config),
      limits_(limits),
      home_(limits_.clamp({limits.home().yaw, limits.home().pitch, config.wide})),
      panorama_(panorama),
      ground_{config.camera_height},
      window_({config.ball_confidence, config.ball_speed, 3}, config.person_confidence, panorama,
              ground_),
      motion_(limits_, motion) {
  for (std::size_t j = 0; j <= kRows; ++j)
    for (std::size_t i = 0; i <= kColumns; ++i)
      widest_[j][i] = static_cast<float>(limits_.widest_at(
          mix(panorama.yaw_left, panorama.yaw_right, static_cast<double>(i) / kColumns),
          mix(panorama.pitch_bottom, panorama.pitch_top, static_cast<double>(j) / kRows)));
}

// From the table: the limits' own answer takes too long to be asked for every place.
double FollowDirector::widest_at(double yaw, double pitch) const noexcept {
  const auto& p = panorama_;
  const auto along = [](double value, double from, double to, std::size_t cells) {
    return std::clamp((value - from) / (to - from), 0.0, 1 - 1e-9) * static_cast<double>(cells);
  };
  const double x = along(yaw, p.yaw_left, p.yaw_right, kColumns),
               y = along(pitch, p.pitch_bottom, p.pitch_top, kRows);
  const auto i = static_cast<std::size_t>(x), j = static_cast<std::size_t>(y);
  const double u = x - static_cast<double>(i), v = y - static_cast<double>(j);
  return mix(mix(widest_[j][i], widest_[j][i + 1], u),
             mix(widest_[j + 1][i], widest_[j + 1][i + 1], u), v);
}

void FollowDirector::observe(const Detections& found) noexcept {
  window_.observe(found);
}

// Wide enough for the scene at the ball's distance, and for where it can be in a moment.
double FollowDirector::view_of(const BallState& ball) const noexcept {
  const double scene = 2 * std::atan(config_.scene / 2 / ground_.range(ball.pitch));
  const double speed = std::hypot(ball.yaw_speed * std::cos(ball.pitch), ball.pitch_speed);
  return std::clamp(scene + kLead_s * speed, config_.narrow, config_.wide);
}

// Between two sights that are farther apart the ball goes the straight way, but as the players go.
void FollowDirector::bend(BallState& ball, const PlayersState& players,
                          std::int64_t t) const noexcept {
  const PlayersState before = window_.players_at(ball.seen_before_ns),
                     after = window_.players_at(ball.seen_after_ns);
  const double past_s = 1e-9 * static_cast<double>(t - ball.seen_before_ns),
               gap_s = 1e-9 * static_cast<double>(ball.seen_after_ns - ball.seen_before_ns);
  const double share = past_s / gap_s, far_s = past_s * (1 - share);
  const double sure = std::min({before.trust, after.trust, players.trust}) * far_s * far_s /
                      (far_s * far_s + kBend_s * kBend_s);
  ball.yaw += sure * (players.yaw - mix(before.yaw, after.yaw, share));
  ball.pitch += sure * (players.pitch - mix(before.pitch, after.pitch, share));
}

// How far the ball decides where to look: the longer it is not seen, the less.
double FollowDirector::share_of(const BallState& ball, std::int64_t t) const noexcept {
  if (!ball.known) return 0;
  const double unseen_s = 1e-9 * static_cast<double>(std::min(std::abs(t - ball.seen_before_ns),
                                                              std::abs(ball.seen_after_ns - t)));
  const bool between = ball.seen_after_ns > ball.seen_before_ns;
  const double hold_s = config_.hold_s, from = between ? hold_s : hold_s / 2,
               to = between ? 4 * hold_s : 1.5 * hold_s;
  return smoothstep(kDoubtful, kFollowed, ball.track) * (1 - smoothstep(from, to, unseen_s));
}

// What lies is shown until it is played; what lay when it was last seen, and what has not been seen
// for long, as long as it may still be there and the view can show it together with the aim.
FollowDirector::Hold FollowDirector::hold_of(const Place& p, const BallState& ball) const noexcept {
  const double lying = kWithin * p.field_of_view / 2;
  if (p.last.known && p.last.lay && p.last.gap_s < kShortGap_s)
    return {p.last.yaw, p.last.pitch, lying, kLyingBound};
  if (p.lies) return {ball.yaw, ball.pitch, lying, kLyingBound};
  const double widest =
      std::max(p.field_of_view, std::min(config_.wide, widest_at(p.yaw, p.pitch)));
  const double reach = kBothWithin * widest / 2, off = std::abs(p.last.yaw - p.yaw);
  const double most = p.last.lay ? kBothLaid : p.last.gap_s >= kLongGap_s ? kBoth : 0;
  if (!p.last.known || off > std::min(most, kBothAside * reach)) return {0, 0, kAnywhere, 0};
  return {p.last.yaw, p.last.pitch, reach, kBothBound};
}

// The view of the planned aim that shows a place.
double FollowDirector::view_to_show(std::size_t step, double yaw, double pitch,
                                    double room) const noexcept {
  const double across = std::abs(yaw_.path()[step].place - yaw),
               down = std::abs(pitch_.path()[step].place - pitch) / limits_.aspect();
  return std::min(config_.wide, 2 * room * std::max(across, down));
}

FollowDirector::Place FollowDirector::place_at(std::int64_t t) const noexcept {
  BallState ball = window_.ball_at(t);
  const PlayersState players = window_.players_at(t);
  const double share = share_of(ball, t);
  if (ball.interpolated && ball.seen_after_ns > ball.seen_before_ns) bend(ball, players, t);
  Place p{};
  p.yaw = mix(mix(home_.yaw, players.yaw, players.trust), ball.yaw, share);
  p.pitch = mix(mix(home_.pitch, players.pitch, players.trust), ball.pitch, share);
  const double of_players = std::clamp(kPlayersRoom * players.spread, config_.narrow, config_.wide);
  const double view = mix(mix(config_.wide, of_players, players.trust), view_of(ball), share);
  p.field_of_view = std::min(view, std::max(config_.narrow, widest_at(p.yaw, p.pitch)));
  p.ball_share = share;
  const double speed = std::hypot(ball.yaw_speed * std::cos(ball.pitch), ball.pitch_speed);
  p.lies = share * ball.confidence >= 0.5 && speed * ground_.range(ball.pitch) < kStill;
  p.last = window_.last_sight(t);
  p.hold = hold_of(p, ball);
  p.trust = std::max(kLeastTrust, share * mix(kBlindTrust, 1, ball.confidence));
  const CameraPose fitting = limits_.clamp({p.yaw, p.pitch, p.field_of_view});
  p.yaw = fitting.yaw, p.pitch = fitting.pitch, p.field_of_view = fitting.field_of_view;
  return p;
}

std::size_t FollowDirector::look_ahead(std::int64_t now_ns) noexcept {
  const auto step_ns = static_cast<std::int64_t>(1e9 * PathPlanner::kStep_s);
  const std::int64_t known_ns = std::clamp(window_.newest_ns(), now_ns, now_ns + 100 * step_ns);
  const auto blind = static_cast<std::size_t>(kBlind_s / PathPlanner::kStep_s);
  const auto steps =
      std::min(kSteps, std::max(blind, static_cast<std::size_t>((known_ns - now_ns) / step_ns)));
  for (std::size_t k = 0; k < steps; ++k)
    places_[k] = place_at(now_ns + static_cast<std::int64_t>(k + 1) * step_ns);
  return steps;
}

Axes FollowDirector::plan(std::size_t steps) noexcept {
  const Effort effort = effort_for(config_.smoothing_s);
  Axes jerk{};
  const double slack = config_.slack;
  const auto plan_aim = [&](PathPlanner& planner, std::size_t axis, double Place::*value,
                            double Hold::*held, double across) {
    for (std::size_t k = 0; k < steps; ++k) {
      const Place& p = places_[k];
      const double reach = across * p.hold.reach;
      targets_[k] = {p.*value,
                     0.25 * p.trust,
                     slack * p.field_of_view,
                     kZoneWeight * p.trust,
                     p.hold.*held - reach,
                     p.hold.*held + reach,
                     p.hold.bound};
    }
    jerk[axis] =
        planner.plan(motion_.axis(axis), {targets_.data(), steps}, effort, motion_.limits(axis));
  };
  plan_aim(yaw_, 0, &Place::yaw, &Hold::yaw, 1);
  plan_aim(pitch_, 1, &Place::pitch, &Hold::pitch, limits_.aspect());
  jerk[2] = plan_zoom(steps);
  return jerk;
}

// Wide enough for what the aim, as it is planned, is off.
double FollowDirector::plan_zoom(std::size_t steps) noexcept {
  for (std::size_t k = 0; k < steps; ++k) {
    const Place& p = places_[k];
    double held = p.ball_share * view_to_show(k, p.yaw, p.pitch, kRoom);
    if (p.last.known && !p.lies)
      held = std::max(held, view_to_show(k, p.last.yaw, p.last.pitch, kBothRoom));
    const double widest = p.lies ? std::max(p.field_of_view, held) : config_.wide;
    targets_[k] = {std::max(p.field_of_view, held), 1, 0, 0, held, widest};
  }
  return zoom_.plan(motion_.axis(2), {targets_.data(), steps},
                    effort_for(kZoomCalm * config_.smoothing_s), motion_.limits(2));
}

void FollowDirector::move_to(std::int64_t capture_ns) noexcept {
  if (!started_) {
    started_ = true;
    const Place p = place_at(capture_ns);
    motion_.start({p.yaw, p.pitch, p.field_of_view});
    last_ns_ = capture_ns;
    return;
  }
  if (capture_ns <= last_ns_) {
    // A step back of more than a moment is a new time line: it goes on from there.
    if (last_ns_ - capture_ns > 1'000'000'000) last_ns_ = capture_ns;
    return;
  }
  const double step_s = std::min(1e-9 * static_cast<double>(capture_ns - last_ns_), kLongestStep_s);
  const std::size_t steps = look_ahead(last_ns_);
  motion_.advance(plan(steps), step_s);
  last_ns_ = capture_ns;
  window_.forget_before(capture_ns - kKept_ns);
}

void FollowDirector::explain(std::int64_t capture_ns) noexcept {
  decision_.capture_ns = capture_ns;
  decision_.pose = motion_.pose();
  window_.tracks_at(last_ns_, decision_.tracks);
  const Place p = place_at(last_ns_);
  decision_.aim = {p.yaw, p.pitch, p.field_of_view};
  decision_.ball_share = p.ball_share;
  const BallState& ball = decision_.tracks.ball;
  decision_.reason = p.ball_share >= 0.5 ? (ball.confidence >= 0.5 ? Reason::ball : Reason::gap)
                     : window_.players_at(last_ns_).trust > 0.5 ? Reason::players
                                                                : Reason::nothing;
}

const Decision& FollowDirector::decide(std::int64_t capture_ns) noexcept {
  move_to(std::clamp(capture_ns, -kLatest_ns, kLatest_ns));
  explain(capture_ns);
  return decision_;
}

}  // namespace gantry
