// The report of a run: what was captured, shown, dropped, moved and allocated, as report.json.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gantry {

struct LatencySummary {
  double p50_ms = 0, p99_ms = 0, max_ms = 0;
  std::uint64_t count = 0;
};

struct RunReport {
  struct Camera {
    std::string name;
    std::uint64_t captured = 0, dropped = 0, gaps = 0, unpaired = 0, missing = 0;
    std::uint64_t losses = 0;  // times it went away
    double skew_ms = 0;        // exposes so much later than the first
  };
  struct Output {
    std::string path, codec;
    std::uint64_t frames = 0, dropped = 0;
    double duration_s = 0;
  };
  struct Display {
    std::uint64_t presented = 0;   // views and slates that came to the screen
    std::uint64_t repeated = 0;    // vertical blanks without a new one
    std::uint64_t superseded = 0;  // overtaken before a vertical blank took them
    std::uint64_t missed = 0;      // more than a refresh interval from their instant
    std::uint64_t unseen = 0;      // while there was no screen
    std::uint64_t losses = 0;      // of the screen
    LatencySummary error_ms;       // from a view's instant to its vertical blank
    double first_slate_s = -1, first_view_s = -1;  // on the screen, after the start; below 0: never
  };
  struct PoolUse {
    std::string name;
    std::uint64_t count = 0, bytes = 0;
  };
  struct ThreadUse {
    std::string name, role;
    std::uint64_t allocations = 0, frees = 0;
    std::int64_t outstanding_bytes = 0;
    double cpu_s = 0;
  };

  std::string version, device;
  double duration_s = 0;
  std::vector<Camera> cameras;
  std::uint64_t paired = 0, unpaired = 0, stitched = 0, analysed = 0, presented = 0, repeated = 0,
                late = 0, slates = 0;
  struct Tiles {
    std::uint64_t planned = 0, analysed = 0;  // of the panorama; over all analyses
    double longest_unseen_s = 0;              // of any tile, between two looks at it
  };
  std::optional<std::uint64_t> detections_logged;    // analyses, with a detection log
  std::optional<Tiles> tiles;                        // with a detector
  std::uint64_t asked_frames = 0, asked_slates = 0;  // by the pacer; repeats come on top
  std::map<std::string, std::uint64_t> drops;        // by stage
  double delay_target_s = 0, delay_max_error_ms = 0;
  std::map<std::string, LatencySummary> latency_ms;  // by stage
  double cpu_s = 0;                                  // of the whole process
  struct Steady {                                    // what grew between warm-up and the end
    double from_s = 0;
    std::int64_t heap_bytes = 0, outstanding_bytes = 0, resident_bytes = 0;
  };
  std::optional<Steady> steady;  // runs that are long enough
  bool allocations_counted = false;
  std::int64_t heap_growth_bytes = 0;
  std::uint64_t frame_thread_allocations = 0;
  std::vector<ThreadUse> threads;
  double bytes_moved_per_frame = 0, bytes_floor_per_frame = 0;
  double budget_mib = 0, peak_rss_mib = 0;
  std::vector<PoolUse> pools;
  std::vector<Output> outputs;
  std::optional<Display> display;
  std::string bottleneck;
};

// As JSON, two spaces a level.
std::string to_json(const RunReport& report);
// Whole or not at all. Throws std::runtime_error naming the file.
void write_report(const RunReport& report, const std::filesystem::path& file);

}  // namespace gantry
