// Feeds one encoder. An encoder that stalls or fails costs its own pictures and nobody else's.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/clock/clock.hpp"
#include "hal/encoder/encoder.hpp"
#include "pipeline/latency.hpp"
#include "pipeline/stages/links.hpp"

namespace gantry {

// Where panoramas live in the device's own memory: pinned surfaces to fetch into the few that are
// being encoded, so that the ring itself needs none.
struct HostFetch {
  cl::CommandQueue queue;
  SurfacePool& pinned;
};

// Frame: ViewFrame or PanoramaFrame. `time_of` is the member that gives its time stamp.
template <typename Frame, std::size_t N>
class OutputStage {
 public:
  // `fetch`: brings the picture's bytes to the host first; null: they are there when the frame is
  // ready.
  OutputStage(Link<Frame, N>& in, Encoder& encoder, std::int64_t Frame::*time_of,
              const HostFetch* fetch, Latency& busy)
      : in_(in), encoder_(encoder), time_of_(time_of), fetch_(fetch), busy_(busy) {}

  // One picture. False when no more will come; the file is complete then. The encoder's thread.
  bool step() noexcept {
    Frame frame;
    if (!in_.pop_wait(frame)) {
      if (!lost_) encoder_.finish();
      return false;
    }
    if (lost_ || !bring_to_host(frame)) {
      ++undelivered_;
      return true;
    }
    const auto start_ns = clock::now_ns();
    if (encoder_.write(frame.surface, frame.*time_of_) != Status::ok) {
      lost_ = true;  // the encoder has said why
      ++undelivered_;
      encoder_.finish();
    }
    busy_.add(clock::now_ns() - start_ns);
    return true;
  }

  // Pictures that came after the output was lost, or could not be fetched. The encoder's thread, or any after its end.
  std::uint64_t undelivered() const { return undelivered_; }

 private:
  bool bring_to_host(Frame& frame) noexcept {
    if (!fetch_) return gpu::wait(frame.ready) == Status::ok;
    SurfaceRef fetched = fetch_->pinned.acquire();
    if (!fetched) return false;  // the encoder keeps them all
    const auto bytes = frame.surface->layout.bytes();
    const gpu::Wait ready{frame.ready()};
    cl::Event here;
    if (gpu::copy(fetch_->queue, frame.surface->memory, fetched->memory, bytes, ready, nullptr) !=
            Status::ok ||
        gpu::download(fetch_->queue, fetched->memory, bytes, {}, &here) != Status::ok ||
        gpu::wait(here) != Status::ok)
      return false;
    frame.surface = std::move(fetched);
    return true;
  }

  Link<Frame, N>& in_;
  Encoder& encoder_;
  std::int64_t Frame::*time_of_;
  const HostFetch* fetch_;
  Latency& busy_;
  bool lost_ = false;
  std::uint64_t undelivered_ = 0;
};

}  // namespace gantry
