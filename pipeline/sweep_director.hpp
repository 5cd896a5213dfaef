// The director that pans from end to end at a set speed, turning smoothly: shows all of the
// panorama, and its seams, to who installs it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/director.hpp"

namespace gantry {

class SweepDirector final : public Director {
 public:
  SweepDirector(const SweepConfig& config, const ViewLimits& limits);
  void observe(const Detections&) noexcept override {}
  // A function of the time since the first frame alone: starts in the middle, to the right.
  const Decision& decide(std::int64_t capture_ns) noexcept override;

 private:
  CameraPose pose_at(std::int64_t capture_ns) noexcept;

  CameraPose left_, right_;
  double acceleration_, top_speed_;     // top speed: what is reached between the ends
  double speed_up_s_ = 0, pass_s_ = 0;  // from rest to top speed; from end to end
  bool started_ = false;
  std::int64_t origin_ns_ = 0;
  Decision decision_;
};

}  // namespace gantry
