// Pacer under a clock of our own: delays, jitter, drops, drift, stalls, and sums that add up.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/pacer.hpp"

#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace gantry {
namespace {

using Kind = Presentation::Kind;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kInterval = 33'333'333;

struct Captured {
  std::int64_t capture_ns, arrival_ns;
};
struct Shown {
  Presentation presentation;
  std::int64_t at_ns;  // when it was decided
};

// Captures at `start + i × interval`, that arrive `latency` later.
std::vector<Captured> regular(int count, std::int64_t start, std::int64_t latency,
                              double interval = kInterval) {
  std::vector<Captured> frames;
  for (int i = 0; i < count; ++i) {
    const std::int64_t captured = start + std::llround(i * interval);
    frames.push_back({captured, captured + latency});
  }
  return frames;
}

// Runs a pacer as its thread would: sleeps until it is due or a panorama arrives.
class Simulation {
 public:
  explicit Simulation(const PacerOptions& options)
      : pacer(options), ring(ring_capacity(options) + 16), options_(options) {}

  // `clock` turns the simulated instant into the one the thread wakes at.
  void run(const std::vector<Captured>& frames, std::int64_t start_ns) {
    std::int64_t now = start_ns;
    std::size_t next_frame = 0;
    for (int guard = 0; guard < 1'000'000; ++guard) {
      while (next_frame < frames.size() && frames[next_frame].arrival_ns <= now) {
        PanoramaFrame frame;
        frame.capture_ns = frames[next_frame++].capture_ns;
        frame.number = next_frame;
        ring.push(std::move(frame));
        if (!options_.real_time) take_all(now, false);
      }
      const bool ended = next_frame == frames.size();
      const Presentation last = take_all(now, ended);
      if (last.kind == Kind::end) return;
      const std::int64_t arrival = ended ? INT64_MAX : frames[next_frame].arrival_ns;
      now = std::max(now + 1, std::min(last.wake_ns, arrival));
      if (now >= stall_from_ && now < stall_until_) now = stall_until_;
    }
    FAIL() << "never ended";
  }
  void stall(std::int64_t from, std::int64_t until) {
    stall_from_ = from;
    stall_until_ = until;
  }

  void expect_sums(std::size_t captured) const {
    const Pacer::Counts& c = pacer.counts();
    EXPECT_EQ(c.presented + c.late + c.skipped, captured);
    EXPECT_EQ(c.slates + c.presented + c.late + c.repeated, shown.size());
    EXPECT_EQ(ring.overflowed(), 0u);
    for (std::size_t i = 1; i < shown.size(); ++i) {
      const std::int64_t step =
          shown[i].presentation.presentation_ns - shown[i - 1].presentation.presentation_ns;
      EXPECT_GT(step, kInterval / 2 - 1) << "slot " << i;
      EXPECT_LE(step, kInterval * 3 / 2 + 1) << "slot " << i;
    }
  }

  Pacer pacer;
  DelayRing ring;
  std::vector<Shown> shown;

