// DelayRing: order, search, eviction and the references it holds.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/delay_ring.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace gantry {
namespace {

PanoramaFrame frame(std::int64_t capture_ns, std::uint64_t number = 0) {
  PanoramaFrame f;
  f.capture_ns = capture_ns;
  f.number = number;
  return f;
}

TEST(DelayRing, RefusesToHoldNothing) {
  EXPECT_THROW(DelayRing(0), std::invalid_argument);
}

TEST(DelayRing, FindsExactlyAndNotLaterThroughWraparound) {
  DelayRing ring(7);
  EXPECT_EQ(ring.at(0), nullptr);
  EXPECT_EQ(ring.not_later(1'000'000), nullptr);
  for (std::int64_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(ring.push(frame(i * 10, static_cast<std::uint64_t>(i))));
    const std::int64_t oldest = std::max<std::int64_t>(0, i - 6);
    for (std::int64_t k = 0; k <= i; ++k) {
      const PanoramaFrame* exact = ring.at(k * 10);
      const PanoramaFrame* between = ring.not_later(k * 10 + 9);
      if (k < oldest) {
        EXPECT_EQ(exact, nullptr);
        EXPECT_EQ(between, nullptr);
      } else {
        ASSERT_NE(exact, nullptr);
        EXPECT_EQ(exact->number, static_cast<std::uint64_t>(k));
        EXPECT_EQ(between, exact);
      }
      EXPECT_EQ(ring.at(k * 10 + 1), nullptr);
    }
    EXPECT_EQ(ring.first_after(-1), 0u);
    EXPECT_EQ(ring.first_after(i * 10), ring.size());
    EXPECT_EQ(ring.newest().capture_ns, i * 10);
    EXPECT_EQ(ring.oldest().capture_ns, oldest * 10);
  }
  EXPECT_EQ(ring.overflowed(), 43u);
}

TEST(DelayRing, RefusesAndCountsWhatIsNotLater) {
  DelayRing ring(4);
  EXPECT_TRUE(ring.push(frame(100)));
  EXPECT_FALSE(ring.push(frame(100)));
  EXPECT_FALSE(ring.push(frame(99)));
  EXPECT_TRUE(ring.push(frame(101)));
  EXPECT_EQ(ring.out_of_order(), 2u);
  EXPECT_EQ(ring.size(), 2u);
}

TEST(DelayRing, EvictsWhatIsOlder) {
  DelayRing ring(8);
  for (int i = 0; i < 8; ++i) ring.push(frame(i * 10));
  EXPECT_EQ(ring.evict_before(-5), 0u);
  EXPECT_EQ(ring.evict_before(30), 3u);
  EXPECT_EQ(ring.oldest().capture_ns, 30);
  EXPECT_EQ(ring.evict_before(31), 1u);
  EXPECT_EQ(ring.evict_before(1000), 4u);
  EXPECT_TRUE(ring.empty());
  EXPECT_TRUE(ring.push(frame(2000)));
  EXPECT_EQ(ring.overflowed(), 0u);
}

TEST(DelayRing, HoldsOneReferenceAndGivesItBack) {
  SurfacePool pool(4, [](std::uint32_t) { return Surface{}; });
  DelayRing ring(2);
  const auto push = [&](std::int64_t instant) {
    PanoramaFrame f = frame(instant);
    f.surface = pool.acquire();
    return ring.push(std::move(f));
  };
  push(1);
  push(2);
  EXPECT_EQ(pool.available(), 2u);
  push(3);  // the oldest goes
  EXPECT_EQ(pool.available(), 2u);
  EXPECT_FALSE(push(3));  // refused, and given back at once
  EXPECT_EQ(pool.available(), 2u);

  PanoramaFrame kept = share(*ring.at(2));
  EXPECT_EQ(kept.surface.index(), ring.at(2)->surface.index());
  ring.evict_before(100);
  EXPECT_EQ(pool.available(), 3u) << "the shared one is still held";
  EXPECT_EQ(kept.capture_ns, 2);
  kept = {};
  EXPECT_EQ(pool.available(), 4u);
}

}  // namespace
}  // namespace gantry
