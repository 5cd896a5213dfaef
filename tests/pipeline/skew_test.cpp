// The phase between cameras: its median, over pairs that have both.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/skew.hpp"

#include <gtest/gtest.h>

namespace gantry {
namespace {

TEST(Skew, IsTheMedianOfThePairsThatHaveBothAndIsToldOnce) {
  SurfacePool pool(2, [](std::uint32_t) { return Surface{}; });
  Skew skew;
  int told = 0;
  for (int n = 0; n < 300; ++n) {
    FramePair pair;
    pair.cameras[0].surface = pool.acquire();
    pair.cameras[0].capture_ns = 40'000'000LL * n;
    const bool alone = n % 3 == 0;
    if (!alone) pair.cameras[1].surface = pool.acquire();
    // A wild one now and then moves no median.
    pair.cameras[1].capture_ns =
        pair.cameras[0].capture_ns - 7'000'000 + (n % 10 == 1 ? 9'000'000 : n);
    if (!skew.see(pair, 1)) continue;
    ++told;
    EXPECT_EQ(n, 89) << "60 of 90 pairs had both";
    EXPECT_NEAR(static_cast<double>(skew.offset_ns(1)), -7e6, 100);
  }
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace gantry
