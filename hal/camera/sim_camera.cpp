// Pacing, and one picture per call.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_camera.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "hal/clock/clock.hpp"

namespace gantry {
namespace {

SimCameraConfig checked(const SimCameraConfig& c) {
  const auto within = [&](const char* what, double value, double low, double high) {
    if (!(value >= low && value <= high))
      throw std::invalid_argument(fmt::format("sim camera '{}': {} is {}; {} to {} are possible",
                                              c.name, what, value, low, high));
  };
  within("frames_per_second", c.frames_per_second, 1, 240);
  within("phase", c.phase_s, 0, 1);
  within("exposure", c.exposure_stops, -4, 4);
  within("match_start", c.match_start_s, 0, 7200);
  return c;
}

std::int64_t start_of(const SimCameraConfig& c) {
  // Cameras that are made one after the other still film one match.
  static const std::int64_t first_ns = clock::now_ns();
  return c.start_ns == 0 && c.real_time ? first_ns : c.start_ns;
}

SimRendererConfig renderer_config(const SimCameraConfig& c) {
  SimRendererConfig r;
  r.camera = c.camera;
  r.width = c.width;
  r.height = c.height;
  r.seed = c.seed;
  r.mast.height = c.mast_height_m;
  r.time_code = c.time_code;
  return r;
}

}  // namespace

SimLook look_of(const SimCameraConfig& config) {
  SimLook look = config.random_look ? random_look(config.seed) : plain_look();
  for (float& e : look.exposure) e *= static_cast<float>(std::exp2(config.exposure_stops));
  return look;
}

std::int64_t capture_instant(const SimCameraConfig& c, std::int64_t start_ns,
                             std::uint64_t sequence) {
  const double after_s = static_cast<double>(sequence) / c.frames_per_second;
  return start_ns + std::llround(c.phase_s * 1e9) + std::llround(after_s * 1e9);
}

SimCamera::SimCamera(gpu::Device& device, const Rig& rig, const SimCameraConfig& config)
    : config_(checked(config)),
      start_ns_(start_of(config)),
      world_(config.seed),
      renderer_(device, rig, look_of(config), renderer_config(config)) {
  if (config_.hang_after_s > 0) never_ = cl::UserEvent(device.context());
}

CameraFormat SimCamera::format() const {
  return {renderer_.width(), renderer_.height(), config_.frames_per_second};
}

// In slices, so that stop() is heard.
bool SimCamera::wait_until(std::int64_t instant_ns) const noexcept {
  constexpr std::int64_t kSlice_ns = 20 * clock::kMillisecond_ns;
  while (!stopped_.load(std::memory_order_relaxed)) {
    const std::int64_t now = clock::now_ns();
    if (now >= instant_ns) return true;
    clock::sleep_until_ns(std::min(instant_ns, now + kSlice_ns));
  }
  return false;
}

// The next picture that arrives, waited for. A real camera does not wait for us either: what is due
// for more than a few intervals is gone.
bool SimCamera::next_picture(std::uint64_t& sequence) noexcept {
  constexpr double kIntervalsKept = 4;
  if (config_.real_time) {
    const double late_s =
        static_cast<double>(clock::now_ns() - capture_instant(config_, start_ns_, next_)) * 1e-9;
    const double late = late_s * config_.frames_per_second;
    if (late > kIntervalsKept) next_ += static_cast<std::uint64_t>(late);
  }
  const auto every = static_cast<std::uint64_t>(std::max(0, config_.drop_every));
  if (every > 0 && next_ % every == every - 1) ++next_;
  sequence = next_++;
  if (config_.frames > 0 && sequence >= config_.frames) return false;
  return config_.real_time ? wait_until(capture_instant(config_, start_ns_, sequence))
                           : !stopped_.load(std::memory_order_relaxed);
}

bool SimCamera::unplugged(std::int64_t capture_ns) const noexcept {
  const double at_s = 1e-9 * static_cast<double>(capture_ns - start_ns_) - config_.unplug_after_s;
  return config_.unplug_after_s > 0 && config_.real_time && at_s >= 0 &&
         at_s < config_.unplug_for_s;
}

Status SimCamera::rehearse(const Surface& surface) {
  cl::Event done;
  world_.at(config_.match_start_s, state_);
  const Status status = renderer_.render(state_, {}, {}, surface, &done);
  return status == Status::ok ? gpu::wait(done) : status;
}

Status SimCamera::capture(SurfacePool& pool, CameraFrame& out) noexcept {
  std::uint64_t sequence = 0;
  if (!next_picture(sequence)) return Status::end;
  out.sequence = sequence;
  out.capture_ns = capture_instant(config_, start_ns_, sequence);
  out.host_bytes_written = 0;
  if (unplugged(out.capture_ns)) return Status::lost;
  out.surface = acquire(pool, !config_.real_time, &stopped_);
  if (!out.surface) return Status::dropped;
  const double at_s = 1e-9 * static_cast<double>(out.capture_ns - start_ns_);
  world_.at(config_.match_start_s + at_s, state_);
  const FrameStamp stamp{static_cast<std::uint8_t>(config_.camera),
                         static_cast<std::uint32_t>(sequence), out.capture_ns};
  const Status status = renderer_.render(state_, stamp, {}, *out.surface, &out.ready);
  if (never_() && at_s > config_.hang_after_s) out.ready = never_;
  return status;
}

}  // namespace gantry
