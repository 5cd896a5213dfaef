// Hand-overs between directors and a hand.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/operated_director.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kLongestStep_s = 0.2;  // after a gap in the frames the camera goes on from here
constexpr double kCaughtUp = radians(0.002);        // from the director's pose, every axis …
constexpr double kAtItsSpeed = radians(0.05);       // … and from its speed, a second
constexpr std::int64_t kLatest_ns = INT64_MAX / 4;  // sums of instants stay in range

CameraPose rate(const CameraPose& from, const CameraPose& to, double seconds) {
  return {(to.yaw - from.yaw) / seconds, (to.pitch - from.pitch) / seconds,
          (to.field_of_view - from.field_of_view) / seconds};
}

double farthest(const CameraPose& a, const CameraPose& b) {
  return std::max({std::abs(a.yaw - b.yaw), std::abs(a.pitch - b.pitch),
                   std::abs(a.field_of_view - b.field_of_view)});
}

}  // namespace

OperatedDirector::OperatedDirector(const DirectorConfig& config, const PanoramaGeometry& panorama,
                                   const ViewLimits& limits, double hand_back_s,
                                   ControlCommands& commands, ControlStatuses& statuses)
    : limits_(limits),
      motion_limits_(config.motion),
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

  const CameraPose before = decision_.pose, directed_before = directed_;
  decision_ = director().decide(capture_ns);
  directed_ = decision_.pose;
  decision_.capture_ns = capture_ns;
  if (hand_ != Hand::off) {
    const double step_s = std::min(seconds, kLongestStep_s);
    decision_.pose = before;
    if (seconds > 0 && hand_ == Hand::steers) steer(step_s);
    if (seconds > 0 && hand_ == Hand::leaves) give_back(directed_before, step_s);
  }
  if (started_ && seconds > 0) speed_ = rate(before, decision_.pose, seconds);
  started_ = true;
  tell();
  return decision_;
}

void OperatedDirector::obey(const ControlCommand& c, std::int64_t capture_ns) noexcept {
  switch (c.kind) {
    case ControlCommand::Kind::steer: {
      take_over();
      const bool stands = !c.yaw && !c.pitch && !c.field_of_view;
      if (hand_ != Hand::steers || stands) target_ = resting_place();
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
      directed_ = director().decide(capture_ns).pose;
      hand_ = Hand::leaves;
      return;
    default:
      if (hand_ == Hand::steers) hand_ = Hand::leaves;
  }
}

// From the director's hands, with the speed that the camera has.
void OperatedDirector::take_over() noexcept {
  if (hand_ == Hand::off) motion_.start(decision_.pose, speed_);
}

// Where the camera would come to rest if it braked now.
CameraPose OperatedDirector::resting_place() const noexcept {
  const auto rest = [](double place, double speed, const AxisLimits& limits) {
    return place + speed * std::abs(speed) / (2 * limits.acceleration);
  };
  const CameraPose& p = decision_.pose;
  return limits_.clamp({rest(p.yaw, speed_.yaw, motion_limits_.yaw),
                        rest(p.pitch, speed_.pitch, motion_limits_.pitch),
                        rest(p.field_of_view, speed_.field_of_view, motion_limits_.field_of_view)});
}

void OperatedDirector::steer(double seconds) noexcept {
  decision_.pose = motion_.advance(target_, {}, seconds);
  decision_.aim = target_;
  decision_.reason = Reason::set;
}

// After the director's pose of the frame before, which moves on to this frame's; once it is caught up
// with, the director leads again.
void OperatedDirector::give_back(const CameraPose& before, double seconds) noexcept {
  const CameraPose speed = rate(before, directed_, seconds);
  const CameraPose from = decision_.pose;
  decision_.pose = motion_.advance(before, speed, seconds);
  if (farthest(decision_.pose, directed_) < kCaughtUp &&
      farthest(rate(from, decision_.pose, seconds), speed) < kAtItsSpeed) {
    hand_ = Hand::off;
    decision_.pose = directed_;
  }
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
  statuses_.push(std::move(s));
}

}  // namespace gantry
