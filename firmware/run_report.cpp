// The run report as JSON.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/run_report.hpp"

#include <cmath>
#include <fstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace gantry {
namespace {

using Json = nlohmann::ordered_json;

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

Json cameras_of(const RunReport& r) {
  Json list = Json::array();
  for (const auto& c : r.cameras)
    list.push_back({{"name", c.name},
                    {"captured", c.captured},
                    {"dropped", c.dropped},
                    {"gaps", c.gaps},
                    {"unpaired", c.unpaired},
                    {"missing", c.missing},
                    {"losses", c.losses},
                    {"skew_ms", rounded(c.skew_ms)}});
  return list;
}

Json to_json(const LatencySummary& l) {
  return {{"p50", rounded(l.p50_ms)},
          {"p99", rounded(l.p99_ms)},
          {"max", rounded(l.max_ms)},
          {"count", l.count}};
}

Json latency_of(const RunReport& r) {
  Json stages = Json::object();
  for (const auto& [stage, l] : r.latency_ms) stages[stage] = to_json(l);
  return stages;
}

Json to_json(const RunReport::Display& d) {
  const auto instant = [](double s) { return s < 0 ? Json() : Json(rounded(s)); };
  return {{"presented", d.presented},
          {"repeated", d.repeated},
          {"superseded", d.superseded},
          {"missed", d.missed},
          {"unseen", d.unseen},
          {"losses", d.losses},
          {"error_ms", to_json(d.error_ms)},
          {"first_slate_s", instant(d.first_slate_s)},
          {"first_view_s", instant(d.first_view_s)}};
}

Json allocations_of(const RunReport& r) {
  Json threads = Json::object();
  for (const auto& t : r.threads)
    threads[t.name] = {{"role", t.role},
                       {"allocations", t.allocations},
                       {"frees", t.frees},
                       {"outstanding_bytes", t.outstanding_bytes},
                       {"cpu_s", rounded(t.cpu_s)}};
  return {{"counted", r.allocations_counted},
          {"frame_threads", r.frame_thread_allocations},
          {"heap_growth_bytes", r.heap_growth_bytes},
          {"by_thread", threads}};
}

Json memory_of(const RunReport& r) {
  Json pools = Json::array();
  for (const auto& p : r.pools)
    pools.push_back({{"name", p.name},
                     {"count", p.count},
                     {"mib", rounded(static_cast<double>(p.bytes) / (1 << 20))}});
  return {{"budget_mib", rounded(r.budget_mib)},
          {"peak_rss_mib", rounded(r.peak_rss_mib)},
          {"pools", pools}};
}

Json outputs_of(const RunReport& r) {
  Json list = Json::array();
  for (const auto& o : r.outputs)
    list.push_back({{"path", o.path},
                    {"frames", o.frames},
                    {"dropped", o.dropped},
                    {"duration_s", rounded(o.duration_s)},
                    {"codec", o.codec}});
  return list;
}

}  // namespace

std::string to_json(const RunReport& r) {
  Json json = {
      {"version", r.version},
      {"device", r.device},
      {"duration_s", rounded(r.duration_s)},
      {"cpu_s", rounded(r.cpu_s)},
      {"cameras", cameras_of(r)},
      {"paired", r.paired},
      {"unpaired", r.unpaired},
      {"stitched", r.stitched},
      {"analysed", r.analysed},
      {"presented", r.presented},
      {"repeated", r.repeated},
      {"late", r.late},
      {"slates", r.slates},
      {"asked", {{"frames", r.asked_frames}, {"repeats", r.repeated}, {"slates", r.asked_slates}}},
      {"drops", Json(r.drops)},
      {"delay", {{"target_s", r.delay_target_s}, {"max_error_ms", rounded(r.delay_max_error_ms)}}},
      {"latency_ms", latency_of(r)},
      {"allocations_after_seal", allocations_of(r)},
      {"bytes_moved_per_frame",
       {{"actual", std::round(r.bytes_moved_per_frame)},
        {"floor", std::round(r.bytes_floor_per_frame)}}},
      {"memory", memory_of(r)},
      {"outputs", outputs_of(r)},
      {"bottleneck", r.bottleneck},
  };
  if (r.display) json["display"] = to_json(*r.display);
  if (r.steady)
    json["growth_after_warm_up"] = {{"from_s", rounded(r.steady->from_s)},
                                    {"heap_bytes", r.steady->heap_bytes},
                                    {"outstanding_bytes", r.steady->outstanding_bytes},
                                    {"resident_bytes", r.steady->resident_bytes}};
  if (r.detections_logged) json["detections_logged"] = *r.detections_logged;
  if (r.tiles)
    json["tiles"] = {{"planned", r.tiles->planned},
                     {"analysed", r.tiles->analysed},
                     {"longest_unseen_s", rounded(r.tiles->longest_unseen_s)}};
  return json.dump(2) + "\n";
}

void write_report(const RunReport& report, const std::filesystem::path& file) {
  const auto partial = file.string() + ".part";
  std::ofstream out(partial);
  out << to_json(report);
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(partial, file, error);
  if (!out || error)
    throw std::runtime_error(file.string() + ": the report cannot be written" +
                             (error ? ": " + error.message() : ""));
}

}  // namespace gantry
