// The rules of the replaced system as a director: the baseline that ours is measured against.
//
// Built from their description: candidates, history, outlier bans, gap filling, the query with its
// last value, the players' mean, and a smoothing of 0.15 a frame. Left out, in its favour: its size
// limits and blind strips between tiles, its limits against black borders (it gets our exact ones)
// and the synthetic second before a detection, which its next pass erases. Test code: allocates.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <optional>
#include <vector>

#include "pipeline/director.hpp"

namespace gantry {

class ReferenceDirector final : public Director {
 public:
  ReferenceDirector(const PanoramaGeometry& panorama, const ViewLimits& limits)
      : panorama_(panorama), limits_(limits) {}
  void observe(const Detections& found) noexcept override;
  const Decision& decide(std::int64_t capture_ns) noexcept override;

 private:
  struct Ball {
    double x = 0, y = 0, size = 0;
  };
  using History = std::map<double, Ball>;  // by seconds

  std::optional<Ball> choose(const Detections& found);
  void rebuild(double now);
  void remove_outliers(History& all);
  void fill_gaps(History& all) const;
  void show(double t);
  std::optional<Ball> ball_at(double t);
  std::optional<Ball> middle_at(double t) const;
  void steer(const std::optional<Ball>& ball, double t);

  PanoramaGeometry panorama_;
  const ViewLimits& limits_;
  History raw_, processed_, confirmed_;
  std::map<double, std::vector<Ball>> players_;
  std::map<std::pair<int, int>, int> removals_;  // per cell of 30 pixels
  std::vector<Ball> bans_;
  std::optional<Ball> last_found_, last_answer_;
  double clock_ = -1e9, last_pass_ = -1e9;
  // The virtual camera.
  double aim_x_ = 0, aim_y_ = 0, radius_ = 20, speed_ = 0, zoom_ = 1.6;
  std::optional<Ball> last_aim_;
  double last_aim_s_ = 0;
  CameraPose pose_{0, radians(10), radians(68)};
  Decision decision_;
};

}  // namespace gantry
