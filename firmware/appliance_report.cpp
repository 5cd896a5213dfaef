// What the machine has done, for report.json.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <sys/resource.h>

#include "firmware/appliance.hpp"
#include "firmware/version.hpp"
#include "hal/clock/clock.hpp"

namespace gantry {
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

}  // namespace gantry
