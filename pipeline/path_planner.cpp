// The recursion of the regulator, and its rounds.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/path_planner.hpp"

#include <cmath>

namespace gantry {
namespace {

constexpr double kLimitWeight =
    40;  // of a speed beyond its limit; to that of the effort, of an acceleration

constexpr double h = PathPlanner::kStep_s;
// x⁺ = F x + G u for a jerk u that is constant over a step.
constexpr double F[3][3] = {{1, h, h* h / 2}, {0, 1, h}, {0, 0, 1}};
constexpr double G[3] = {h * h * h / 6, h* h / 2, h};

// w (x - r)² of one step with the one-sided parts linearised at x.
struct Pull {
  double weight, weighted_place;
};

Pull pull_of(const AxisTarget& t, double x, bool first) {
  Pull p{t.weight, t.weight * t.place};
  const auto add = [&](double weight, double place) {
    p.weight += weight, p.weighted_place += weight * place;
  };
  if (first) {
    add(t.zone_weight, t.place);
    return p;
  }
  if (x > t.place + t.zone) add(t.zone_weight, t.place + t.zone);
  if (x < t.place - t.zone) add(t.zone_weight, t.place - t.zone);
  const double bound = t.bound * (t.weight + t.zone_weight);
  if (x > t.high) add(bound, t.high);
  if (x < t.low) add(bound, t.low);
  return p;
}

}  // namespace

void PathPlanner::solve(std::span<const AxisTarget> targets, const Effort& effort,
                        const AxisLimits& limits, bool first) noexcept {
  // The cost to go is z'Pz - 2p'z of the state z after the step.
  double P[3][3] = {}, p[3] = {};
  for (std::size_t k = count_; k-- > 0;) {
    const Pull pull = pull_of(targets[k], path_[k].place, first);
    P[0][0] += pull.weight;
    P[2][2] += effort.acceleration;
    p[0] += pull.weighted_place;
    const auto keep_within = [&](int i, double value, double most, double weight) {
      if (first || std::abs(value) <= most) return;
      P[i][i] += weight, p[i] += std::copysign(weight * most, value);
    };
    keep_within(1, path_[k].speed, limits.speed, kLimitWeight);
    keep_within(2, path_[k].acceleration, limits.acceleration, kLimitWeight * effort.acceleration);
    double PG[3], PF[3][3];
    for (int i = 0; i < 3; ++i) {
      PG[i] = P[i][0] * G[0] + P[i][1] * G[1] + P[i][2] * G[2];
      for (int j = 0; j < 3; ++j)
        PF[i][j] = P[i][0] * F[0][j] + P[i][1] * F[1][j] + P[i][2] * F[2][j];
    }
    const double curvature = effort.jerk + G[0] * PG[0] + G[1] * PG[1] + G[2] * PG[2];
    Gain& gain = gains_[k];
    gain.constant = (G[0] * p[0] + G[1] * p[1] + G[2] * p[2]) / curvature;
    for (int j = 0; j < 3; ++j)
      gain.of_state[static_cast<std::size_t>(j)] =
          -(PG[0] * F[0][j] + PG[1] * F[1][j] + PG[2] * F[2][j]) / curvature;
    double next[3][3], linear[3];
    for (int i = 0; i < 3; ++i) {
      const double K = gain.of_state[static_cast<std::size_t>(i)];
      linear[i] = F[0][i] * p[0] + F[1][i] * p[1] + F[2][i] * p[2] + curvature * K * gain.constant;
      for (int j = 0; j < 3; ++j)
        next[i][j] = F[0][i] * PF[0][j] + F[1][i] * PF[1][j] + F[2][i] * PF[2][j] -
                     curvature * K * gain.of_state[static_cast<std::size_t>(j)];
    }
    for (int i = 0; i < 3; ++i) {
      p[i] = linear[i];
      for (int j = 0; j < 3; ++j) P[i][j] = (next[i][j] + next[j][i]) / 2;
    }
  }
}

double PathPlanner::plan(const AxisState& now, std::span<const AxisTarget> targets,
                         const Effort& effort, const AxisLimits& limits) noexcept {
  count_ = targets.size();
  double jerk = 0;
  for (int round = 0; round < kRounds; ++round) {
    solve(targets, effort, limits, round == 0);
    double z[3] = {now.place, now.speed, now.acceleration};
    for (std::size_t k = 0; k < count_; ++k) {
      const auto& [K, constant] = gains_[k];
      const double u = constant + K[0] * z[0] + K[1] * z[1] + K[2] * z[2];
      if (k == 0) jerk = u;
      const double after[3] = {z[0] + h * z[1] + h * h / 2 * z[2] + G[0] * u,
                               z[1] + h * z[2] + G[1] * u, z[2] + G[2] * u};
      for (int i = 0; i < 3; ++i) z[i] = after[i];
      path_[k] = {z[0], z[1], z[2]};
    }
  }
  return jerk;
}

}  // namespace gantry
