// A camera: something that delivers NV12 pictures with the instant of their capture.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "hal/memory/surface.hpp"

namespace gantry {

struct CameraFormat {
  int width = 0, height = 0;  // luma pixels, even
  double frames_per_second = 0;
};

struct CameraFrame {
  SurfaceRef surface;
  cl::Event ready;              // kernels that read the surface wait for it; null: ready now
  std::int64_t capture_ns = 0;  // CLOCK_MONOTONIC at the middle of the exposure
  std::uint64_t sequence = 0;   // counts pictures the device made; a gap is a loss before us
  std::uint64_t host_bytes_written = 0;  // what the CPU or an upload wrote to get it here
};

// Set-up (construction) throws std::runtime_error naming the device or file and what would be right.
// After seal() one thread of its own calls capture() in a loop.
class Camera {
 public:
  virtual ~Camera() = default;

  virtual const std::string& name() const = 0;
  // The format found at set-up; constant.
  virtual CameraFormat format() const = 0;

  // When recorded or simulated time begins, CLOCK_MONOTONIC, the same for all cameras of a rig.
  // Called once, before the first capture(); a real camera has its own time.
  virtual void start_at(std::int64_t start_ns) { static_cast<void>(start_ns); }

  // Where the surfaces given to capture() should come from, so that the device writes into them;
  // null: anywhere. Set-up.
  virtual Heap* surface_heap() { return nullptr; }

  // What the device keeps beside the surfaces; for the budget.
  virtual OwnBuffers own_buffers() const { return {}; }

  // Runs each kernel that capture() will run, into a surface like those of its pool, and waits.
  // Set-up.
  virtual Status rehearse(const Surface& surface) {
    static_cast<void>(surface);
    return Status::ok;
  }

  // Fills `out` with the next picture; blocks until it is due (its own pacing) or `stop()` was
  // called. Takes a surface from `pool` (whose layout is nv12_layout(format)).
  //   ok       a picture
  //   dropped  the device had one but the pool was empty; `out.sequence` says which
  //   end      no picture will come any more
  //   lost     the device failed; may be called again, to recover
  virtual Status capture(SurfacePool& pool, CameraFrame& out) noexcept = 0;

  // Makes a waiting capture() return `end` soon. Any thread.
  virtual void stop() noexcept = 0;
};

}  // namespace gantry
