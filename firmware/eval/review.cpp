// The measures of a film, one after the other.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/eval/review.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr double kClaim = 0.5;             // the confidence from which a place is called the ball's
constexpr double kFar = radians(5);        // and from which distance on it is wrong
constexpr double kFalseFollow_s = 1;       // for longer than this
constexpr double kTruthSmoothing_s = 0.5;  // standard deviation of the truth's smoothing
constexpr double kTurn = radians(0.5);     // rad/s: a pan turns when it exceeds this the other way
constexpr double kZoomTurn = radians(2);   // a zoom turns when it comes back by this
constexpr std::size_t kSpikeFrames = 288;  // acceleration is compared within so many frames;
constexpr double kSpikeFloor = radians(20);  // rad/s²: less is no spike
constexpr std::size_t kWarmUp_s = 3;         // of the match, not looked at

double degrees(double radians) {
  return radians * 180 / 3.14159265358979323846;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double deviation(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double v : values) sum += v, squares += v * v;
  const double n = std::max<double>(1, static_cast<double>(values.size()));
  return std::sqrt(std::max(0.0, squares / n - sum / n * sum / n));
}

// A direction in the view's own frame: x right, y down, z along its axis.
Vector3 from_view(const CameraPose& pose, double yaw, double pitch) {
  return apply(camera_from_panorama({pose.yaw, pose.pitch, 0}), direction_of(yaw, pitch));
}

double angle_between(double yaw, double pitch, double other_yaw, double other_pitch) {
  const Vector3 d = from_view({yaw, pitch, 0}, other_yaw, other_pitch);
  return std::atan2(std::hypot(d.x, d.y), d.z);
}

// `zoom` 1: the whole view, 0.5: its central half.
bool inside(const CameraPose& pose, const TrueBall& ball, double zoom, double aspect) {
  const Vector3 d = from_view(pose, ball.yaw, ball.pitch);
  const double t = zoom * std::tan(pose.field_of_view / 2) * d.z;
  return d.z > 0 && std::abs(d.x) < t && std::abs(d.y) < t * aspect;
}

using Path = std::vector<std::array<double, 2>>;  // yaw, pitch

std::vector<double> speeds(const Path& path, double rate) {
  std::vector<double> v;
  for (std::size_t i = 1; i < path.size(); ++i)
    v.push_back(rate * std::hypot((path[i][0] - path[i - 1][0]) * std::cos(path[i][1]),
                                  path[i][1] - path[i - 1][1]));
  return v;
}

std::vector<double> accelerations(const Path& path, double rate) {
  std::vector<double> a;
  for (std::size_t i = 2; i < path.size(); ++i)
    a.push_back(
        rate * rate *
        std::hypot((path[i][0] - 2 * path[i - 1][0] + path[i - 2][0]) * std::cos(path[i][1]),
                   path[i][1] - 2 * path[i - 1][1] + path[i - 2][1]));
  return a;
}

// Per second: how often the pan goes from one direction to the other.
double reversals(const Path& path, double rate) {
  int count = 0, direction = 0;
  for (std::size_t i = 1; i < path.size(); ++i) {
    const double v = rate * (path[i][0] - path[i - 1][0]);
    if (std::abs(v) < kTurn) continue;
    const int now = v > 0 ? 1 : -1;
    count += direction != 0 && now != direction;
    direction = now;
  }
  return count * rate / static_cast<double>(std::max<std::size_t>(1, path.size()));
}

Path smoothed(const Path& path, double rate) {
  const double sigma = kTruthSmoothing_s * rate;
  const auto reach = static_cast<std::ptrdiff_t>(3 * sigma);
  const auto last = static_cast<std::ptrdiff_t>(path.size()) - 1;
  Path out(path.size());
  for (std::ptrdiff_t i = 0; i <= last; ++i) {
    double total = 0;
    for (std::ptrdiff_t k = -reach; k <= reach; ++k) {
      const auto from = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i + k, 0, last));
      const double x = static_cast<double>(k) / sigma, weight = std::exp(-x * x / 2);
      total += weight;
      for (std::size_t axis = 0; axis < 2; ++axis)
        out[static_cast<std::size_t>(i)][axis] += weight * path[from][axis];
    }
    for (double& axis : out[static_cast<std::size_t>(i)]) axis /= total;
  }
  return out;
}

int spikes(const std::vector<double>& a) {
  int count = 0;
  for (std::size_t i = 0; i < a.size(); i += kSpikeFrames) {
    const std::vector<double> part(
        a.begin() + static_cast<std::ptrdiff_t>(i),
        a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), i + kSpikeFrames)));
    const double most = std::max(kSpikeFloor, 3 * quantile(part, 0.5));
    count += static_cast<int>(
        std::count_if(part.begin(), part.end(), [&](double v) { return v > most; }));
  }
  return count;
}

