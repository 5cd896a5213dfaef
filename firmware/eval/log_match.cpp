// The lines of a detection log as analyses of a match.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/eval/log_match.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "firmware/detection_log_reader.hpp"

namespace gantry {
namespace {

constexpr double kLongest_s = 24 * 3600;  // stamps farther apart are no match

}  // namespace

LoggedMatch read_match(const std::filesystem::path& log, double latency_s) {
  detection_log::Reader reader(log);
  LoggedMatch out;
  out.header = reader.header();
  Match& match = out.match;
  match.name = log.filename().string();
  match.frames_per_second = out.header.frames_per_second;
  if (!(match.frames_per_second >= 1 && match.frames_per_second <= 1000))
    throw std::runtime_error(fmt::format("{}: frames_per_second is {}; it must be 1 to 1000",
                                         log.string(), match.frames_per_second));
  const auto latency_ns = static_cast<std::int64_t>(1e9 * latency_s);
  Detections found;
  std::int64_t first_ns = 0, last_ns = 0;
  while (reader.next(found)) {
    if (match.analyses.empty()) first_ns = found.capture_ns;
    const double at_s =
        1e-9 * (static_cast<double>(found.capture_ns) - static_cast<double>(first_ns));
    if (std::abs(at_s) > kLongest_s)
      throw std::runtime_error(fmt::format(
          "{}: panorama {} is {:.0f} hours from the first one; a match takes a day at most",
          log.string(), found.panorama, at_s / 3600));
    const std::int64_t capture_ns = found.capture_ns - first_ns;
    last_ns = std::max(last_ns, capture_ns);
    match.analyses.push_back(
        {capture_ns, capture_ns + latency_ns, match.boxes.size(), found.count});
    match.boxes.insert(match.boxes.end(), found.view().begin(), found.view().end());
  }
  if (match.analyses.empty()) throw std::runtime_error(log.string() + ": no panorama was analysed");
  match.frame_count =
      1 + static_cast<std::size_t>(1e-9 * static_cast<double>(last_ns) * match.frames_per_second);
  return out;
}

}  // namespace gantry