 private:
  Presentation take_all(std::int64_t now, bool ended) {
    for (;;) {
      const Presentation p = pacer.next(ring, now, ended);
      if (p.kind == Kind::wait || p.kind == Kind::end) return p;
      if (p.kind != Kind::slate) {
        EXPECT_NE(ring.at(p.capture_ns), nullptr) << "shows what is not in the ring";
      }
      shown.push_back({p, now});
      if (pacer.shown_ns() != INT64_MIN) ring.evict_before(pacer.shown_ns());
    }
  }
  PacerOptions options_;
  std::int64_t stall_from_ = INT64_MAX, stall_until_ = INT64_MAX;
};

TEST(Pacer, RefusesNonsense) {
  EXPECT_THROW(Pacer({.interval_ns = 0}), std::invalid_argument);
  EXPECT_THROW(Pacer({.interval_ns = 1, .delay_ns = -1}), std::invalid_argument);
}

TEST(Pacer, PresentsEveryFrameOnceExactlyItsDelayAfterCapture) {
  for (const std::int64_t delay : {500 * kMs, 7'000 * kMs, 20'000 * kMs}) {
    const PacerOptions options{.interval_ns = kInterval, .delay_ns = delay, .lead_ns = 15 * kMs};
    Simulation s(options);
    const auto frames = regular(900, 1'000 * kMs, 60 * kMs);
    s.run(frames, 990 * kMs);
    s.expect_sums(900);
    const Pacer::Counts& c = s.pacer.counts();
    EXPECT_EQ(c.presented, 900u);
    EXPECT_EQ(c.repeated, 0u);
    EXPECT_NEAR(static_cast<double>(c.slates), static_cast<double>(delay) / kInterval, 3);
    std::size_t next = 0;
    for (const Shown& shown : s.shown) {
      if (shown.presentation.kind == Kind::slate) {
        EXPECT_EQ(next, 0u) << "a slate after the first frame";
        continue;
      }
      EXPECT_EQ(shown.presentation.capture_ns, frames[next++].capture_ns);
      EXPECT_EQ(shown.presentation.presentation_ns, shown.presentation.capture_ns + delay);
      EXPECT_EQ(shown.at_ns, shown.presentation.presentation_ns - options.lead_ns);
    }
  }
}

TEST(Pacer, WithoutDelayEachFrameIsShownWhenItComes) {
  const PacerOptions options{.interval_ns = kInterval, .delay_ns = 0, .slack_ns = 200 * kMs};
  Simulation s(options);
  s.run(regular(300, 0, 80 * kMs), -5 * kMs);
  s.expect_sums(300);
  EXPECT_EQ(s.pacer.counts().presented, 300u);
  EXPECT_EQ(s.pacer.counts().repeated, 0u);
  for (const Shown& shown : s.shown) {
    if (shown.presentation.kind != Kind::frame) continue;
    EXPECT_EQ(shown.presentation.presentation_ns, shown.presentation.capture_ns);
    EXPECT_EQ(shown.at_ns, shown.presentation.capture_ns + 80 * kMs);
  }
}

TEST(Pacer, FollowsJitterAndKeepsTheDelayExact) {
  std::mt19937 random(3);
  std::uniform_int_distribution<std::int64_t> jitter(-8 * kMs, 8 * kMs);
  auto frames = regular(2000, 0, 0);
  for (Captured& f : frames) {
    f.capture_ns += jitter(random);
    f.arrival_ns = f.capture_ns + 100 * kMs + jitter(random);
  }
  Simulation s({.interval_ns = kInterval, .delay_ns = 7'000 * kMs});
  s.run(frames, 0);
  s.expect_sums(2000);
  EXPECT_EQ(s.pacer.counts().presented, 2000u);
  EXPECT_EQ(s.pacer.counts().repeated, 0u);
}

TEST(Pacer, FollowsADriftingCameraForAnHour) {
  // 0.1 % off: 3.6 s over an hour, a hundred frames.
  for (const double rate : {0.999, 1.001}) {
    constexpr int kFrames = 108'000;
    Simulation s({.interval_ns = kInterval, .delay_ns = 7'000 * kMs});
    s.run(regular(kFrames, 0, 50 * kMs, kInterval * rate), 0);
    s.expect_sums(kFrames);
    EXPECT_EQ(s.pacer.counts().presented, static_cast<std::uint64_t>(kFrames));
    EXPECT_EQ(s.pacer.counts().repeated, 0u);
  }
}

TEST(Pacer, RepeatsTheLastFrameForEachThatIsMissing) {
  auto frames = regular(300, 0, 50 * kMs);
  frames.erase(frames.begin() + 200, frames.begin() + 205);
  frames.erase(frames.begin() + 100);
  Simulation s({.interval_ns = kInterval, .delay_ns = 2'000 * kMs});
  s.run(frames, 0);
  s.expect_sums(294);
  EXPECT_EQ(s.pacer.counts().presented, 294u);
  EXPECT_EQ(s.pacer.counts().repeated, 6u);
  int repeats = 0;
  for (const Shown& shown : s.shown) {
    if (shown.presentation.kind != Kind::repeat) continue;
    const std::int64_t expected = ++repeats == 1 ? 99 : 199;
    EXPECT_NEAR(static_cast<double>(shown.presentation.capture_ns),
                static_cast<double>(expected * kInterval), 200);
  }
}

TEST(Pacer, AStalledSourceFreezesThePictureAndComesBack) {
  // Nothing is captured for three seconds, and the camera comes back at another phase.
  auto frames = regular(100, 0, 50 * kMs);
  const auto later = regular(100, 100 * kInterval + 3'010 * kMs, 50 * kMs);
  frames.insert(frames.end(), later.begin(), later.end());
  for (const std::int64_t delay : {std::int64_t{0}, 500 * kMs, 7'000 * kMs}) {
    Simulation s({.interval_ns = kInterval, .delay_ns = delay, .slack_ns = 100 * kMs});
    s.run(frames, 0);
    s.expect_sums(200);
    EXPECT_EQ(s.pacer.counts().presented, 200u) << delay;
    EXPECT_NEAR(static_cast<double>(s.pacer.counts().repeated), 3'010.0 / 33.33, 1.0) << delay;
  }
}

TEST(Pacer, AFrameThatComesTooLateIsShownLateOrSkippedAndCounted) {
  auto frames = regular(100, 0, 10 * kMs);
  frames[50].arrival_ns += 250 * kMs;  // holds up those behind it: they arrive in order
  for (int i = 51; i < 58; ++i)
    frames[static_cast<std::size_t>(i)].arrival_ns = frames[50].arrival_ns;
  Simulation s({.interval_ns = kInterval, .delay_ns = 100 * kMs});
  s.run(frames, 0);
  s.expect_sums(100);
  const Pacer::Counts& c = s.pacer.counts();
  EXPECT_GT(c.repeated, 0u);
  EXPECT_GT(c.late + c.skipped, 0u);
  EXPECT_LE(c.late + c.skipped, 8u);
  EXPECT_GE(c.presented, 92u);
  std::int64_t last = -1;
  for (const Shown& shown : s.shown)
    if (shown.presentation.kind == Kind::frame) {
      EXPECT_GT(shown.presentation.capture_ns, last) << "shown twice or backwards";
      last = shown.presentation.capture_ns;
    }
}

TEST(Pacer, APipelineThatIsAlwaysTooSlowStillShowsPictures) {
  // Each panorama arrives a second after the slack is over.
  Simulation s({.interval_ns = kInterval, .delay_ns = 0, .slack_ns = 50 * kMs});
  s.run(regular(300, 0, 1'000 * kMs), 0);
  s.expect_sums(300);
  EXPECT_GT(s.pacer.counts().late + s.pacer.counts().presented, 200u);
}

TEST(Pacer, AStalledPacingThreadCatchesUpAndCountsWhatWasLate) {
  Simulation s({.interval_ns = kInterval, .delay_ns = 1'000 * kMs});
  s.stall(2'000 * kMs, 2'400 * kMs);
  auto frames = regular(150, 0, 20 * kMs);
  s.run(frames, 0);
  const Pacer::Counts& c = s.pacer.counts();
  EXPECT_EQ(c.presented + c.late, 150u);
  EXPECT_EQ(c.repeated, 0u);
  EXPECT_NEAR(static_cast<double>(c.late), 400.0 / 33.3 - 1, 1.5);
}

TEST(Pacer, TwoFramesInOneIntervalAreOneTooMany) {
  auto frames = regular(100, 0, 10 * kMs);
  frames.insert(frames.begin() + 41, {frames[40].capture_ns + 5 * kMs, frames[40].arrival_ns});
  Simulation s({.interval_ns = kInterval, .delay_ns = 500 * kMs});
  s.run(frames, 0);
  s.expect_sums(101);
  EXPECT_EQ(s.pacer.counts().presented, 100u);
  EXPECT_EQ(s.pacer.counts().skipped, 1u);
}

TEST(Pacer, EndDrainsTheLastSeconds) {
  for (const bool real_time : {true, false}) {
    Simulation s({.interval_ns = kInterval, .delay_ns = 7'000 * kMs, .real_time = real_time});
    const auto frames = regular(30, 0, 10 * kMs);  // ends long before the ring is full
    s.run(frames, 0);
    s.expect_sums(30);
    EXPECT_EQ(s.pacer.counts().presented, 30u);
    EXPECT_EQ(s.shown.back().presentation.capture_ns, frames.back().capture_ns);
    if (real_time) {
      EXPECT_EQ(s.shown.back().at_ns, frames.back().capture_ns + 7'000 * kMs);
    }
  }
}

TEST(Pacer, EndWithoutAnyFrame) {
  DelayRing ring(4);
  Pacer pacer({.interval_ns = kInterval});
  EXPECT_EQ(pacer.next(ring, 0, true).kind, Kind::end);
}

TEST(Pacer, FastModeGivesTheSameSlotsHoweverTheFramesCome) {
  auto frames = regular(400, 5'000 * kMs, 0);
  frames.erase(frames.begin() + 333);
  std::vector<std::vector<std::int64_t>> runs;
  for (const int burst : {1, 7, 60}) {
    auto bursts = frames;
    for (std::size_t i = 0; i < bursts.size(); ++i)
      bursts[i].arrival_ns = static_cast<std::int64_t>(i / burst);
    Simulation s({.interval_ns = kInterval, .delay_ns = 7'000 * kMs, .real_time = false});
    s.run(bursts, 0);
    s.expect_sums(399);
    EXPECT_EQ(s.pacer.counts().slates, 210u);
    EXPECT_EQ(s.pacer.counts().presented, 399u);
    EXPECT_EQ(s.pacer.counts().repeated, 1u);
    EXPECT_EQ(s.pacer.counts().late, 0u);
    auto& slots = runs.emplace_back();
    for (const Shown& shown : s.shown) slots.push_back(shown.presentation.presentation_ns);
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_EQ(runs[0], runs[2]);
}

}  // namespace
}  // namespace gantry
