// Plans one axis of the camera over the look-ahead: the least effort that keeps near its targets.
//
// How: the axis is a triple integrator driven by its jerk, u. Over N steps of kStep_s the plan
// minimises
//   Σ  w (x - r)² + W max(0, |x - r| - zone)² + B (w + W) max(0, low - x, x - high)² + A a² + J u²
// a convex problem with one minimum. The quadratic parts alone are solved exactly, in O(N), by the
// backward recursion of a linear-quadratic regulator; the one-sided parts are linearised around the
// last solution and solved again kRounds times (a semi-smooth Newton method). The work is the same
// for every call, and the first jerk of the plan is what the camera does next: as long as no new
// detection says otherwise, the next plan is the rest of this one.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <span>

#include "pipeline/director.hpp"

namespace gantry {

// Any unit of angle; seconds.
struct AxisState {
  double place = 0, speed = 0, acceleration = 0;
};

struct AxisTarget {
  double place = 0;
  double weight = 1;                 // of the distance from it,
  double zone = 0, zone_weight = 0;  // and of the part beyond this distance
  double low = -1e9, high = 1e9;     // the place must lie between:
  double bound = 40;                 // B, of what lies beyond
};

struct Effort {
  double acceleration = 0.1;  // A: near (its ratio to w)^¼ seconds the path follows its targets
  double jerk = 0.003;
};

class PathPlanner {
 public:
  static constexpr int kSteps = 80;
  static constexpr double kStep_s = 0.1;

  // The jerk to go on with. `targets`: 1 … kSteps of them, at kStep_s, 2 kStep_s … from now.
  double plan(const AxisState& now, std::span<const AxisTarget> targets, const Effort& effort,
              const AxisLimits& limits) noexcept;
  // The states of the last plan, at the instants of its targets.
  std::span<const AxisState> path() const noexcept { return {path_.data(), count_}; }

 private:
  static constexpr int kRounds = 4;
  struct Gain {
    std::array<double, 3> of_state;
    double constant;
  };
  void solve(std::span<const AxisTarget> targets, const Effort& effort, const AxisLimits& limits,
             bool first) noexcept;

  std::size_t count_ = 0;
  std::array<AxisState, kSteps> path_{};
  std::array<Gain, kSteps> gains_{};
};

}  // namespace gantry
