// A match that was really filmed, from its detection log: what was found, without the truth.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "firmware/detection_log_format.hpp"
#include "firmware/eval/sim_match.hpp"

namespace gantry {

struct LoggedMatch {
  Match match;  // begins with the first panorama; knows no truth
  detection_log::Header header;
};

// Every analysis reaches the director `latency_s` after its capture. Set-up code: allocates. Throws
// std::runtime_error naming the file and what is wrong with it.
LoggedMatch read_match(const std::filesystem::path& log, double latency_s);

}  // namespace gantry
