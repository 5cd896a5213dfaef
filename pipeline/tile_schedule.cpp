// The order in which tiles are taken.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/tile_schedule.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr double kBallSpeed = 1.2;    // rad/s: 24 m/s in 20 m
constexpr float kForgotten_s = 2;     // a ball that was not seen for so long is anywhere
constexpr float kLeastReach_px = 16;  // boxes are not exact
constexpr std::int64_t kLatest_ns = INT64_MAX / 4;  // differences of instants stay in range

float seconds(std::int64_t ns) {
  return 1e-9f * static_cast<float>(ns);
}

bool contains(const PixelArea& a, float x, float y) {
  return x >= a.left && x < a.right && y >= a.top && y < a.bottom;
}

float distance(const PixelArea& a, float x, float y) {
  const float dx = std::max({static_cast<float>(a.left) - x, x - static_cast<float>(a.right), 0.f});
  const float dy = std::max({static_cast<float>(a.top) - y, y - static_cast<float>(a.bottom), 0.f});
  return std::hypot(dx, dy);
}

// The rectangle of tile i up to the middle of what it shares with the next tile on each side.
PixelArea share_of(const TilePlan& plan, std::size_t i, const PanoramaGeometry& geometry) {
  const PixelRect own = plan.rect(plan.tiles[i]);
  PixelRect r = own;
  double from_left = -INFINITY, from_right = INFINITY, from_top = -INFINITY, from_bottom = INFINITY;
  for (const Tile& t : plan.tiles) {
    const PixelRect other = plan.rect(t);
    if (t.y == plan.tiles[i].y && other.left < own.left)
      from_left = std::max(from_left, other.right);
    if (t.y == plan.tiles[i].y && other.left > own.left)
      from_right = std::min(from_right, other.left);
    if (t.x == plan.tiles[i].x && other.top < own.top) from_top = std::max(from_top, other.bottom);
    if (t.x == plan.tiles[i].x && other.top > own.top)
      from_bottom = std::min(from_bottom, other.top);
  }
  if (from_left > own.left) r.left = (own.left + from_left) / 2;
  if (from_right < own.right) r.right = (own.right + from_right) / 2;
  if (from_top > own.top) r.top = (own.top + from_top) / 2;
  if (from_bottom < own.bottom) r.bottom = (own.bottom + from_bottom) / 2;
  const auto pixel = [](double v, int size) {
    return static_cast<std::uint16_t>(std::clamp<double>(std::floor(v), 0, size));
  };
  return {pixel(r.left, geometry.width), pixel(r.top, geometry.height),
          pixel(r.right, geometry.width), pixel(r.bottom, geometry.height)};
}

}  // namespace

TileSchedule::TileSchedule(const TilePlan& plan, const PanoramaGeometry& geometry,
                           const TileScheduleConfig& config, std::size_t batch)
    : config_(config),
      bound_ns_(std::llround(1e9 * config.seen_every_s)),
      batch_(batch),
      reach_(static_cast<float>(kBallSpeed * geometry.width /
                                std::abs(geometry.yaw_right - geometry.yaw_left))),
      seen_ns_(plan.tiles.size()),
      ball_(plan.tiles.size()),
      persons_(plan.tiles.size()),
      taken_(plan.tiles.size()) {
  if (config.most < 0 || !(config.seen_every_s > 0 && config.seen_every_s < 1e6) || batch < 1 ||
      plan.tiles.empty() || plan.tiles.size() > Detections::kMostAreas)
    throw std::invalid_argument(
        fmt::format("tile schedule: {} of {} tiles per analysis, each every {} s, batch {}",
                    config.most, plan.tiles.size(), config.seen_every_s, batch));
  for (std::size_t i = 0; i < plan.tiles.size(); ++i)
    shares_.push_back(share_of(plan, i, geometry));
  chosen_.reserve(plan.tiles.size());
}

void TileSchedule::measure_interval(std::int64_t capture_ns) noexcept {
  if (started_ && capture_ns < last_ns_) {
    started_ = false;
    interval_count_ = ball_count_ = 0;
  }
  if (started_) intervals_ns_[interval_count_++ % kIntervals] = capture_ns - last_ns_;
  last_ns_ = capture_ns;
}

