// Prediction, matching, births and ends of the persons' tracks.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/person_tracker.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kNear = 0.9,
                 kReach = 2.5;  // metres, and metres a second, from where it is expected
constexpr double kForgotten_s = 1.5;
constexpr double kDamping_s = 2;     // who is not seen comes to rest in this time
constexpr double kLongestGap_s = 3;  // afterwards nobody is the same

}  // namespace

void PersonTracker::observe(const Detections& found) noexcept {
  const double dt = started_ ? 1e-9 * static_cast<double>(found.capture_ns - last_ns_) : 0;
  if (dt > kLongestGap_s) count_ = 0;
  started_ = true;
  last_ns_ = found.capture_ns;
  predict(dt);
  match(take_candidates(found), dt);
}

void PersonTracker::predict(double dt) noexcept {
  const auto damping = static_cast<float>(std::exp(-dt / kDamping_s));
  for (std::size_t i = 0; i < count_; ++i) {
    PersonState& p = tracks_[i];
    p.yaw += p.yaw_speed * static_cast<float>(dt);
    p.pitch += p.pitch_speed * static_cast<float>(dt);
    if (!p.seen) p.yaw_speed *= damping, p.pitch_speed *= damping;
    p.seen = false;
    unseen_s_[i] += static_cast<float>(dt);
  }
}

// The most confident ones.
std::size_t PersonTracker::take_candidates(const Detections& found) noexcept {
  const double across = (panorama_.yaw_right - panorama_.yaw_left) / panorama_.width;
  const double down = (panorama_.pitch_top - panorama_.pitch_bottom) / panorama_.height;
  std::size_t n = 0;
  for (const Detection& d : found.view()) {
    if ((d.object != ObjectClass::person && d.object != ObjectClass::referee) ||
        !(d.confidence >= confidence_) || !(d.confidence > 0) || !std::isfinite(d.x) ||
        !std::isfinite(d.y) || !std::isfinite(d.width) || !std::isfinite(d.height))
      continue;
    std::size_t to = n;
    if (n == kMost) {
      for (std::size_t i = to = 0; i < n; ++i)
        if (candidates_[i].confidence < candidates_[to].confidence) to = i;
      if (!(d.confidence > candidates_[to].confidence)) continue;
    } else {
      ++n;
    }
    candidates_[to] = PersonState{0,
                                  true,
                                  static_cast<float>(panorama_.yaw_of(d.x)),
                                  static_cast<float>(panorama_.pitch_of(d.y)),
                                  static_cast<float>(across * d.width),
                                  static_cast<float>(down * d.height),
                                  0,
                                  0,
                                  d.confidence};
  }
  return n;
}

double PersonTracker::metres(const PersonState& a, const PersonState& b) const noexcept {
  const double range = ground_.range(b.pitch - b.height / 2);
  return range * std::hypot((a.yaw - b.yaw) * std::cos(b.pitch), a.pitch - b.pitch);
}

void PersonTracker::match(std::size_t candidates, double dt) noexcept {
  std::size_t pairs = 0;
  const double reach = kNear + kReach * dt;
  for (std::size_t t = 0; t < count_; ++t)
    for (std::size_t c = 0; c < candidates; ++c)
      if (const double d = metres(tracks_[t], candidates_[c]); d < reach)
        pairs_[pairs++] = {static_cast<float>(d), static_cast<std::uint8_t>(t),
                           static_cast<std::uint8_t>(c)};
  std::sort(pairs_.begin(), pairs_.begin() + static_cast<std::ptrdiff_t>(pairs),
            [](const Pair& a, const Pair& b) {
              return a.distance < b.distance ||
                     (a.distance == b.distance &&
                      (a.track < b.track || (a.track == b.track && a.candidate < b.candidate)));
            });
  taken_.fill(false);
  const auto follow = static_cast<float>(std::clamp(0.3 + dt, 0.35, 0.8));
  for (std::size_t i = 0; i < pairs; ++i) {
    PersonState& p = tracks_[pairs_[i].track];
    const PersonState& c = candidates_[pairs_[i].candidate];
    if (p.seen || taken_[pairs_[i].candidate]) continue;
    taken_[pairs_[i].candidate] = true;
    const auto since = std::max(0.02f, unseen_s_[pairs_[i].track]);
    const float place = 0.7f;
    p.yaw_speed += follow * (c.yaw - p.yaw) / since;
    p.pitch_speed += follow * (c.pitch - p.pitch) / since;
    p.yaw += place * (c.yaw - p.yaw), p.pitch += place * (c.pitch - p.pitch);
    p.width = c.width, p.height = c.height;
    p.confidence += 0.5f * (c.confidence - p.confidence);
    p.seen = true;
    unseen_s_[pairs_[i].track] = 0;
  }
  std::size_t kept = 0;
  for (std::size_t t = 0; t < count_; ++t) {
    if (unseen_s_[t] > kForgotten_s) continue;
    tracks_[kept] = tracks_[t];
    unseen_s_[kept++] = unseen_s_[t];
  }
  count_ = kept;
  for (std::size_t c = 0; c < candidates && count_ < kMost; ++c) {
    if (taken_[c]) continue;
    tracks_[count_] = candidates_[c];
    tracks_[count_].identity = ++identities_;
    unseen_s_[count_++] = 0;
  }
}

}  // namespace gantry
