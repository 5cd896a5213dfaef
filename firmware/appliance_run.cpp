// The appliance at work: threads, start, stop, and the report.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <sys/resource.h>

#include "firmware/appliance.hpp"
#include "firmware/media.hpp"
#include "firmware/version.hpp"
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

namespace {

LatencySummary summary(const Latency& latency) {
  const auto s = latency.summary();
  return {1e-6 * static_cast<double>(s.p50_ns), 1e-6 * static_cast<double>(s.p99_ns),
          1e-6 * static_cast<double>(s.max_ns), s.count};
}

template <typename Line>
RunReport::Output describe(const Line& line) {
  const auto written = line.encoder->report();
  return {line.path, written.codec, written.frames,
          line.link->dropped() + line.stage->undelivered(), written.duration_s};
}

}  // namespace

void Appliance::report_cameras(RunReport& r) const {
  for (std::size_t i = 0; i < cameras_.size(); ++i) {
    const auto& counts = telemetry_.cameras[i];
    const auto pairing = pairer_->counts(i);
    RunReport::Camera c;
    c.name = cameras_[i].camera->name();
    c.captured = counts.captured.read();
    c.dropped = counts.pool_dropped.read() + cameras_[i].captured->dropped();
    c.gaps = pairing.gaps;
    c.unpaired = pairing.unpaired;
    c.missing = pairing.missing;
    c.losses = counts.losses.read();
    c.skew_ms = 1e-6 * static_cast<double>(counts.skew_ns.load());
    r.unpaired += c.unpaired;
    r.drops["camera_surfaces"] += counts.pool_dropped.read();
    r.drops["capture_link"] += cameras_[i].captured->dropped();
    r.cameras.push_back(std::move(c));
  }
}

void Appliance::report_drops(RunReport& r) const {
  r.drops["pair_link"] = paired_.dropped();
  r.drops["panorama_surfaces"] = telemetry_.panorama_pool_dropped.read();
  r.drops["stitch"] = telemetry_.stitch_failed.read();
  r.drops["ring"] = to_ring_.dropped() + ring_->overflowed() + ring_->out_of_order();
  r.drops["never_shown"] = pacer_->counts().skipped;
  r.drops["analysis_skipped"] = to_analyse_.dropped() + telemetry_.analysis_skipped.read();
  r.drops["detections_link"] = detections_.dropped();
  if (detection_log_) {
    r.drops["detection_log"] = log_found_.dropped() + detection_log_->refused();
    r.drops["decision_log"] = log_decided_.dropped();
    r.detections_logged = detection_log_->written();
  }
  r.drops["render_link"] = to_render_.dropped();
  if (debug_) r.drops["debug"] = debug_->asked.dropped() + telemetry_.debug_dropped.read();
  r.drops["view_surfaces"] = telemetry_.view_pool_dropped.read();
  r.drops["render"] = telemetry_.render_failed.read();
  r.drops["present_link"] = to_present_.dropped();
}

void Appliance::report_memory(RunReport& r) const {
  r.budget_mib = static_cast<double>(budget_.bytes()) / (1 << 20);
  r.peak_rss_mib = static_cast<double>(peak_resident_bytes()) / (1 << 20);
  for (const auto& item : budget_.items()) r.pools.push_back({item.name, item.count, item.bytes()});
  const auto allocations = allocation_guard::report();
  r.allocations_counted = allocations.available;
  r.frame_thread_allocations = allocations.frame_thread_allocations;
  r.heap_growth_bytes = allocations.heap_growth_bytes;
  if (warm_ && final_)
    r.steady = {1e-9 * static_cast<double>(warm_->at_ns - start_ns_), final_->heap - warm_->heap,
                final_->outstanding - warm_->outstanding, final_->resident - warm_->resident};
  for (const auto& account : allocations.by_thread) {
    RunReport::ThreadUse use{account.name,
                             role_name(account.role),
                             account.allocations + account.maps,
                             account.frees + account.unmaps,
                             account.outstanding_bytes() + account.mapped_bytes,
                             0};
    for (const auto& thread : threads_)
      if (thread->options().name == account.name)
        use.cpu_s = 1e-9 * static_cast<double>(thread->cpu_ns());
    r.threads.push_back(std::move(use));
  }
}

