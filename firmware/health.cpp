// Looks at every part in turn.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/health.hpp"

#include <algorithm>
#include <utility>

#include "hal/log/log.hpp"

namespace gantry {

void Health::add(std::string name, std::int64_t allowance_ns, std::function<Sign()> sign) {
  parts_.push_back({std::move(name), allowance_ns, std::move(sign)});
}

bool Health::check(std::int64_t now_ns) {
  const bool paused = checked_ns_ == INT64_MIN || now_ns - checked_ns_ > kLongestPause_ns;
  checked_ns_ = now_ns;
  stalled_.clear();
  for (Part& part : parts_) {
    if (paused) part.well_ns = now_ns;
    look_at(part, now_ns);
    if (part.stalled) stalled_ += (stalled_.empty() ? "" : ", ") + part.name;
  }
  return stalled_.empty();
}

void Health::look_at(Part& part, std::int64_t now_ns) {
  const Sign sign = part.sign();
  const bool progressed = std::exchange(part.progress, sign.progress) != sign.progress;
  part.began |= progressed;
  const auto allowance_ns =
      part.began ? part.allowance_ns : std::max(part.allowance_ns, kFirstStep_ns);
  if (progressed || sign.idle) {
    if (std::exchange(part.stalled, false))
      log::warning("health: {} is well again after {:.1f} s", part.name,
                   1e-9 * static_cast<double>(now_ns - part.well_ns));
    part.well_ns = now_ns;
  } else if (now_ns - part.well_ns > allowance_ns && !std::exchange(part.stalled, true)) {
    log::error("health: {} has made no progress for {:.1f} s", part.name,
               1e-9 * static_cast<double>(now_ns - part.well_ns));
  }
}

}  // namespace gantry
