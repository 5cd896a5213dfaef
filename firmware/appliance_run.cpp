// The appliance at work: threads, start, stop, and the report.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "firmware/appliance.hpp"
#include "firmware/media.hpp"
#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {

void Appliance::start_thread(std::string name, ThreadRole role, std::function<bool()> step,
                             std::function<bool()> idle) {
  ThreadOptions options;
  options.name = std::move(name);
  options.role = role;
  if (role == ThreadRole::frame || role == ThreadRole::submission)
    options.fifo_priority = config_.real_time_priority;
  threads_.push_back(std::make_unique<Thread>(options, [step = std::move(step)](Thread& self) {
    while (step()) self.advance();
  }));
  idle_.push_back(std::move(idle));
}

// All threads wait at once for what comes to them, so that the order of their start is of no account.
void Appliance::make_threads() {
  for (auto& line : cameras_)
    start_thread(
        "cam " + line.camera->name(), line.role, [&line] { return line.stage->step(); },
        [&line] { return line.stage->idle(); });
  start_thread(
      "pair", ThreadRole::frame, [this] { return pair_stage_->step(); },
      [this] { return captured_.awaited(); });
  start_thread(
      "stitch", ThreadRole::submission, [this] { return stitch_stage_->step(); },
      [this] { return paired_.idle(); });
  start_thread(
      "completion", ThreadRole::submission, [this] { return completion_stage_.step(); },
      [this] { return completing_.idle(); });
  if (analyse_stage_)
    start_thread(
        "detect", ThreadRole::submission, [this] { return analyse_stage_->step(); },
        [this] { return to_analyse_.idle(); });
  start_thread(
      "pace", ThreadRole::frame, [this] { return pace_stage_->step(); },
      [this] { return pace_wake_.awaited(); });
  start_thread(
      "render", ThreadRole::submission, [this] { return render_stage_->step(); },
      [this] { return to_render_.idle(); });
  start_thread(
      "present", ThreadRole::submission, [this] { return present_stage_->step(); },
      [this] { return to_present_.idle(); });
  if (display_)
    start_thread(
        "display", ThreadRole::submission, [this] { return display_->stage->step(); },
        [this] { return display_->wake.awaited(); });
  if (debug_)
    start_thread(
        "debug", ThreadRole::submission, [this] { return debug_->stage->step(); },
        [this] { return debug_->asked.idle(); });
  if (detection_log_)
    start_thread(
        "detection log", ThreadRole::io, [this] { return detection_log_->step(); },
        [this] { return log_wake_.awaited(); });
  const auto start_output = [this](const std::string& name, auto& line) {
    start_thread(
        name, ThreadRole::codec, [stage = line.stage.get()] { return stage->step(); },
        [link = line.link.get()] { return link->idle(); });
  };
  for (std::size_t i = 0; i < view_outputs_.size(); ++i)
    start_output("encode " + std::to_string(i), view_outputs_[i]);
  if (panorama_output_) start_output("encode pano", *panorama_output_);
  if (debug_) start_output("encode debug", debug_->output);
}

// The frame path has to be quick. What waits for devices, disks and peers, or thinks, is a helper: the
// picture goes on without it for a while.
void Appliance::watch(Health& health) {
  const auto seconds = [](double s) { return std::llround(s * 1e9); };
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    const Thread& thread = *threads_[i];
    const std::string& name = thread.options().name;
    const bool helper = i < cameras_.size() || thread.options().role == ThreadRole::codec ||
                        thread.options().role == ThreadRole::io || name == "detect" ||
                        name == "debug" || name == "display";
    health.add(name, seconds(helper ? config_.helper_stall_s : config_.stall_s),
               [&thread, &idle = idle_[i]] {
                 return Health::Sign{thread.progress(), thread.ended() || idle()};
               });
  }
  if (config_.pace == Pace::real_time)
    health.add("picture", seconds(config_.stall_s), [this] {
      const auto shown = telemetry_.presented.read() + telemetry_.slates.read();
      return Health::Sign{shown, pace_ended()};
    });
}

bool Appliance::pace_ended() const noexcept {
  return std::all_of(threads_.begin(), threads_.end(), [](const auto& thread) {
    return thread->ended() || thread->options().name != "pace";
  });
}

void Appliance::start() {
  if (config_.lock_memory) lock_memory();
  start_ns_ = clock::now_ns();
  for (auto& line : cameras_) {
    line.camera->start_at(start_ns_);
    if (config_.duration_s > 0)
      line.stage->end_at(start_ns_ + std::llround(config_.duration_s * 1e9));
  }
  make_threads();
  allocation_guard::seal();
}

void Appliance::stop() noexcept {
  for (auto& line : cameras_)
    if (line.stage) line.stage->stop();
}

void Appliance::abandon() noexcept {
  if (pace_stage_) pace_stage_->abandon();
}

bool Appliance::close_outputs(std::int64_t deadline_ns) noexcept {
  for (auto& line : view_outputs_) line.link->close();
  if (panorama_output_) panorama_output_->link->close();
  const std::size_t outputs = view_outputs_.size() + (panorama_output_ ? 1 : 0);
  const auto open = [&] {  // the outputs' threads are the last
    return std::any_of(threads_.end() - static_cast<std::ptrdiff_t>(outputs), threads_.end(),
                       [](const auto& thread) { return !thread->ended(); });
  };
  while (open()) {
    if (clock::now_ns() > deadline_ns) return false;
    clock::sleep_until_ns(clock::now_ns() + 10 * clock::kMillisecond_ns);
  }
  return true;
}

Appliance::Footprint Appliance::footprint() {
  const auto allocations = allocation_guard::report();
  return {clock::now_ns(), allocations.heap_growth_bytes, allocations.outstanding_bytes,
          static_cast<std::int64_t>(resident_bytes())};
}

void Appliance::sample_footprint() {
  if (!warm_)
    warm_ = footprint();
  else if (!threads_[cameras_.size()]->ended())  // pairs still come
    final_ = footprint();
}

bool Appliance::ended() const noexcept {
  return std::all_of(threads_.begin(), threads_.end(), [](const auto& t) { return t->ended(); });
}

void Appliance::finish() {
  stop();
  for (auto& thread : threads_) thread->join();
  allocation_guard::unseal();
  end_ns_ = clock::now_ns();
}

void Appliance::save_panorama(const std::filesystem::path& file) {
  const PanoramaFrame* last = pace_stage_->last();
  if (!last) {
    log::warning("{}: not written, no panorama was made", file.string());
    return;
  }
  Surface& surface = *last->surface;
  gpu::wait(last->ready);
  std::vector<std::byte> copy;
  const std::byte* host = surface.memory.host;
  if (!host) {
    copy.resize(surface.layout.bytes());
    upload_queue_.enqueueReadBuffer(surface.memory.buffer, CL_TRUE, 0, copy.size(), copy.data());
    host = copy.data();
  }
  media::save_png(file, surface.layout, host, rig_.rig.matrix, rig_.rig.range);
}

}  // namespace gantry
