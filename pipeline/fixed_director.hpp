// The director that looks where the configuration says, or as near as the limits allow.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/director.hpp"

namespace gantry {

class FixedDirector final : public Director {
 public:
  FixedDirector(const CameraPose& pose, const ViewLimits& limits) {
    decision_.pose = decision_.aim = limits.clamp(pose);
    decision_.reason = Reason::set;
  }
  void observe(const Detections&) noexcept override {}
  const Decision& decide(std::int64_t capture_ns) noexcept override {
    decision_.capture_ns = capture_ns;
    return decision_;
  }

 private:
  Decision decision_;
};

}  // namespace gantry