void Appliance::report_display(RunReport& r) const {
  if (!display_) return;
  const auto& t = telemetry_.display;
  const auto since_start_s = [&](const FirstInstant& first) {
    return first.read() ? 1e-9 * static_cast<double>(first.read() - start_ns_) : -1;
  };
  r.display.emplace(RunReport::Display{});  // clang 14 cannot emplace a nested aggregate
  *r.display = {t.shown.read(),
                t.repeated.read(),
                t.superseded.read() + display_->link.dropped(),
                t.missed.read(),
                t.unseen.read(),
                t.losses.read(),
                summary(t.error),
                since_start_s(telemetry_.first.screen_slate),
                since_start_s(telemetry_.first.screen_view)};
}

RunReport Appliance::report() const {
  RunReport r;
  r.version = kVersion;
  r.device = device_.info().name;
  r.duration_s = 1e-9 * static_cast<double>((end_ns_ ? end_ns_ : clock::now_ns()) - start_ns_);
  report_cameras(r);
  report_drops(r);
  const auto& t = telemetry_;
  r.paired = t.paired.read();
  r.stitched = t.stitched.read();
  r.analysed = t.analysed.read();
  if (detector_)
    r.tiles = {detector_->tiles().tiles.size(), t.tiles_analysed.read(),
               1e-9 * static_cast<double>(t.longest_unseen_ns.load())};
  r.presented = t.presented.read();
  r.repeated = pacer_->counts().repeated;
  r.late = t.late.read();
  r.slates = t.slates.read();
  const auto& asked = pacer_->counts();
  r.asked_frames = asked.presented + asked.late;
  r.asked_slates = asked.slates;
  r.delay_target_s = config_.delay_s;
  r.delay_max_error_ms = 1e-6 * static_cast<double>(t.largest_delay_error_ns.load());
  r.latency_ms = {{"capture_to_panorama", summary(t.capture_to_panorama)},
                  {"stitch", summary(t.stitch)},
                  {"detect", summary(t.detect)},
                  {"capture_to_detection", summary(t.capture_to_detection)},
                  {"render", summary(t.render)},
                  {"present_jitter", summary(t.present_jitter)}};
  const double frames = static_cast<double>(std::max<std::uint64_t>(r.presented, 1));
  r.bytes_moved_per_frame = static_cast<double>(t.bytes_moved.read()) / frames;
  r.bytes_floor_per_frame = static_cast<double>(t.bytes_floor.read()) / frames;
  report_memory(r);
  report_display(r);
  for (const auto& line : view_outputs_) r.outputs.push_back(describe(line));
  if (panorama_output_) r.outputs.push_back(describe(*panorama_output_));
  if (debug_) r.outputs.push_back(describe(debug_->output));
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  r.cpu_s = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
            1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  r.bottleneck = bottleneck();
  return r;
}

// The stage that is busy for the largest part of a capture interval.
std::string Appliance::bottleneck() const {
  struct Busy {
    const char* stage;
    double share;
  };
  const double interval_ns = static_cast<double>(pairer_->interval_ns());
  const auto share = [&](const Latency& l) {
    return static_cast<double>(l.summary().p50_ns) / interval_ns;
  };
  const std::array stages{
      Busy{"stitch", share(telemetry_.stitch)}, Busy{"render", share(telemetry_.render)},
      Busy{"detect", share(telemetry_.detect)}, Busy{"encode", share(telemetry_.encode)}};
  const auto& worst = *std::max_element(
      stages.begin(), stages.end(), [](const Busy& a, const Busy& b) { return a.share < b.share; });
  return fmt::format("{} ({:.0f} % of a capture interval)", worst.stage, 100 * worst.share);
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
