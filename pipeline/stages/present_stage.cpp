// The output clock's last step.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/present_stage.hpp"

#include <algorithm>
#include <cstdlib>

#include "hal/clock/clock.hpp"

namespace gantry {

bool PresentStage::step() noexcept {
  ViewFrame view;
  if (!in_.pop_wait(view)) {
    for (auto& output : outputs_) output.link->close();
    if (display_) display_->close();
    return false;
  }
  gpu::wait(view.ready);
  if (display_) show(view);
  if (on_time_) {
    clock::sleep_until_ns(view.presentation_ns);
    measure(view);
  }
  (view.slate ? telemetry_.slates : telemetry_.presented).add();
  (view.slate ? telemetry_.first.slate : telemetry_.first.view).mark(clock::now_ns());
  for (auto& output : outputs_)
    if (!view.slate || output.slate) output.link->push(share(view));
  return true;
}

void PresentStage::show(ViewFrame& view) noexcept {
  ViewFrame shown = share(view);
  shown.panorama = std::move(view.panorama);
  display_->push(std::move(shown));
}

void PresentStage::measure(const ViewFrame& view) noexcept {
  const auto error_ns = clock::now_ns() - view.presentation_ns;
  telemetry_.present_jitter.add(error_ns);
  if (view.slate) return;
  if (error_ns > interval_ns_) telemetry_.late.add();
  auto& largest = telemetry_.largest_delay_error_ns;
  largest.store(std::max(largest.load(std::memory_order_relaxed), error_ns),
                std::memory_order_relaxed);
}

}  // namespace gantry
