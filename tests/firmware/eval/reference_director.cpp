// History, bans, gaps and smoothing as the replaced system has them; distances in panorama pixels.
// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware/eval/reference_director.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kCell = 30;
constexpr int kBanAfter = 6;

template <typename P>
double distance(const P& a, const P& b) {
  return std::hypot(a.x - b.x, a.y - b.y);
}

double seconds(std::int64_t ns) {
  return 1e-9 * static_cast<double>(ns);
}

}  // namespace

std::optional<ReferenceDirector::Ball> ReferenceDirector::choose(const Detections& found) {
  std::vector<std::pair<Ball, double>> all, near;
  for (const Detection& d : found.view()) {
    if (d.object != ObjectClass::ball || d.confidence < 0.35f) continue;
    const Ball b{d.x, d.y, d.width};
    const bool banned = std::any_of(bans_.begin(), bans_.end(),
                                    [&](const Ball& ban) { return distance(ban, b) < kCell; });
    const double aspect = d.width / d.height;
    if (banned || aspect < 0.7 || aspect > 1.3) continue;
    all.emplace_back(b, d.confidence);
    if (!last_found_ || distance(*last_found_, b) <= 100) near.emplace_back(b, d.confidence);
  }
  const auto& list = near.empty() ? all : near;
  if (list.empty()) return std::nullopt;
  const auto middle = middle_at(seconds(found.capture_ns));
  return std::min_element(list.begin(), list.end(),
                          [&](const auto& a, const auto& b) {
                            return middle ? distance(a.first, *middle) < distance(b.first, *middle)
                                          : a.second > b.second;
                          })
      ->first;
}

void ReferenceDirector::observe(const Detections& found) noexcept {
  const double now = seconds(found.capture_ns);
  auto& players = players_[now];
  for (const Detection& d : found.view())
    if (d.object == ObjectClass::person && d.confidence >= 0.45f)
      players.push_back({d.x, d.y, d.width});
  players_.erase(players_.begin(), players_.lower_bound(now - 10));
  const auto ball = choose(found);
  if (!ball) return;
  const bool repeated = last_found_ && std::abs(last_found_->x - ball->x) <= 2 &&
                        std::abs(last_found_->y - ball->y) <= 2;
  if (repeated) return;
  last_found_ = ball;
  raw_[now] = *ball;
  rebuild(now);
}

void ReferenceDirector::rebuild(double now) {
  History all;
  auto from = confirmed_.end();
  for (int i = 0; i < 30 && from != confirmed_.begin(); ++i) --from;
  all.insert(from, confirmed_.end());
  all.insert(raw_.begin(), raw_.end());
  if (now - last_pass_ >= 0.5 || raw_.size() >= 10) {
    last_pass_ = now;
    remove_outliers(all);
  }
  all.erase(all.begin(), all.lower_bound(clock_ - 1));
  fill_gaps(all);
  processed_ = all;
}

void ReferenceDirector::remove_outliers(History& all) {
  if (all.size() < 5) return;
  const std::vector<std::pair<double, Ball>> points(all.begin(), all.end());
  const auto cell = [](const Ball& b) {
    return std::pair{static_cast<int>(b.x / kCell), static_cast<int>(b.y / kCell)};
  };
  std::map<std::pair<int, int>, int> counts;
  for (const auto& [t, b] : points) ++counts[cell(b)];
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    const Ball &b = points[i].second, &p = points[i - 1].second, &n = points[i + 1].second;
    const double before = distance(b, p), after = distance(b, n), across = distance(p, n);
    bool out = false;
    const bool suspicious = counts[cell(b)] >= 3;
    if (suspicious) {
      double mean = 0;
      int count = 0;
      for (std::size_t k = i < 2 ? 0 : i - 2; k <= std::min(points.size() - 1, i + 2); ++k)
        if (k != i) mean += distance(b, points[k].second), ++count;
      out = (before > 500 && after > 500) || mean / count > 600;
    } else {
      out = before + after > 2.5 * across ||
            ((before > 1000 || after > 1000) && across < 0.7 * std::max(before, after));
    }
    if (!out) continue;
    all.erase(points[i].first);
    int& removals = removals_[cell(b)];
    removals += suspicious ? 3 : 1;
    if (removals >= kBanAfter) {
      const auto [x, y] = cell(b);
      bans_.push_back({(x + 0.5) * kCell, (y + 0.5) * kCell, 0});
      removals = 0;
    }
  }
  if (removals_.size() > 50) removals_.clear();
}

void ReferenceDirector::fill_gaps(History& all) const {
  const std::vector<std::pair<double, Ball>> points(all.begin(), all.end());
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const auto& [t, a] = points[i];
    const auto& [u, b] = points[i + 1];
    const double gap = u - t, way = distance(a, b);
    if (gap <= 0.05 || gap > 10) continue;
    const int count = static_cast<int>(gap * 30) - 1;
    const bool flight = (gap > 0.5 && way > 500) || gap > 1.5;
    for (int k = 1; k <= count; ++k) {
      const double s = k / (count + 1.0);
      const double up = flight && gap > 1 ? std::min(150.0, 0.1 * way) * 4 * s * (1 - s) : 0;
      all[t + s * gap] = {a.x + s * (b.x - a.x), a.y + s * (b.y - a.y) - up,
                          (a.size + s * (b.size - a.size)) * (1 - up / 200)};
    }
  }
}

