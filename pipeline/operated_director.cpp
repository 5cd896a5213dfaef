// Hand-overs between directors and a hand.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/operated_director.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kLongestStep_s = 0.2;  // after a gap in the frames the camera goes on from here
constexpr double kCaughtUp = radians(0.002);        // from the director's pose, every axis …
constexpr double kAtItsSpeed = radians(0.005);      // … and from its speed, a second
constexpr double kBraking_s = 1.0 / 30;             // a step, when asked where it would rest
constexpr std::int64_t kLatest_ns = INT64_MAX / 4;  // sums of instants stay in range

Axes axes(const CameraPose& p) {
  return {p.yaw, p.pitch, p.field_of_view};
}

// The state of an axis that has come to a place in this time.
AxisState moved(const AxisState& from, double place, double seconds) {
  const double speed = (place - from.place) / seconds;
  return {place, speed, (speed - from.speed) / seconds};
}

std::array<AxisState, 3> at_rest(const CameraPose& p) {
  return {AxisState{p.yaw}, AxisState{p.pitch}, AxisState{p.field_of_view}};
}

}  // namespace

OperatedDirector::OperatedDirector(const DirectorConfig& config, const PanoramaGeometry& panorama,
                                   const ViewLimits& limits, double hand_back_s,
                                   ControlCommands& commands, ControlStatuses& statuses)
    : limits_(limits),
      hand_back_s_(hand_back_s),
      commands_(commands),
      statuses_(statuses),
      kind_(config.kind),
      motion_(limits_, config.motion) {
  DirectorConfig each = config;
  for (const auto kind :
       {DirectorConfig::Kind::follow, DirectorConfig::Kind::sweep, DirectorConfig::Kind::fixed}) {
    each.kind = kind;
    directors_[static_cast<std::size_t>(kind)] = make_director(each, panorama, limits);
  }
  tell();  // who will lead, before there is a frame
}

void OperatedDirector::observe(const Detections& found) noexcept {
  for (auto& d : directors_) d->observe(found);
}

const Decision& OperatedDirector::decide(std::int64_t capture_ns) noexcept {
  capture_ns = std::clamp(capture_ns, -kLatest_ns, kLatest_ns);
  const double seconds = 1e-9 * static_cast<double>(capture_ns - decision_.capture_ns);
  // What comes before the first frame waits for it: there is no camera to move yet.
  if (started_)
    for (ControlCommand c; commands_.pop(c);) obey(c, capture_ns);
  if (hand_ == Hand::steers && capture_ns >= hand_back_ns_) hand_ = Hand::leaves;
  if (started_ && capture_ns == decision_.capture_ns) return decision_;

  const CameraPose before = decision_.pose;
  decision_ = director().decide(capture_ns);
  decision_.capture_ns = capture_ns;
  const bool moves = started_ && seconds > 0;
  const double step_s = std::min(seconds, kLongestStep_s);
  const Axes directed = axes(decision_.pose);
  if (moves)
    for (std::size_t i = 0; i < 3; ++i) directed_[i] = moved(directed_[i], directed[i], step_s);
  else
    directed_ = at_rest(decision_.pose);
  if (hand_ != Hand::off) {
    decision_.pose = before;
    if (moves && hand_ == Hand::steers) steer(step_s);
    if (moves && hand_ == Hand::leaves) give_back(step_s);
  }
  started_ = true;
  tell();
  return decision_;
}

void OperatedDirector::obey(const ControlCommand& c, std::int64_t capture_ns) noexcept {
  switch (c.kind) {
    case ControlCommand::Kind::steer: {
      take_over();
      const bool stands = !c.yaw && !c.pitch && !c.field_of_view;
      if (hand_ != Hand::steers || stands) target_ = motion_.resting_place(kBraking_s);
      target_ = limits_.clamp({c.yaw.value_or(target_.yaw), c.pitch.value_or(target_.pitch),
                               c.field_of_view.value_or(target_.field_of_view)});
      hand_ = Hand::steers;
      const double hold_s = c.hold_s.value_or(hand_back_s_);
      hand_back_ns_ = hold_s > 0 ? capture_ns + std::llround(1e9 * hold_s) : INT64_MAX;
      return;
    }
    case ControlCommand::Kind::direct:
      take_over();
      kind_ = c.director;
      directed_ = at_rest(director().decide(capture_ns).pose);
      hand_ = Hand::leaves;
      return;
    default:
      if (hand_ == Hand::steers) hand_ = Hand::leaves;
  }
}

// From the director's hands, as the camera moves.
void OperatedDirector::take_over() noexcept {
  if (hand_ != Hand::off) return;
  const auto& [yaw, pitch, zoom] = directed_;
  motion_.start(decision_.pose, {yaw.speed, pitch.speed, zoom.speed},
                {yaw.acceleration, pitch.acceleration, zoom.acceleration});
}

void OperatedDirector::steer(double seconds) noexcept {
  decision_.pose = motion_.seek(at_rest(target_), seconds);
  decision_.aim = target_;
  decision_.reason = Reason::set;
}

// Once the director's pose is caught up with, the director leads again.
void OperatedDirector::give_back(double seconds) noexcept {
  const CameraPose directed{directed_[0].place, directed_[1].place, directed_[2].place};
  decision_.pose = motion_.seek(directed_, seconds);
  for (std::size_t i = 0; i < 3; ++i) {
    const AxisState reached = motion_.axis(i);
    if (std::abs(reached.place - directed_[i].place) >= kCaughtUp ||
        std::abs(reached.speed - directed_[i].speed) >= kAtItsSpeed)
      return;
  }
  hand_ = Hand::off;
  decision_.pose = directed;
}

void OperatedDirector::tell() noexcept {
  ControlStatus s;
  s.capture_ns = decision_.capture_ns;
  s.pose = decision_.pose;
  s.director = kind_;
  s.manual = hand_ == Hand::steers;
  if (s.manual && hand_back_ns_ != INT64_MAX)
    s.hand_back_s = 1e-9 * static_cast<double>(hand_back_ns_ - decision_.capture_ns);
  s.reason = decision_.reason;
  s.ball_confidence = decision_.tracks.ball.known ? decision_.tracks.ball.confidence : 0;
  // NOLINTNEXTLINE(performance-move-const-arg): a queue takes what it is given
  statuses_.push(std::move(s));
}

}  // namespace gantry
