// A match without pixels: where the ball truly was at every frame, and what a detector with set
// faults found.
//
// From the simulated match (hal/camera/sim_world.hpp): the same options give the same match, to the
// bit. Set-up code: allocates.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "hal/camera/rig.hpp"
#include "pipeline/detections.hpp"

namespace gantry {

// Everything that a detector does wrong; shares and chances 0 … 1.
struct DetectorFaults {
  double hertz = 6;          // analyses a second
  double misses = 0.3;       // share of the panoramas in which the ball is not found,
  double burst_s = 1;        // in bursts that last so long on average; 0: each by itself
  double noise_pixels = 2;   // standard deviation of a centre, panorama pixels
  double false_balls = 0.3;  // per panorama, of all kinds together (see sim_match.cpp)
  double person_misses = 0.1;
  double latency_s = 0.15;   // from capture to detections
  bool camera_lost = false;  // the right half of the panorama is blind in the last third
};

struct MatchOptions {
  std::uint64_t seed = 1;
  double seconds = 300;
  double frames_per_second = 30;
  double mast_height_m = 5;
  DetectorFaults faults;
};

struct TrueBall {
  double yaw = 0, pitch = 0;  // radians, panorama frame
  double speed = 0;           // m/s
  bool still = false;         // for the last three seconds
  bool covered = true;        // within the panorama
};

struct Match {
  struct Analysis {
    std::int64_t capture_ns = 0, known_ns = 0;  // taken at, and given to the director at
    std::size_t first = 0, count = 0;           // in `boxes`
  };
  std::string name;
  double frames_per_second = 30;
  std::vector<TrueBall> truth;  // of each frame; empty if the truth is not known
  std::vector<Analysis> analyses;
  std::vector<Detection> boxes;

  std::size_t frames() const { return frame_count; }
  std::int64_t instant_of(std::size_t frame) const {
    return std::llround(1e9 * static_cast<double>(frame) / frames_per_second);
  }
  std::size_t frame_count = 0;
};

Match simulate_match(const MatchOptions& options, const PanoramaGeometry& panorama);

}  // namespace gantry
