// Every count and latency of a run, in the order in which a frame meets them.
//
// One thread adds to each field, any thread reads: the report, the progress line and the health
// check look at the same numbers. The links count what they give up themselves. Once a run has
// ended (firmware/appliance_run.cpp, report_drops()):
//   per camera  captured = paired + unpaired + given up by its link
//   pairs       paired = stitched + panorama_pool_dropped + stitch_failed + given up by the link
//   panoramas   stitched = asked for + never shown + given up by the ring or its link
//   views       asked for + repeats + slates = presented + slates + given up on the way
//   display     presented + slates = shown + superseded + unseen + given up by its link
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "hal/camera/rig.hpp"
#include "pipeline/latency.hpp"

namespace gantry {

struct CameraTelemetry {
  Counter captured;                      // pictures that reached us
  Counter pool_dropped;                  // the device had one, no surface was free
  Counter losses;                        // times it went away while it worked
  Counter failures;                      // the same, and attempts to get it back that failed
  std::atomic<std::int64_t> skew_ns{0};  // exposes so much later than the first camera
};

// When each of them happened for the first time, CLOCK_MONOTONIC; 0: not yet.
struct FirstInstants {
  FirstInstant capture, panorama, slate, view;  // arrived; stitched; presented
  FirstInstant screen_slate, screen_view;       // their vertical blanks on a display
};

struct DisplayTelemetry {
  Counter shown;       // views and slates that came to the screen
  Counter repeated;    // vertical blanks that showed a picture again
  Counter superseded;  // views overtaken by a newer one before a vertical blank took them
  Counter missed;      // shown more than a refresh interval away from their instant
  Counter unseen;      // views that came while there was no screen
  Counter losses;      // times the screen went away
  Latency error;       // from a view's instant to its vertical blank, either way
};

struct Telemetry {
  std::array<CameraTelemetry, Rig::kMostCameras> cameras;
  DisplayTelemetry display;
  Counter paired, panorama_pool_dropped, stitch_failed, stitched;
  Counter analysed, analysis_skipped, analysis_failed, tiles_analysed;
  std::atomic<std::int64_t> longest_unseen_ns{0};  // of any tile, between two looks at it
  Counter presented, late, slates, view_pool_dropped, render_failed, debug_dropped;

  FirstInstants first;
  std::atomic<bool> device_lost{
      false};  // the OpenCL device or its driver refused: nothing works on

  Latency capture_to_panorama, stitch, detect, capture_to_detection, render, present_jitter, encode;
  std::atomic<std::int64_t> largest_delay_error_ns{0};

  // Bytes that the stages moved, and the least that is possible for what they did.
  Counter bytes_moved, bytes_floor;
};

}  // namespace gantry
