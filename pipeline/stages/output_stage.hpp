// Feeds one encoder. An encoder that stalls or fails costs its own pictures and nobody else's; one that
// has failed is opened anew, with a back-off.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/clock/clock.hpp"
#include "hal/encoder/encoder.hpp"
#include "hal/recovery.hpp"
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
      : in_(in),
        encoder_(encoder),
        time_of_(time_of),
        fetch_(fetch),
        busy_(busy),
        recovery_(encoder.open() ? Recovery::State::running : Recovery::State::closed) {}

  // One picture. False when no more will come; the file is complete then. The encoder's thread.
  bool step() noexcept {
    Frame frame;
    if (!in_.pop_wait(frame)) {
      encoder_.finish();
      return false;
    }
    ++offered_;
    if (ready() && bring_to_host(frame)) write(frame);
    return true;
  }

  // Pictures that did not reach the file or peer: they came while it could not be written, could not be
  // fetched, or were in the encoder's hands when it failed. After the end of the thread.
  std::uint64_t undelivered() const { return offered_ - encoder_.frames_written(); }

 private:
  // Whether the encoder is open; where an attempt is due it is made first. The encoder has logged why
  // it fails.
  bool ready() noexcept {
    if (encoder_.open()) return true;
    if (!recovery_.due(clock::now_ns())) return false;
    written_ = encoder_.frames_written();
    if (encoder_.reopen() == Status::ok) return true;
    recovery_.failed(clock::now_ns());
    return false;
  }

  void write(const Frame& frame) noexcept {
    const auto start_ns = clock::now_ns();
    encoder_.write(frame.surface, frame.*time_of_);
    const auto end_ns = clock::now_ns();
    busy_.add(end_ns - start_ns);
    if (!encoder_.open())
      recovery_.failed(end_ns);
    else if (encoder_.frames_written() != written_)
      recovery_.works();
  }

  bool bring_to_host(Frame& frame) noexcept {
    if (!fetch_) return wait_for(frame.ready);
    SurfaceRef fetched = fetch_->pinned.acquire();
    if (!fetched) return false;  // the encoder keeps them all
    const auto bytes = frame.surface->layout.bytes();
    const gpu::Wait ready{frame.ready()};
    cl::Event here;
    if (gpu::copy(fetch_->queue, frame.surface->memory, fetched->memory, bytes, ready, nullptr) !=
            Status::ok ||
        gpu::download(fetch_->queue, fetched->memory, bytes, {}, &here) != Status::ok ||
        !wait_for(here))
      return false;
    frame.surface = std::move(fetched);
    return true;
  }

  // Looks instead of waiting, so that a device that hangs does not keep a file from being completed.
  bool wait_for(const cl::Event& event) noexcept {
    while (!gpu::complete(event)) {
      if (in_.closed() && clock::now_ns() > closed_ns_ + kPatience_ns) return false;
      if (!in_.closed()) closed_ns_ = clock::now_ns();
      clock::sleep_until_ns(clock::now_ns() + clock::kMillisecond_ns);
    }
    return gpu::wait(event) == Status::ok;
  }

  Link<Frame, N>& in_;
  Encoder& encoder_;
  std::int64_t Frame::*time_of_;
  const HostFetch* fetch_;
  Latency& busy_;
  static constexpr std::int64_t kPatience_ns = clock::kSecond_ns;  // once no more will come
  std::int64_t closed_ns_ = 0;
  Recovery recovery_;
  std::uint64_t written_ = 0;  // pictures, when it was opened last
  std::uint64_t offered_ = 0;
};

}  // namespace gantry