void ReferenceDirector::show(double t) {
  clock_ = t;
  const auto end = processed_.upper_bound(t);
  confirmed_.insert(processed_.begin(), end);
  processed_.erase(processed_.begin(), end);
  raw_.erase(raw_.begin(), raw_.upper_bound(t));
  while (confirmed_.size() > 200) confirmed_.erase(confirmed_.begin());
}

std::optional<ReferenceDirector::Ball> ReferenceDirector::ball_at(double t) {
  const auto next_p = processed_.lower_bound(t), next_c = confirmed_.lower_bound(t);
  const auto earlier = [&](const History& h, auto next,
                           std::optional<std::pair<double, Ball>>& to) {
    if (next == h.begin()) return;
    const auto at = std::prev(next);
    if (!to || at->first > to->first) to = *at;
  };
  std::optional<std::pair<double, Ball>> before, after;
  earlier(processed_, next_p, before);
  earlier(confirmed_, next_c, before);
  if (next_p != processed_.end()) after = *next_p;
  if (next_c != confirmed_.end() && (!after || next_c->first < after->first)) after = *next_c;
  if (before && after) {
    const double gap = after->first - before->first, s = (t - before->first) / gap;
    const Ball &a = before->second, &b = after->second;
    if (gap <= 3)
      return last_answer_ =
                 Ball{a.x + s * (b.x - a.x), a.y + s * (b.y - a.y), a.size + s * (b.size - a.size)};
    const auto& near = s < 0.5 ? *before : *after;
    if (std::abs(near.first - t) <= 0.12) return last_answer_ = near.second;
    return std::nullopt;
  }
  const auto& side = before ? before : after;
  if (side && std::abs(side->first - t) <= 0.12) last_answer_ = side->second;
  return last_answer_;
}

std::optional<ReferenceDirector::Ball> ReferenceDirector::middle_at(double t) const {
  auto at = players_.lower_bound(t);
  if (at == players_.end() ||
      (at != players_.begin() && t - std::prev(at)->first < at->first - t)) {
    if (at == players_.begin()) return std::nullopt;
    --at;
  }
  if (std::abs(at->first - t) > 0.5 || at->second.empty()) return std::nullopt;
  Ball sum;
  for (const Ball& b : at->second) sum.x += b.x, sum.y += b.y;
  const auto n = static_cast<double>(at->second.size());
  return Ball{sum.x / n, sum.y / n, 0};
}

void ReferenceDirector::steer(const std::optional<Ball>& ball, double t) {
  double radius = 50;
  if (ball) {
    aim_x_ = ball->x, aim_y_ = ball->y;
    radius_ = 0.7 * radius_ + 0.3 * ball->size / 2;
    if (last_aim_ && t - last_aim_s_ > 0.1) {
      speed_ = 0.7 * speed_ + 0.3 * distance(*last_aim_, *ball) / (t - last_aim_s_);
      zoom_ =
          speed_ > 300 ? 1 + 2 * std::min((speed_ - 300) / 900, 1.0) : std::max(1.0, 0.95 * zoom_);
    }
    if (!last_aim_ || t - last_aim_s_ > 0.1) last_aim_ = ball, last_aim_s_ = t;
    radius = std::clamp(radius_ * zoom_, 5.0, 50.0);
  } else if (const auto middle = middle_at(t)) {
    aim_x_ = middle->x, aim_y_ = middle->y;
  }
  CameraPose target{panorama_.yaw_of(aim_x_), panorama_.pitch_of(aim_y_),
                    radians(std::clamp(55 + (radius - 5) * 13 / 45, 55.0, 68.0))};
  if (aim_x_ < 300) target.yaw += radians(8);
  if (aim_x_ > panorama_.width - 300) target.yaw -= radians(8);
  if (aim_y_ < 300) target.pitch -= radians(4);
  if (aim_y_ > panorama_.height - 300) target.pitch += radians(4);
  target = limits_.clamp(target);
  const auto follow = [](double& value, double to, double dead) {
    if (std::abs(to - value) > dead) value += 0.15 * (to - value);
  };
  follow(pose_.yaw, target.yaw, 0);
  follow(pose_.pitch, target.pitch, radians(0.1));
  follow(pose_.field_of_view, target.field_of_view, radians(0.5));
}

const Decision& ReferenceDirector::decide(std::int64_t capture_ns) noexcept {
  const double t = seconds(capture_ns);
  show(t);
  const auto ball = ball_at(t);
  steer(ball, t);
  decision_.capture_ns = capture_ns;
  decision_.pose = limits_.clamp(pose_);
  decision_.reason = ball ? Reason::ball : Reason::players;
  decision_.tracks.ball = {};
  if (ball) {
    decision_.tracks.ball.known = true;
    decision_.tracks.ball.yaw = panorama_.yaw_of(ball->x);
    decision_.tracks.ball.pitch = panorama_.pitch_of(ball->y);
    decision_.tracks.ball.confidence = 1;
  }
  return decision_;
}

}  // namespace gantry
