// One camera's loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/capture_stage.hpp"

#include <algorithm>

#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {

bool CaptureStage::step() noexcept {
  if (!wait_for_attempt()) return end();
  CameraFrame frame;
  switch (camera_.capture(pool_, frame)) {
    case Status::ok:
      return take(std::move(frame)) || end();
    case Status::dropped:
      counts_.pool_dropped.add();
      return true;
    case Status::end:
      return end();
    case Status::device_lost:
      log::error("camera {}: the OpenCL device refuses its pictures", camera_.name());
      telemetry_.device_lost.store(true);
      return end();
    default:
      counts_.failures.add();
      if (recovery_.failed(clock::now_ns())) {
        counts_.losses.add();
        log::warning("camera {}: lost; the others go on, and it is tried again", camera_.name());
      }
      return true;
  }
}

bool CaptureStage::take(CameraFrame&& frame) noexcept {
  if (frame.capture_ns >= end_ns_) return false;
  const auto attempts = recovery_.failures();
  if (recovery_.works()) log::info("camera {}: is back, at attempt {}", camera_.name(), attempts);
  counts_.captured.add();
  telemetry_.bytes_moved.add(frame.host_bytes_written);
  telemetry_.first.capture.mark(clock::now_ns());
  out_.push(std::move(frame));
  return true;
}

// False if stop() came. The time may be up while the camera is away.
bool CaptureStage::wait_for_attempt() noexcept {
  while (recovery_.waits()) {
    const auto epoch = wake_.epoch();
    const auto now_ns = clock::now_ns();
    if (stopped_.load() || now_ns >= end_ns_) return false;
    if (recovery_.due(now_ns)) break;
    wake_.wait(epoch, std::min(recovery_.retry_ns(), end_ns_));
  }
  return true;
}

bool CaptureStage::end() noexcept {
  out_.close();
  return false;
}

void CaptureStage::stop() noexcept {
  camera_.stop();
  stopped_.store(true);
  wake_.ring();
}

}  // namespace gantry
