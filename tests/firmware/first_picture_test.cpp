// The line that tells how the picture came.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/first_picture.hpp"

#include <gtest/gtest.h>

#include "hal/clock/clock.hpp"

namespace gantry {
namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;

TEST(FirstPicture, TellsWhatHappenedInTheOrderOfTheFrame) {
  FirstInstants first;
  first.capture.mark(12 * kSecond_ns + kSecond_ns / 4);
  first.panorama.mark(12 * kSecond_ns + kSecond_ns / 2);
  first.view.mark(19 * kSecond_ns);
  first.view.mark(20 * kSecond_ns);  // only the first counts
  const std::string line =
      "first picture: the process started 12.00 s after the kernel; after it, capture 0.25 s, "
      "panorama 0.50 s, view 7.00 s";
  EXPECT_EQ(first_picture_line(first, 12 * kSecond_ns), line);
  first.screen_view.mark(19 * kSecond_ns + kSecond_ns / 50);
  EXPECT_EQ(first_picture_line(first, 12 * kSecond_ns), line + ", view on the display 7.02 s");
}

TEST(FirstPicture, TheProcessStartedBeforeNow) {
  const auto start_ns = process_start_ns();
  EXPECT_GT(start_ns, 0);
  EXPECT_LE(start_ns, clock::now_ns());
}

}  // namespace
}  // namespace gantry
