// What an analysis and a frame cost the director: 40 persons, 20 ball candidates, 7 s of look-ahead.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ctime>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "pipeline/director.hpp"

namespace gantry {
namespace {

const PanoramaGeometry kPanorama{5700, 1900, radians(-90), radians(90), radians(27), radians(-27)};
constexpr int kPersons = 40, kBalls = 20;
constexpr double kFrames = 30, kDelay_s = 7, kSeconds = 30;

double processor_ms() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

// Persons who run about and balls anywhere, or each on a way of its own: no candidate is the ball
// more than another, so that no hypothesis can be left out early.
class Crowd {
 public:
  explicit Crowd(bool anywhere) : anywhere_(anywhere) {
    for (Thing& t : things_) t = {any(100, 5600), any(950, 1500), any(-80, 80), any(-30, 30)};
  }
  void see(double t, Detections& found) {
    found.capture_ns = static_cast<std::int64_t>(1e9 * t);
    found.count = 0;
    for (std::size_t i = 0; i < things_.size(); ++i) {
      Thing& thing = things_[i];
      const bool ball = i >= kPersons;
      if (ball && anywhere_) thing = {any(100, 5600), any(950, 1500), 0, 0};
      const auto x = static_cast<float>(std::clamp(thing.x + thing.vx * t, 0.0, 5699.0));
      const auto y = static_cast<float>(std::clamp(thing.y + thing.vy * t, 900.0, 1899.0));
      found.add({x, y, ball ? 8.0f : 30.0f, ball ? 8.0f : 70.0f, static_cast<float>(any(0.4, 0.95)),
                 ball ? ObjectClass::ball : ObjectClass::person});
    }
  }

 private:
  struct Thing {
    double x = 0, y = 0, vx = 0, vy = 0;
  };
  double any(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }
  std::mt19937 random_{7};
  bool anywhere_;
  std::array<Thing, kPersons + kBalls> things_;
};

void measure(double hertz, bool anywhere) {
  DirectorConfig config;
  config.kind = DirectorConfig::Kind::follow;
  const ViewLimits limits(kPanorama, 1920, 1080);
  const auto director = make_director(config, kPanorama, limits);
  Crowd crowd(anywhere);
  Detections found;
  std::vector<double> analyses, frames;
  double next = 0;
  for (int i = 0; i < kSeconds * kFrames; ++i) {
    const double shown = i / kFrames;
    for (; next <= shown + kDelay_s; next += 1 / hertz) {
      crowd.see(next, found);
      const double from = processor_ms();
      director->observe(found);
      analyses.push_back(processor_ms() - from);
    }
    const double from = processor_ms();
    director->decide(static_cast<std::int64_t>(1e9 * shown));
    frames.push_back(processor_ms() - from);
  }
  for (auto* v : {&analyses, &frames}) std::sort(v->begin(), v->end());
  const auto at = [](const std::vector<double>& v, double share) {
    return v[static_cast<std::size_t>(share * static_cast<double>(v.size() - 1))];
  };
  fmt::print(
      "{:5.0f} Hz, balls {:<18} analysis {:.3f}  p99 {:.3f}  worst {:.3f}   frame {:.3f}  "
      "worst {:.3f}\n",
      hertz, anywhere ? "anywhere" : "on ways of their own", at(analyses, 0.5), at(analyses, 0.99),
      at(analyses, 1), at(frames, 0.5), at(frames, 1));
}

}  // namespace
}  // namespace gantry

int main() {
  fmt::print("40 persons, 20 ball candidates, processor time, milliseconds\n");
  for (const double hertz : {6.0, 30.0})
    for (const bool anywhere : {false, true}) gantry::measure(hertz, anywhere);
}
