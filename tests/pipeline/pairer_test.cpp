// Pairer: phases, drift, losses, silent cameras and refused set-ups; every picture is accounted for.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/pairer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr double kRate = 30;
constexpr std::int64_t kInterval = 33'333'333;
constexpr std::int64_t kMs = 1'000'000;

Pairer make(std::size_t cameras, PairerOptions options = {}) {
  std::vector<Pairer::Camera> list;
  for (std::size_t i = 0; i < cameras; ++i) list.push_back({"camera " + std::to_string(i), kRate});
  return Pairer(list, options);
}

CameraFrame picture(std::int64_t capture_ns, std::uint64_t sequence) {
  CameraFrame frame;
  frame.capture_ns = capture_ns;
  frame.sequence = sequence;
  return frame;
}

struct Event {
  std::int64_t arrival_ns;
  std::size_t camera;
  std::int64_t capture_ns;
  std::uint64_t sequence;
};

struct Result {
  std::vector<std::array<std::int64_t, Rig::kMostCameras>> pairs;  // sequence numbers, -1: missing
  std::int64_t widest_ns = 0;
};

// Delivers in the order of arrival and checks every pair that comes out.
Result run(Pairer& pairer, std::vector<Event> events) {
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.arrival_ns < b.arrival_ns; });
  SurfacePool pool(64, [](std::uint32_t) { return Surface{}; });
  Result result;
  std::int64_t last_ns = INT64_MIN;
  const auto collect = [&] {
    FramePair pair;
    while (pairer.next(pair)) {
      auto& numbers = result.pairs.emplace_back();
      numbers.fill(-1);
      std::int64_t low = INT64_MAX, high = INT64_MIN;
      for (std::size_t i = 0; i < pairer.cameras(); ++i) {
        if (!pair.cameras[i].surface) continue;
        numbers[i] = static_cast<std::int64_t>(pair.cameras[i].sequence);
        if (low == INT64_MAX) {
          EXPECT_EQ(pair.capture_ns, pair.cameras[i].capture_ns);
        }
        low = std::min(low, pair.cameras[i].capture_ns);
        high = std::max(high, pair.cameras[i].capture_ns);
      }
      EXPECT_EQ(pair.number, result.pairs.size() - 1);
      EXPECT_GT(pair.capture_ns, last_ns);
      last_ns = pair.capture_ns;
      result.widest_ns = std::max(result.widest_ns, high - low);
    }
  };
  for (const Event& event : events) {
    CameraFrame frame = picture(event.capture_ns, event.sequence);
    frame.surface = pool.acquire();
    EXPECT_TRUE(frame.surface) << "pictures pile up";
    EXPECT_TRUE(pairer.offer(event.camera, std::move(frame)));
    collect();
  }
  for (std::size_t i = 0; i < pairer.cameras(); ++i) pairer.end(i);
  collect();
  EXPECT_TRUE(pairer.finished());
  EXPECT_LE(result.widest_ns, pairer.interval_ns() / 2);
  for (std::size_t i = 0; i < pairer.cameras(); ++i) {
    const Pairer::Counts c = pairer.counts(i);
    EXPECT_EQ(c.offered, c.paired + c.unpaired) << "camera " << i;
    EXPECT_EQ(c.paired + c.missing, pairer.pairs()) << "camera " << i;
  }
  EXPECT_EQ(pool.available(), pool.capacity());
  return result;
}

std::vector<Event> stream(std::size_t camera, int count, std::int64_t phase_ns,
                          std::int64_t latency_ns = 5 * kMs, double rate = kRate) {
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) {
    const std::int64_t captured = phase_ns + std::llround(i * 1e9 / rate);
    events.push_back({captured + latency_ns, camera, captured, static_cast<std::uint64_t>(i)});
  }
  return events;
}

std::vector<Event> merge(std::initializer_list<std::vector<Event>> streams) {
  std::vector<Event> all;
  for (const auto& s : streams) all.insert(all.end(), s.begin(), s.end());
  return all;
}

