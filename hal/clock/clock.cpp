// CLOCK_MONOTONIC read and absolute sleep.
// SPDX-License-Identifier: Apache-2.0
#include "hal/clock/clock.hpp"

#include <ctime>

namespace gantry::clock {

std::int64_t now_ns() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * kSecond_ns + t.tv_nsec;
}

void sleep_until_ns(std::int64_t instant_ns) noexcept {
  timespec t{};
  t.tv_sec = instant_ns / kSecond_ns;
  t.tv_nsec = instant_ns % kSecond_ns;
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) != 0) {
  }
}

}  // namespace gantry::clock
