// The director that looks where the configuration says, or as near as the limits allow.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/director.hpp"

namespace gantry {

class FixedDirector final : public Director {
 public:
  FixedDirector(const CameraPose& pose, const ViewLimits& limits) : pose_(limits.clamp(pose)) {}
  void observe(const Detections&) noexcept override {}
  CameraPose pose(std::int64_t) noexcept override { return pose_; }

 private:
  CameraPose pose_;
};

}  // namespace gantry