void expect_refused(std::vector<Pairer::Camera> cameras, const char* word) {
  try {
    Pairer pairer(cameras, {});
    ADD_FAILURE() << "accepted; expected an error about " << word;
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

TEST(Pairer, RefusesWhatCannotBePaired) {
  expect_refused({}, "0 cameras");
  expect_refused(std::vector<Pairer::Camera>(5, {"x", 30}), "5 cameras");
  expect_refused({{"left", 30}, {"right", 0}}, "\"right\"");
  expect_refused({{"left", std::nan("")}}, "\"left\"");
  expect_refused({{"left", std::numeric_limits<double>::infinity()}}, "\"left\"");
  expect_refused({{"left", 30}, {"middle", 30}, {"right", 25}}, "set both to 25.000");
  expect_refused({{"left", 29.4}, {"right", 30}}, "differ by 0.5");
  EXPECT_NO_THROW(Pairer(std::vector<Pairer::Camera>{{"a", 29.97}, {"b", 30.0}}, {}));
  EXPECT_THROW(make(2, {.most_wait_frames = -1}), std::invalid_argument);
  EXPECT_THROW(make(2, {.most_wait_frames = 13}), std::invalid_argument);
}

TEST(Pairer, OneCameraPassesThrough) {
  Pairer pairer = make(1);
  EXPECT_EQ(run(pairer, stream(0, 100, 0)).pairs.size(), 100u);
  EXPECT_EQ(pairer.counts(0).unpaired, 0u);
}

TEST(Pairer, PairsAtAnyPhaseUpToHalfAnInterval) {
  for (std::int64_t phase = -16 * kMs; phase <= 16 * kMs; phase += 4 * kMs) {
    Pairer pairer = make(2);
    const Result r =
        run(pairer, merge({stream(0, 300, 100 * kMs), stream(1, 300, 100 * kMs + phase)}));
    ASSERT_EQ(r.pairs.size(), 300u) << phase;
    for (std::size_t i = 0; i < r.pairs.size(); ++i)
      EXPECT_EQ(r.pairs[i][0], r.pairs[i][1]) << "phase " << phase;
    EXPECT_EQ(r.widest_ns, std::abs(phase));
  }
  // Beyond half, the neighbour is nearer: one picture at each end is left over.
  Pairer pairer = make(2);
  const Result r = run(pairer, merge({stream(0, 300, 0), stream(1, 300, 20 * kMs)}));
  EXPECT_EQ(r.pairs.size(), 300u);
  EXPECT_EQ(r.pairs[5][0], r.pairs[5][1] + 1);
  EXPECT_EQ(pairer.counts(0).unpaired, 1u);
}

TEST(Pairer, FourCamerasWithJitterAndUnevenDelivery) {
  std::mt19937 random(5);
  std::uniform_int_distribution<std::int64_t> jitter(-2 * kMs, 2 * kMs), latency(0, 40 * kMs);
  std::vector<Event> events;
  for (std::size_t camera = 0; camera < 4; ++camera) {
    auto s = stream(camera, 2000, 50 * kMs + static_cast<std::int64_t>(camera) * 3 * kMs);
    std::int64_t last = 0;
    for (Event& e : s) {
      e.capture_ns += jitter(random);
      e.arrival_ns = last = std::max(last + 1, e.capture_ns + latency(random));
    }
    events.insert(events.end(), s.begin(), s.end());
  }
  Pairer pairer = make(4);
  const Result r = run(pairer, events);
  EXPECT_EQ(r.pairs.size(), 2000u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(pairer.counts(i).unpaired, 0u);
}

TEST(Pairer, DriftForAnHourCostsOnlyThePicturesThatAreTooMany) {
  // 30.00 and 30.02 frames per second: 72 more in an hour; 1 ms of jitter on both.
  std::mt19937 random(11);
  std::uniform_int_distribution<std::int64_t> jitter(-kMs / 2, kMs / 2);
  constexpr int kSlow = 108'000, kFast = 108'072;
  auto events = merge({stream(0, kSlow, 0, 5 * kMs, 30.0), stream(1, kFast, 0, 5 * kMs, 30.02)});
  for (Event& e : events) {
    e.capture_ns += jitter(random);
    e.arrival_ns = e.capture_ns + 5 * kMs;
  }
  Pairer pairer = make(2);
  const Result r = run(pairer, events);
  // Where the cameras pass each other at half an interval, jitter costs some on either side.
  EXPECT_GT(r.pairs.size(), kSlow * 0.99);
  EXPECT_EQ(pairer.counts(0).missing + pairer.counts(1).missing, 0u);
  EXPECT_LT(pairer.counts(0).unpaired, kSlow * 0.01);
}

TEST(Pairer, ALostPictureCostsItsPartnerAndNothingElse) {
  auto lossy = stream(1, 300, 4 * kMs);
  lossy.erase(lossy.begin() + 100, lossy.begin() + 102);
  Pairer pairer = make(2);
  const Result r = run(pairer, merge({stream(0, 300, 0), lossy}));
  EXPECT_EQ(r.pairs.size(), 298u);
  for (const auto& pair : r.pairs) EXPECT_EQ(pair[0], pair[1]);
  EXPECT_EQ(pairer.counts(0).unpaired, 2u);
  EXPECT_EQ(pairer.counts(1).unpaired, 0u);
  EXPECT_EQ(pairer.counts(1).gaps, 2u);
  EXPECT_EQ(pairer.counts(0).gaps, 0u);
}

TEST(Pairer, ASilentCameraIsWaitedForOnceAndThenLeftOut) {
  auto silent = stream(1, 300, 2 * kMs);
  silent.erase(silent.begin() + 100, silent.begin() + 200);  // and it comes back
  Pairer pairer = make(2, {.most_wait_frames = 3});
  const Result r = run(pairer, merge({stream(0, 300, 0), silent}));
  EXPECT_EQ(r.pairs.size(), 300u - pairer.counts(0).unpaired);
  EXPECT_LE(pairer.counts(0).unpaired, 1u);
  EXPECT_NEAR(static_cast<double>(pairer.counts(1).missing), 100, 2);
  EXPECT_EQ(r.pairs.back()[0], 299);
  EXPECT_EQ(r.pairs.back()[1], 299);
}

TEST(Pairer, TheWaitIsBounded) {
  Pairer pairer = make(2, {.most_wait_frames = 3});
  FramePair pair;
  int waited = 0;
  for (std::uint64_t i = 0; !pairer.next(pair); ++i, ++waited)
    ASSERT_TRUE(pairer.offer(0, picture(static_cast<std::int64_t>(i) * kInterval, i)));
  EXPECT_EQ(waited, 4);  // itself and three more
  EXPECT_EQ(pair.cameras[0].sequence, 0u);
  EXPECT_EQ(pairer.counts(1).missing, 1u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pairer.next(pair)) << "not waited for again";
  EXPECT_FALSE(pairer.next(pair));
}

TEST(Pairer, WithoutMissingTheOthersAreDropped) {
  auto silent = stream(1, 300, 2 * kMs);
  silent.erase(silent.begin() + 100, silent.begin() + 200);
  Pairer pairer = make(2, {.allow_missing = false});
  const Result r = run(pairer, merge({stream(0, 300, 0), silent}));
  EXPECT_EQ(r.pairs.size(), 200u);
  EXPECT_EQ(pairer.counts(0).unpaired, 100u);
  EXPECT_EQ(pairer.counts(1).missing, 0u);
}

TEST(Pairer, ACameraThatDeliversTooLateGetsNoSecondPair) {
  auto late = stream(1, 100, 0);
  for (std::size_t i = 40; i < 60; ++i) late[i].arrival_ns = 62 * kInterval;  // all at once
  for (std::size_t i = 60; i < 63; ++i) late[i].arrival_ns = 62 * kInterval + 1;
  Pairer pairer = make(2, {.most_wait_frames = 3});
  run(pairer, merge({stream(0, 100, 0), late}));  // checks order and sums
  EXPECT_GE(pairer.counts(1).unpaired, 18u);
  EXPECT_GE(pairer.counts(1).missing, 18u);
}

TEST(Pairer, FilesAreWaitedForAndRefuseWhatHasNoRoom) {
  Pairer pairer = make(2, {.most_wait_frames = 0});
  FramePair pair;
  for (std::uint64_t i = 0; i < Pairer::kDepth; ++i) {
    ASSERT_TRUE(pairer.room(0));
    ASSERT_TRUE(pairer.offer(0, picture(static_cast<std::int64_t>(i) * kInterval, i)));
    EXPECT_FALSE(pairer.next(pair));
  }
  EXPECT_FALSE(pairer.room(0));
  CameraFrame refused = picture(1'000'000'000, 16);
  EXPECT_FALSE(pairer.offer(0, std::move(refused)));
  EXPECT_EQ(refused.sequence, 16u);
  EXPECT_EQ(pairer.counts(0).offered, Pairer::kDepth);
  ASSERT_TRUE(pairer.offer(1, picture(0, 0)));
  EXPECT_TRUE(pairer.next(pair));
  EXPECT_TRUE(pairer.room(0));
}

TEST(Pairer, AfterTheEndOfOneFileTheOtherGoesOnOrNot) {
  const auto events = merge({stream(0, 100, 0), stream(1, 60, 0)});
  Pairer alone = make(2, {.most_wait_frames = 3, .allow_missing = true});
  EXPECT_EQ(run(alone, events).pairs.size(), 100u);
  EXPECT_EQ(alone.counts(1).missing, 40u);
  Pairer together = make(2, {.most_wait_frames = 3, .allow_missing = false});
  EXPECT_EQ(run(together, events).pairs.size(), 60u);
  EXPECT_EQ(together.counts(0).unpaired, 40u);
}

TEST(Pairer, TimeThatDoesNotRiseIsUnpaired) {
  Pairer pairer = make(1);
  FramePair pair;
  EXPECT_TRUE(pairer.offer(0, picture(100, 0)));
  EXPECT_TRUE(pairer.next(pair));
  EXPECT_TRUE(pairer.offer(0, picture(100, 1)));
  EXPECT_TRUE(pairer.offer(0, picture(99, 2)));
  EXPECT_FALSE(pairer.next(pair));
  EXPECT_EQ(pairer.counts(0).unpaired, 2u);
}

TEST(SequenceGaps, CountsWhatIsMissingAndForgivesARestart) {
  SequenceGaps gaps;
  for (const std::uint64_t s : {5u, 6u, 9u, 10u, 0u, 1u, 3u}) gaps.see(s);
  EXPECT_EQ(gaps.missing(), 3u);
}

}  // namespace
}  // namespace gantry