double zooms_per_minute(const Film& film, double rate) {
  int count = 0, direction = 0;
  double extreme = film.empty() ? 0 : film.front().pose.field_of_view;
  for (const FilmedFrame& f : film) {
    const double v = f.pose.field_of_view;
    if (direction * (v - extreme) > 0) extreme = v;
    if (direction == 0 ? std::abs(v - extreme) < kZoomTurn : direction * (extreme - v) < kZoomTurn)
      continue;
    direction = v > extreme ? 1 : -1;
    extreme = v;
    ++count;
  }
  return 60 * count * rate / static_cast<double>(std::max<std::size_t>(1, film.size()));
}

void review_motion(const Match& match, const Film& film, const ViewLimits& limits, std::size_t from,
                   Review& r) {
  Path path, truth;
  for (std::size_t i = from; i < film.size(); ++i) {
    path.push_back({film[i].pose.yaw, film[i].pose.pitch});
    if (match.truth.empty()) continue;
    const CameraPose best =
        limits.clamp({match.truth[i].yaw, match.truth[i].pitch, film[i].pose.field_of_view});
    truth.push_back({best.yaw, best.pitch});
  }
  const double rate = match.frames_per_second;
  const auto v = speeds(path, rate), a = accelerations(path, rate);
  r.speed_std = degrees(deviation(v)), r.speed_p95 = degrees(quantile(v, 0.95));
  r.acceleration_std = degrees(deviation(a)), r.acceleration_p95 = degrees(quantile(a, 0.95));
  r.acceleration_most = degrees(quantile(a, 1));
  r.spikes = spikes(a);
  r.reversals = reversals(path, rate);
  r.zooms = zooms_per_minute(film, rate);
  const Path calm = smoothed(truth, rate);
  const auto tv = speeds(calm, rate);
  r.true_speed_std = degrees(deviation(tv)), r.true_speed_p95 = degrees(quantile(tv, 0.95));
  r.true_reversals = reversals(calm, rate);
}

// The stretches in which something holds that lasted longer than `least_s`.
template <typename Holds>
int stretches(std::size_t from, std::size_t to, double rate, double least_s, Holds&& holds) {
  int count = 0;
  std::size_t length = 0;
  const auto least = static_cast<std::size_t>(least_s * rate);
  for (std::size_t i = from; i < to; ++i) {
    length = holds(i) ? length + 1 : 0;
    count += length == least + 1;
  }
  return count;
}

void review_framing(const Match& match, const Film& film, double aspect, std::size_t from,
                    Review& r) {
  const double rate = match.frames_per_second;
  std::vector<double> offsets;
  double squares = 0;
  std::size_t in_frame = 0, in_centre = 0, lost = 0, longest = 0, without_play = 0;
  bool still_in_frame = false;
  for (std::size_t i = from; i < film.size(); ++i) {
    const TrueBall& ball = match.truth[i];
    const CameraPose& pose = film[i].pose;
    if (!ball.covered) {
      lost = 0, still_in_frame = false;
      continue;
    }
    offsets.push_back(angle_between(pose.yaw, pose.pitch, ball.yaw, ball.pitch));
    squares += offsets.back() * offsets.back();
    const bool seen = inside(pose, ball, 1, aspect);
    in_frame += seen;
    in_centre += inside(pose, ball, 0.5, aspect);
    lost = seen ? 0 : lost + 1;
    longest = std::max(longest, lost);
    without_play += static_cast<double>(lost) > rate;
    r.still_left += ball.still && still_in_frame && !seen;
    still_in_frame = ball.still && seen;
  }
  const double n = std::max<double>(1, static_cast<double>(offsets.size()));
  r.in_frame = static_cast<double>(in_frame) / n;
  r.in_centre = static_cast<double>(in_centre) / n;
  r.offset_rms = degrees(std::sqrt(squares / n));
  r.offset_p95 = degrees(quantile(offsets, 0.95));
  r.longest_loss_s = static_cast<double>(longest) / rate;
  r.without_play_s = static_cast<double>(without_play) / rate;
  r.false_follows = stretches(from, film.size(), rate, kFalseFollow_s, [&](std::size_t i) {
    const FilmedFrame& f = film[i];
    return f.claims_ball &&
           angle_between(f.ball_yaw, f.ball_pitch, match.truth[i].yaw, match.truth[i].pitch) > kFar;
  });
}

}  // namespace

