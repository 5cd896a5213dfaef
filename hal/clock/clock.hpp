// CLOCK_MONOTONIC in nanoseconds: the one time base of frames, boxes, samples and decisions.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace gantry::clock {

constexpr std::int64_t kSecond_ns = 1'000'000'000;
constexpr std::int64_t kMillisecond_ns = 1'000'000;

// Nanoseconds since an arbitrary origin (boot); never steps. Any thread, no allocation.
std::int64_t now_ns() noexcept;

// Sleeps until the given CLOCK_MONOTONIC instant; returns at once if it has passed. Any thread.
void sleep_until_ns(std::int64_t instant_ns) noexcept;

}  // namespace gantry::clock