std::span<const std::uint16_t> TileSchedule::choose(std::int64_t capture_ns) noexcept {
  capture_ns = std::clamp(capture_ns, -kLatest_ns, kLatest_ns);
  measure_interval(capture_ns);
  std::fill(taken_.begin(), taken_.end(), false);
  chosen_.clear();
  const std::size_t tiles = shares_.size();
  const auto most = static_cast<std::size_t>(config_.most);
  if (!started_ || most == 0 || most >= tiles) {
    for (std::size_t i = 0; i < tiles; ++i) take(i);
  } else {
    rate(capture_ns);
    take_unseen(capture_ns);
    const auto by_ball = [&](std::size_t a, std::size_t b) { return ball_[a] > ball_[b]; };
    const auto by_persons = [&](std::size_t a, std::size_t b) { return persons_[a] > persons_[b]; };
    const auto by_age = [&](std::size_t a, std::size_t b) { return seen_ns_[a] < seen_ns_[b]; };
    const auto ball = [&](std::size_t i) { return ball_[i] > 0; };
    const auto persons = [&](std::size_t i) { return persons_[i] > 0; };
    const auto any = [](std::size_t) { return true; };
    const auto likeliest =
        static_cast<std::size_t>(std::max_element(ball_.begin(), ball_.end()) - ball_.begin());
    if (ball(likeliest) && !taken_[likeliest]) take(likeliest);
    while (chosen_.size() < most || (chosen_.size() % batch_ != 0 && chosen_.size() < tiles))
      take_best(ball, by_ball) || take_best(persons, by_persons) || take_best(any, by_age);
  }
  for (const auto tile : chosen_) {
    if (started_) longest_unseen_ns_ = std::max(longest_unseen_ns_, capture_ns - seen_ns_[tile]);
    seen_ns_[tile] = capture_ns;
  }
  started_ = true;
  std::sort(chosen_.begin(), chosen_.end());
  return chosen_;
}

void TileSchedule::take(std::size_t tile) noexcept {
  taken_[tile] = true;
  chosen_.push_back(static_cast<std::uint16_t>(tile));
}

// The best tile that is wanted and not taken yet; among equals the first. False: there is none.
template <typename Wanted, typename Better>
bool TileSchedule::take_best(Wanted wanted, Better better) noexcept {
  std::size_t best = shares_.size();
  for (std::size_t i = 0; i < shares_.size(); ++i)
    if (!taken_[i] && wanted(i) && (best == shares_.size() || better(i, best))) best = i;
  if (best == shares_.size()) return false;
  take(best);
  return true;
}

void TileSchedule::take_unseen(std::int64_t capture_ns) noexcept {
  const std::size_t count = std::min(interval_count_, kIntervals);
  const std::int64_t interval_ns = std::max<std::int64_t>(
      1, *std::max_element(intervals_ns_.begin(), intervals_ns_.begin() + count));
  const auto within_bound = static_cast<std::size_t>(std::clamp<std::int64_t>(
      bound_ns_ / interval_ns, 1, static_cast<std::int64_t>(shares_.size())));
  const std::size_t steady = (shares_.size() + within_bound - 1) / within_bound;
  const auto by_age = [&](std::size_t a, std::size_t b) { return seen_ns_[a] < seen_ns_[b]; };
  const auto due = [&](std::size_t i) {
    return chosen_.size() < steady || capture_ns - seen_ns_[i] + interval_ns > bound_ns_;
  };
  while (take_best(due, by_age)) {
  }
}

// How likely a ball is in each tile: it may have gone any way since it was seen.
void TileSchedule::rate(std::int64_t capture_ns) noexcept {
  std::fill(ball_.begin(), ball_.end(), 0.f);
  for (const Ball& b : std::span(balls_.data(), ball_count_)) {
    const float age_s = seconds(capture_ns - b.seen_ns);
    if (age_s > kForgotten_s) continue;
    const float reach = kLeastReach_px + reach_ * age_s;
    const float likely = b.confidence * (1 - age_s / kForgotten_s);
    for (std::size_t i = 0; i < shares_.size(); ++i)
      ball_[i] = std::max(ball_[i], likely * (1 - distance(shares_[i], b.x, b.y) / reach));
  }
}

void TileSchedule::observe(const Detections& found) noexcept {
  for (const auto tile : chosen_) persons_[tile] = 0;
  const std::size_t known = ball_count_;
  for (const Detection& d : found.view()) {
    const float x = d.x + 0.5f, y = d.y + 0.5f;
    if (d.object == ObjectClass::ball)
      remember({x, y, d.confidence, last_ns_}, known);
    else if (d.object != ObjectClass::other)
      for (const auto tile : chosen_)
        if (contains(shares_[tile], x, y)) {
          ++persons_[tile];
          break;
        }
  }
}

// In place of the sight before, where there was one within reach; else of the least likely.
void TileSchedule::remember(const Ball& ball, std::size_t known) noexcept {
  if (!std::isfinite(ball.x) || !std::isfinite(ball.y) || !(ball.confidence > 0)) return;
  Ball* place = nullptr;
  float nearest = INFINITY;
  for (Ball& b : std::span(balls_.data(), known)) {
    const float way = std::hypot(b.x - ball.x, b.y - ball.y);
    const float age_s = seconds(ball.seen_ns - b.seen_ns);
    if (age_s > 0 && way < kLeastReach_px + reach_ * age_s && way < nearest) {
      place = &b;
      nearest = way;
    }
  }
  if (!place && ball_count_ < kBalls) place = &balls_[ball_count_++];
  if (!place) {
    const auto worth = [&](const Ball& b) {
      return b.confidence * (1 - seconds(ball.seen_ns - b.seen_ns) / kForgotten_s);
    };
    place = std::min_element(balls_.begin(), balls_.end(),
                             [&](const Ball& a, const Ball& b) { return worth(a) < worth(b); });
    if (worth(*place) >= ball.confidence) return;
  }
  *place = ball;
}

}  // namespace gantry
