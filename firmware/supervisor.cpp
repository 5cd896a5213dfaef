// The supervisor's round.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/supervisor.hpp"

#include <fmt/format.h>

#include "firmware/first_picture.hpp"
#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

constexpr std::int64_t kTellEvery_ns = 5 * clock::kSecond_ns;
// The line of the first picture waits so long for the screen.
constexpr std::int64_t kScreenPatience_ns = clock::kSecond_ns;

}  // namespace

Supervisor::Supervisor(const Config& config, Appliance& appliance)
    : config_(config), appliance_(appliance) {
  if (!config.watchdog_device.empty())
    watchdog_.emplace(config.watchdog_device, config.watchdog_timeout_s);
}

void Supervisor::start() {
  // Filming files fast, everyone waits for the slowest: only the clock makes progress a duty.
  if (config_.pace == Pace::real_time) appliance_.watch(health_);
}

bool Supervisor::check() {
  const auto now_ns = clock::now_ns();
  if (appliance_.telemetry().device_lost.load()) {
    log::error("run: cannot go on: the OpenCL device is lost");
    return false;
  }
  if (!health_.check(now_ns)) {
    log::error("run: cannot go on: no progress of {}", health_.stalled());
    service_.status("no progress of " + health_.stalled());
    return false;
  }
  service_.feed(now_ns);
  if (watchdog_) watchdog_->feed();
  tell(now_ns);
  return true;
}

void Supervisor::tell(std::int64_t now_ns) {
  const auto& t = appliance_.telemetry();
  const bool view = t.first.view.read() != 0, slate = t.first.slate.read() != 0;
  const bool on_screen = !config_.display.on || t.first.screen_view.read() != 0;
  const bool complete = on_screen || now_ns - t.first.view.read() > kScreenPatience_ns;
  if (view && complete && !first_picture_told_) {
    log::info("{}", first_picture_line(t.first, process_start_ns()));
    first_picture_told_ = true;
  }
  if (view || slate) service_.ready();
  if (now_ns - told_ns_ < kTellEvery_ns) return;
  told_ns_ = now_ns;
  service_.status(fmt::format("{} panoramas, {} shown, {} late", t.stitched.read(),
                              t.presented.read(), t.late.read()));
}

void Supervisor::ended() {
  if (watchdog_) watchdog_->disarm();
}

}  // namespace gantry
