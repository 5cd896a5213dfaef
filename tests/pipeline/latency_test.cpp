// Latency: percentiles against a sorted list, its edges, and a reader beside the writer.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/latency.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace gantry {
namespace {

TEST(Latency, EmptyIsZero) {
  const Latency::Summary s = Latency().summary();
  EXPECT_EQ(s.count, 0u);
  EXPECT_EQ(s.p50_ns, 0);
  EXPECT_EQ(s.p99_ns, 0);
  EXPECT_EQ(s.max_ns, 0);
}

TEST(Latency, PercentilesAreWithinTheStatedError) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(3.1, 10.7);  // 1.26 µs … 50 s
  for (const std::size_t n : {1u, 2u, 3u, 100u, 10'007u}) {
    Latency latency;
    std::vector<std::int64_t> all(n);
    for (auto& d : all) latency.add(d = static_cast<std::int64_t>(std::pow(10, exponent(random))));
    std::sort(all.begin(), all.end());
    const auto expect_near = [&](double share, std::int64_t measured) {
      const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(n)));
      const auto expected = static_cast<double>(all[rank - 1]);
      EXPECT_NEAR(static_cast<double>(measured), expected, expected / 64 + 1)
          << share << " of " << n;
    };
    const Latency::Summary s = latency.summary();
    EXPECT_EQ(s.count, n);
    expect_near(0.50, s.p50_ns);
    expect_near(0.95, s.p95_ns);
    expect_near(0.99, s.p99_ns);
    EXPECT_EQ(s.max_ns, all.back());
  }
}

TEST(Latency, KeepsWhatLiesOutsideItsRange) {
  Latency latency;
  latency.add(-5);
  latency.add(0);
  latency.add(500);
  EXPECT_EQ(latency.summary().count, 3u);
  EXPECT_EQ(latency.summary().p99_ns, 500);  // never above the largest
  latency.add(3'600'000'000'000);
  EXPECT_EQ(latency.summary().max_ns, 3'600'000'000'000);
  EXPECT_GT(latency.summary().p99_ns, 66'000'000'000);
}

TEST(Latency, OneWritesWhileAnotherReads) {
  Latency latency;
  Counter taken;
  constexpr std::uint64_t kTotal = 200'000;
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kTotal; ++i) {
      latency.add(static_cast<std::int64_t>(i) * 1000);
      taken.add();
    }
  });
  std::uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const Latency::Summary s = latency.summary();
    EXPECT_GE(s.count, last);
    EXPECT_LE(s.p50_ns, s.p95_ns);
    EXPECT_LE(s.p95_ns, s.p99_ns);
    last = s.count;
  }
  writer.join();
  EXPECT_EQ(latency.summary().count, kTotal);
  EXPECT_EQ(taken.read(), kTotal);
}

}  // namespace
}  // namespace gantry