Film film(Director& director, const Match& match, double delay_s) {
  const auto delay_ns = static_cast<std::int64_t>(1e9 * delay_s);
  Film out;
  out.reserve(match.frames());
  Detections found;
  std::size_t next = 0;
  for (std::size_t i = 0; i < match.frames(); ++i) {
    const std::int64_t shown_ns = match.instant_of(i);
    for (; next < match.analyses.size() && match.analyses[next].known_ns <= shown_ns + delay_ns;
         ++next) {
      const Match::Analysis& a = match.analyses[next];
      found.capture_ns = a.capture_ns;
      found.panorama = next;
      found.count = found.overflowed = 0;
      for (std::size_t k = 0; k < a.count; ++k) found.add(match.boxes[a.first + k]);
      director.observe(found);
    }
    const Decision& d = director.decide(shown_ns);
    const BallState& ball = d.tracks.ball;
    out.push_back({d.pose, d.reason, ball.known && ball.confidence >= kClaim, ball.yaw, ball.pitch,
                   ball.confidence, ball.interpolated});
  }
  return out;
}

bool in_view(const CameraPose& pose, const TrueBall& ball, double aspect) {
  return inside(pose, ball, 1, aspect);
}

Review review(const Match& match, const Film& film, const ViewLimits& limits) {
  Review r;
  r.name = match.name;
  const auto from = std::min(film.size(), static_cast<std::size_t>(static_cast<double>(kWarmUp_s) *
                                                                   match.frames_per_second));
  r.seconds = static_cast<double>(film.size() - from) / match.frames_per_second;
  review_motion(match, film, limits, from, r);
  if (!match.truth.empty()) review_framing(match, film, limits.aspect(), from, r);
  return r;
}

Review total(const std::vector<Review>& reviews, std::string name) {
  Review t;
  t.name = std::move(name);
  for (const Review& r : reviews) t.seconds += r.seconds;
  const auto mean = [&](double Review::*field) {
    double sum = 0;
    for (const Review& r : reviews) sum += r.seconds * (r.*field);
    t.*field = sum / std::max(1e-9, t.seconds);
  };
  for (double Review::*field :
       {&Review::in_frame, &Review::in_centre, &Review::offset_p95, &Review::speed_p95,
        &Review::true_speed_p95, &Review::acceleration_p95, &Review::reversals,
        &Review::true_reversals, &Review::zooms})
    mean(field);
  for (double Review::*field : {&Review::offset_rms, &Review::speed_std, &Review::true_speed_std,
                                &Review::acceleration_std}) {
    double sum = 0;
    for (const Review& r : reviews) sum += r.seconds * (r.*field) * (r.*field);
    t.*field = std::sqrt(sum / std::max(1e-9, t.seconds));
  }
  for (const Review& r : reviews) {
    t.acceleration_most = std::max(t.acceleration_most, r.acceleration_most);
    t.longest_loss_s = std::max(t.longest_loss_s, r.longest_loss_s);
    t.without_play_s += r.without_play_s;
    t.spikes += r.spikes;
    t.false_follows += r.false_follows;
    t.still_left += r.still_left;
  }
  return t;
}

void print_heading(std::FILE* out) {
  fmt::print(out,
             "{:<22} in frame centre | offset rms  p95 | speed std  p95 (truth std  p95) | "
             "accel std  p95 most spikes | turns/s (truth) zooms/min | s without play longest | "
             "false still\n",
             "");
}

void print(const Review& r, std::FILE* out) {
  fmt::print(out,
             "{:<22} {:7.2f}% {:5.1f}% | {:10.2f} {:4.1f} | {:9.2f} {:4.1f} ({:9.2f} {:4.1f}) | "
             "{:9.2f} {:4.1f} {:4.0f} {:6} | {:7.3f} ({:5.3f}) {:9.2f} | {:14.1f} {:7.2f} | "
             "{:5} {:5}\n",
             r.name, 100 * r.in_frame, 100 * r.in_centre, r.offset_rms, r.offset_p95, r.speed_std,
             r.speed_p95, r.true_speed_std, r.true_speed_p95, r.acceleration_std,
             r.acceleration_p95, r.acceleration_most, r.spikes, r.reversals, r.true_reversals,
             r.zooms, r.without_play_s, r.longest_loss_s, r.false_follows, r.still_left);
}

void print_followed(const Review& r, const Film& film, std::FILE* out) {
  fmt::print(out, "{}: {:.1f} s, followed", r.name, r.seconds);
  for (const Reason reason : {Reason::ball, Reason::gap, Reason::players, Reason::nothing}) {
    const auto count = std::count_if(film.begin(), film.end(),
                                     [&](const FilmedFrame& f) { return f.reason == reason; });
    fmt::print(out, " {} {:.1f}%", name_of(reason),
               100 * static_cast<double>(count) /
                   static_cast<double>(std::max<std::size_t>(1, film.size())));
  }
  fmt::print(out,
             "; speed std {:.2f} p95 {:.1f} °/s, acceleration p95 {:.1f} most {:.0f} °/s², {} "
             "spikes, {:.3f} turns/s, {:.2f} zooms/min\n",
             r.speed_std, r.speed_p95, r.acceleration_p95, r.acceleration_most, r.spikes,
             r.reversals, r.zooms);
}

}  // namespace gantry
