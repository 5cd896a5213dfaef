// Brings the cameras' pictures together by the instant of their capture.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "pipeline/pairer.hpp"
#include "pipeline/skew.hpp"
#include "pipeline/stages/links.hpp"
#include "pipeline/telemetry.hpp"

namespace gantry {

class PairStage {
 public:
  // `captured` is rung by all of `in`. A frame thread: nothing is allocated.
  PairStage(std::vector<CaptureLink*> in, Signal& captured, Pairer& pairer, PairLink& out,
            Telemetry& telemetry)
      : in_(std::move(in)),
        captured_(captured),
        pairer_(pairer),
        out_(out),
        telemetry_(telemetry) {}

  // Pairs all that is there, or sleeps until there is more. False when no more will come.
  bool step() noexcept;

 private:
  bool take(std::size_t camera) noexcept;
  void measure_skew(const FramePair& pair) noexcept;

  std::vector<CaptureLink*> in_;
  Signal& captured_;
  Pairer& pairer_;
  PairLink& out_;
  Telemetry& telemetry_;
  Skew skew_;
};

}  // namespace gantry
