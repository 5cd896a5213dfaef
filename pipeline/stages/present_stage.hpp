// Holds every view until its instant and hands it to the outputs: the output clock's last step.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "pipeline/stages/links.hpp"
#include "pipeline/telemetry.hpp"

namespace gantry {

struct ViewOutput {
  OutputLink* link = nullptr;
  bool slate = false;  // takes the waiting slate too
};

class PresentStage {
 public:
  // `on_time`: wait for the presentation instant; otherwise hand on at once (files, fast). `display`
  // gets every view before its instant, which it meets itself; null: none.
  PresentStage(PresentLink& in, std::vector<ViewOutput> outputs, DisplayLink* display, bool on_time,
               std::int64_t interval_ns, Telemetry& telemetry)
      : in_(in),
        outputs_(std::move(outputs)),
        display_(display),
        on_time_(on_time),
        interval_ns_(interval_ns),
        telemetry_(telemetry) {}

  // One view. False when no more will come. A submission thread: it waits for the device.
  bool step() noexcept;

 private:
  void measure(const ViewFrame& view) noexcept;
  void show(ViewFrame& view) noexcept;

  PresentLink& in_;
  std::vector<ViewOutput> outputs_;
  DisplayLink* display_;
  bool on_time_;
  std::int64_t interval_ns_;
  Telemetry& telemetry_;
};

}  // namespace gantry
