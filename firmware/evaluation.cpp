// Matching, counts and average precision.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/evaluation.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace gantry {
namespace {

double size_of(const SimObject& o) {
  return o.is_ball ? o.diameter : o.bottom - o.top;
}
double size_of(const Detection& d) {
  return d.object == ObjectClass::ball ? std::sqrt(d.width * d.height) : d.height;
}

double intersection_over_union(const SimObject& o, const Detection& d) {
  const double left = std::max(o.left, d.x - 0.5 * d.width),
               right = std::min(o.right, d.x + 0.5 * d.width);
  const double top = std::max(o.top, d.y - 0.5 * d.height),
               bottom = std::min(o.bottom, d.y + 0.5 * d.height);
  if (right <= left || bottom <= top) return 0;
  const double both = (right - left) * (bottom - top);
  return both / ((o.right - o.left) * (o.bottom - o.top) + d.width * d.height - both);
}

// 0: not it; the more, the better it fits.
double fit(const SimObject& o, const Detection& d) {
  if (!o.is_ball) {
    const double overlap = intersection_over_union(o, d);
    return overlap >= 0.5 ? overlap : 0;
  }
  const double dx = std::abs(d.x - 0.5 * (o.left + o.right)),
               dy = std::abs(d.y - 0.5 * (o.top + o.bottom));
  const double reach_x = std::max(0.5 * (o.right - o.left), Evaluation::kBallReach);
  const double reach_y = std::max(0.5 * (o.bottom - o.top), Evaluation::kBallReach);
  return dx <= reach_x && dy <= reach_y ? 1 / (1 + dx + dy) : 0;
}

bool asked_for(const SimObject& o) {
  return o.visible >= Evaluation::kSeen && (o.is_ball || size_of(o) >= Evaluation::kLeastPerson);
}

bool small(const SimObject& ball) {
  return ball.diameter >= 5 && ball.diameter < 8;
}
bool large(const SimObject& ball) {
  return ball.diameter >= 8;
}

template <std::size_t N>
Evaluation::Count* bin_of(std::array<Evaluation::Count, N>& bins, double size) {
  for (auto& bin : bins)
    if (size >= bin.from && size < bin.to) return &bin;
  return nullptr;
}

std::string line(const Evaluation::Count& c) {
  const auto range =
      c.to > 1e6 ? fmt::format("from {:g}", c.from) : fmt::format("{:g} to {:g}", c.from, c.to);
  return fmt::format("  {:<12}{:>7}{:>9.3f}{:>11.3f}\n", range, c.asked, c.recall(), c.precision());
}

}  // namespace

std::span<const Mistake> Evaluation::add(std::span<const SimObject> truth,
                                         std::span<const Detection> found, int width, int height) {
  mistakes_.clear();
  ++pictures_;
  pixels_ += static_cast<double>(width) * height;
  match(truth, found, true);
  match(truth, found, false);
  return mistakes_;
}

void Evaluation::match(std::span<const SimObject> truth, std::span<const Detection> found,
                       bool balls) {
  const float least = balls ? limits_.ball_confidence : limits_.person_confidence;
  const auto bin = [&](double size) {
    return balls ? bin_of(balls_, size) : bin_of(persons_, size);
  };
  std::vector<const Detection*> order;
  for (const Detection& d : found)
    if ((d.object == ObjectClass::ball) == balls &&
        (balls || d.object == ObjectClass::person || d.object == ObjectClass::referee))
      order.push_back(&d);
  std::ranges::stable_sort(order, std::greater(), [](const Detection* d) { return d->confidence; });
  std::vector<bool> taken(truth.size(), false);
  for (const Detection* d : order) {
    const SimObject* best = nullptr;
    double best_fit = 0;
    for (const SimObject& o : truth) {
      if (o.is_ball != balls || taken[static_cast<std::size_t>(&o - truth.data())]) continue;
      // What is asked for goes before what is not.
      const double f = fit(o, *d) + (asked_for(o) && fit(o, *d) > 0 ? 1 : 0);
      if (f > best_fit) best = &o, best_fit = f;
    }
    if (best) taken[static_cast<std::size_t>(best - truth.data())] = true;
    if (best && !asked_for(*best)) continue;
    if (balls)
      seen_balls_.push_back({d->confidence, !best          ? SeenBall::Is::wrong
                                            : small(*best) ? SeenBall::Is::small
                                            : large(*best) ? SeenBall::Is::large
                                                           : SeenBall::Is::other});
    else
      scored_.push_back({d->confidence, best != nullptr});
    if (d->confidence < least) continue;
    Count* at = bin(best ? size_of(*best) : size_of(*d));
    if (at) ++(best ? at->found : at->wrong);
    if (best || !balls) continue;
    ++false_balls_;
    mistakes_.push_back({Mistake::Kind::false_ball, d->x, d->y, d->confidence});
  }
  for (const SimObject& o : truth) {
    if (o.is_ball != balls || !asked_for(o)) continue;
    if (Count* at = bin(size_of(o))) ++at->asked;
    persons_asked_ += !balls;
    small_asked_ += balls && small(o), large_asked_ += balls && large(o);
    const bool seen = std::ranges::any_of(
        order, [&](const Detection* d) { return d->confidence >= least && fit(o, *d) > 0; });
    if (!seen)
      mistakes_.push_back({balls ? Mistake::Kind::missed_ball : Mistake::Kind::missed_person,
                           0.5 * (o.left + o.right), 0.5 * (o.top + o.bottom), size_of(o)});
  }
}

