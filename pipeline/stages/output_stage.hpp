// Feeds one encoder. An encoder that stalls or fails costs its own pictures and nobody else's.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/clock/clock.hpp"
#include "hal/encoder/encoder.hpp"
#include "pipeline/latency.hpp"
#include "pipeline/stages/links.hpp"

namespace gantry {

// Frame: ViewFrame or PanoramaFrame. `time_of` is the member that gives its time stamp.
template <typename Frame, std::size_t N>
class OutputStage {
 public:
  // `fetch`: brings the picture's bytes to the host first, on devices with memory of their own; null:
  // they are there when the frame is ready.
  OutputStage(Link<Frame, N>& in, Encoder& encoder, std::int64_t Frame::*time_of,
              const cl::CommandQueue* fetch, Latency& busy)
      : in_(in), encoder_(encoder), time_of_(time_of), fetch_(fetch), busy_(busy) {}

  // One picture. False when no more will come; the file is complete then. The encoder's thread.
  bool step() noexcept {
    Frame frame;
    if (!in_.pop_wait(frame)) {
      if (!lost_) encoder_.finish();
      return false;
    }
    if (lost_) {
      ++undelivered_;
      return true;
    }
    bring_to_host(frame);
    const auto start_ns = clock::now_ns();
    if (encoder_.write(frame.surface, frame.*time_of_) != Status::ok) {
      lost_ = true;  // the encoder has said why
      ++undelivered_;
      encoder_.finish();
    }
    busy_.add(clock::now_ns() - start_ns);
    return true;
  }

  // Pictures that came after the output was lost. The encoder's thread, or any after its end.
  std::uint64_t undelivered() const { return undelivered_; }

 private:
  void bring_to_host(const Frame& frame) noexcept {
    cl::Event here = frame.ready;
    if (fetch_) {
      const auto& memory = frame.surface->memory;
      gpu::download(*fetch_, memory, memory.bytes, {frame.ready()}, &here);
    }
    gpu::wait(here);
  }

  Link<Frame, N>& in_;
  Encoder& encoder_;
  std::int64_t Frame::*time_of_;
  const cl::CommandQueue* fetch_;
  Latency& busy_;
  bool lost_ = false;
  std::uint64_t undelivered_ = 0;
};

}  // namespace gantry
