// From power-on to picture: the instants on the way, in one line of the log.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "pipeline/telemetry.hpp"

namespace gantry {

// When the kernel started this process, CLOCK_MONOTONIC (which began with the kernel), to 10 ms;
// 0 where /proc does not say.
std::int64_t process_start_ns();

// "first picture: the process started 4.21 s after the kernel; after it, capture 0.31 s, panorama
// 0.34 s, slate 0.32 s, view 7.31 s, slate on the display 0.33 s, …"; what has not happened is left
// out.
std::string first_picture_line(const FirstInstants& first, std::int64_t process_start_ns);

}  // namespace gantry
