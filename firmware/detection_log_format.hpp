// The detection log's lines: written by DetectionLog, read back for directors to be tried on.
//
// JSON lines. The first of every file is a header: what the panorama is and how it was shown. Every
// other line is one analysed panorama: the boxes as they were found, the part that was looked at,
// and, where that panorama was shown, what the director decided for it. Positions of boxes are
// panorama pixels, angles are degrees, instants are nanoseconds of CLOCK_MONOTONIC. Numbers are
// written so that the same values are read back.
//
// The 12 columns of the replaced system, one row per ball that was found:
//   system_time  frame_timestamp  frame_num  cx  cy  width  height  confidence
//   cx_global  cy_global  width_global  height_global
// The first is UTC and the second CLOCK_MONOTONIC, both of the capture, seconds; the last four
// repeat the box, which is in panorama pixels throughout.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "hal/camera/rig.hpp"
#include "pipeline/decision.hpp"
#include "pipeline/detections.hpp"

namespace gantry::detection_log {

inline constexpr int kVersion = 1;

struct Header {
  PanoramaGeometry panorama;
  int view_width = 0, view_height = 0;
  double frames_per_second = 0, delay_s = 0;
};

// Each appends to `out`, which keeps its memory.

void put_header(fmt::memory_buffer& out, const Header& header);
// A line is put_found(), then put_decided() if the panorama was shown, then put_end().
void put_found(fmt::memory_buffer& out, const Detections& found);
void put_decided(fmt::memory_buffer& out, const Decision& decision);
void put_end(fmt::memory_buffer& out);

void put_tsv_header(fmt::memory_buffer& out);
// `wall_offset_ns`: what to add to CLOCK_MONOTONIC to get UTC.
void put_tsv(fmt::memory_buffer& out, const Detections& found, std::int64_t wall_offset_ns);

}  // namespace gantry::detection_log
