// The pairing loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/pair_stage.hpp"

#include "hal/log/log.hpp"

namespace gantry {

bool PairStage::step() noexcept {
  const auto epoch = captured_.epoch();
  bool took = false;
  for (std::size_t i = 0; i < in_.size(); ++i) took |= take(i);
  FramePair pair;
  while (pairer_.next(pair)) {
    telemetry_.paired.add();
    measure_skew(pair);
    out_.push(std::move(pair));
  }
  if (took) return true;
  if (pairer_.finished()) {
    out_.close();
    return false;
  }
  captured_.wait(epoch);
  return true;
}

void PairStage::measure_skew(const FramePair& pair) noexcept {
  for (std::size_t i = 1; i < in_.size(); ++i) {
    if (!skew_.see(pair, i)) continue;
    const auto offset_ns = skew_.offset_ns(i);
    telemetry_.cameras[i].skew_ns.store(offset_ns);
    log::info("pair: camera {} exposes {:+.2f} ms from camera 0, {:.3f} of an interval", i,
              1e-6 * static_cast<double>(offset_ns),
              static_cast<double>(offset_ns) / static_cast<double>(pairer_.interval_ns()));
  }
}

bool PairStage::take(std::size_t camera) noexcept {
  CaptureLink& link = *in_[camera];
  CameraFrame frame;
  bool took = false;
  while (pairer_.room(camera) && link.pop(frame)) {
    pairer_.offer(camera, std::move(frame));
    took = true;
  }
  if (link.finished()) pairer_.end(camera);
  return took;
}

}  // namespace gantry
