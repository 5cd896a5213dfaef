// The pairing loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/pair_stage.hpp"

namespace gantry {

bool PairStage::step() noexcept {
  const auto epoch = captured_.epoch();
  bool took = false;
  for (std::size_t i = 0; i < in_.size(); ++i) took |= take(i);
  FramePair pair;
  while (pairer_.next(pair)) {
    telemetry_.paired.add();
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
