// A camera of the rig at a simulated match.
//
// All cameras of one seed film the same match: picture n is taken at start + phase + n / fps, and
// shows the world as it was then. See camera.hpp for the contract of every call.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <string>

#include "hal/camera/camera.hpp"
#include "hal/camera/sim_renderer.hpp"

namespace gantry {

struct SimCameraConfig {
  std::string name = "sim";
  std::size_t camera = 0;     // of the rig
  int width = 0, height = 0;  // 0: as the rig's lens says
  std::uint64_t seed = 1;     // of the match, and of the look where that is random
  bool random_look = false;
  double frames_per_second = 30;  // 1…240
  double phase_s = 0;             // 0…1
  double exposure_stops = 0;      // −4…4, on top of the look's own
  double mast_height_m = 5;       // 1…50
  double match_start_s = 0;       // 0…7200: seconds played when the first picture is taken
  TimeCode time_code = TimeCode::none;
  // When the match begins, CLOCK_MONOTONIC; 0 in real time: when the process made its first camera.
  std::int64_t start_ns = 0;
  bool real_time = true;     // else a picture is there as soon as it is asked for
  std::uint64_t frames = 0;  // the source ends after so many; 0: endless
  // Faults to simulate. Every n-th picture never arrives; 0: none.
  int drop_every = 0;
  // In real time: so many seconds after the start the cable is pulled for so long; 0: never.
  double unplug_after_s = 0, unplug_for_s = 5;
  // From then on the device finishes no picture any more, as a driver that hangs; 0: never.
  double hang_after_s = 0;
};

// The look that a configuration films: its cameras' and its truth's.
SimLook look_of(const SimCameraConfig& config);
// The instant of picture `sequence`. `start_ns` as resolved by the camera.
std::int64_t capture_instant(const SimCameraConfig& config, std::int64_t start_ns,
                             std::uint64_t sequence);

class SimCamera final : public Camera {
 public:
  SimCamera(gpu::Device& device, const Rig& rig, const SimCameraConfig& config);

  const std::string& name() const override { return config_.name; }
  CameraFormat format() const override;
  void start_at(std::int64_t start_ns) override { start_ns_ = start_ns; }
  Status rehearse(const Surface& surface) override;
  Status capture(SurfacePool& pool, CameraFrame& out) noexcept override;
  void stop() noexcept override { stopped_.store(true, std::memory_order_relaxed); }

  const SimView& view() const { return renderer_.view(); }
  std::int64_t start_ns() const { return start_ns_; }

 private:
  bool next_picture(std::uint64_t& sequence) noexcept;
  bool wait_until(std::int64_t instant_ns) const noexcept;
  bool unplugged(std::int64_t capture_ns) const noexcept;

  SimCameraConfig config_;
  std::int64_t start_ns_;
  SimWorld world_;
  SimRenderer renderer_;
  SimState state_;
  std::uint64_t next_ = 0;
  cl::UserEvent never_;  // completes: what hangs
  std::atomic<bool> stopped_{false};
};

}  // namespace gantry