double Evaluation::person_average_precision() const {
  std::vector<Scored> order = scored_;
  std::ranges::stable_sort(order, std::greater(), &Scored::confidence);
  std::vector<double> precision, recall;
  int right = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    right += order[i].right;
    precision.push_back(right / static_cast<double>(i + 1));
    recall.push_back(static_cast<double>(right) / std::max(1, persons_asked_));
  }
  double area = 0, highest = 0;
  for (std::size_t i = order.size(); i-- > 0;) {
    highest = std::max(highest, precision[i]);
    area += highest * (recall[i] - (i ? recall[i - 1] : 0));
  }
  return area;
}

double Evaluation::false_balls_per_panorama() const {
  return pixels_ > 0 ? false_balls_ * kPanoramaPixels / pixels_ : 0;
}

Evaluation::BallTrade Evaluation::ball_trade(double confidence) const {
  const auto count = [&](SeenBall::Is is) {
    return static_cast<double>(std::ranges::count_if(seen_balls_, [&](const SeenBall& b) {
      return b.is == is && b.confidence >= static_cast<float>(confidence);
    }));
  };
  return {count(SeenBall::Is::small) / std::max(1, small_asked_),
          count(SeenBall::Is::large) / std::max(1, large_asked_),
          pixels_ > 0 ? count(SeenBall::Is::wrong) * kPanoramaPixels / pixels_ : 0};
}

std::string Evaluation::text() const {
  std::string s = fmt::format("{} pictures, {:.1f} panoramas of 5700x1900 by area\n", pictures_,
                              pixels_ / kPanoramaPixels);
  s +=
      fmt::format("balls from confidence {:.2f}, by diameter in pixels\n  {:<12}{:>7}{:>9}{:>11}\n",
                  limits_.ball_confidence, "", "asked", "recall", "precision");
  for (const Count& c : balls_) s += line(c);
  s += fmt::format("  false balls per panorama {:.3f}\n", false_balls_per_panorama());
  s += fmt::format("balls by confidence\n  {:<12}{:>8}{:>8}{:>21}\n", "from", "5-8 px", "8 px-",
                   "false per panorama");
  for (int i = 2; i < 20; ++i) {
    const BallTrade t = ball_trade(0.05 * i);
    s += fmt::format("  {:<12.2f}{:>8.3f}{:>8.3f}{:>21.3f}\n", 0.05 * i, t.small, t.large,
                     t.false_per_panorama);
  }
  s += fmt::format("persons from confidence {:.2f}, by height in pixels\n",
                   limits_.person_confidence);
  Count all;
  for (const Count& c : persons_) {
    s += line(c);
    all.asked += c.asked, all.found += c.found, all.wrong += c.wrong;
  }
  s += fmt::format("  all {:>15}{:>9.3f}{:>11.3f}\n  AP50 {:.3f}\n", all.asked, all.recall(),
                   all.precision(), person_average_precision());
  return s;
}

}  // namespace gantry
