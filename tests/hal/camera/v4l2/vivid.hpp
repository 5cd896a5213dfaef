// The kernel's test cameras: their controls as knobs, and cameras of ours on them.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "hal/camera/v4l2/v4l2_camera.hpp"
#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry::test {

inline constexpr const char* kSinglePlanar = "platform:vivid-000";
inline constexpr const char* kMultiPlanar = "platform:vivid-001";
inline constexpr int kWebcam = 0, kHdmi = 1;  // inputs

// Sets controls of a device beside whoever streams from it.
class Knobs {
 public:
  explicit Knobs(const std::string& device) : device_(device) {}
  // False: no such control, or refused.
  bool set(const std::string& name, std::int64_t value) const {
    for (const auto& c : v4l2::list_controls(device_)) {
      if (c.name != name) continue;
      v4l2_control control{c.id, static_cast<__s32>(value)};
      return device_.call(VIDIOC_S_CTRL, &control) == 0;
    }
    return false;
  }
  std::int64_t get(const std::string& name) const {
    for (const auto& c : v4l2::list_controls(device_))
      if (c.name == name) return c.value;
    return -1;
  }
  const v4l2::Device& device() const { return device_; }

 private:
  v4l2::Device device_;
};

// Everything logged since the last call, one line each.
inline std::string logged() {
  std::string text;
  for (log::Record r; log::take(r);) text += std::string(r.view()) + "\n";
  return text;
}

class VividTest : public testing::Test {
 public:
  static gpu::Device& gpu_device() {
    static gpu::Device device({}, "/var/cache/rig/gantry");
    return device;
  }
  // 640x360 at 40: what the webcam input does.
  static V4l2CameraConfig webcam(const char* device = kSinglePlanar) {
    V4l2CameraConfig c;
    c.name = "left";
    c.device = device;
    c.input = kWebcam;
    c.width = 640, c.height = 360;
    c.frames_per_second = 40;
    return c;
  }
  static V4l2CameraConfig hdmi(const char* device = kSinglePlanar) {
    V4l2CameraConfig c = webcam(device);
    c.input = kHdmi;
    c.width = 1280, c.height = 720;
    c.frames_per_second = 60;
    return c;
  }
  // hdmi() by each kind of door.
  static std::vector<V4l2CameraConfig> by_each_door() {
    std::vector<V4l2CameraConfig> configs(3, hdmi());
    for (auto& c : configs) c.format = "NV12";
    configs[1].heap = "export";
    configs[2].format = "YUYV";
    return configs;
  }
  struct Line {
    explicit Line(const V4l2CameraConfig& config, std::uint32_t surfaces = 12)
        : camera(std::make_unique<V4l2Camera>(gpu_device(), config)),
          pool(make_surface_pool(gpu_device(), nv12_layout(config.width, config.height), surfaces,
                                 gpu::Access::upload, camera->surface_heap())) {}
    ~Line() { camera.reset(); }  // before the pool whose surfaces it holds
    Status capture(CameraFrame& frame) {
      frame.surface.reset();
      const Status status = camera->capture(*pool, frame);
      gpu::wait(frame.ready);
      return status;
    }
    // The next picture, through losses, within some seconds.
    bool recovers(CameraFrame& frame, double seconds = 8) {
      const auto end = clock::now_ns() + static_cast<std::int64_t>(seconds * 1e9);
      while (clock::now_ns() < end) {
        if (capture(frame) == Status::ok) return true;
        clock::sleep_until_ns(clock::now_ns() + 50 * clock::kMillisecond_ns);
      }
      return false;
    }
    // Calls capture() until it answers something else than ok.
    Status until_trouble(CameraFrame& frame, int most = 400) {
      Status status = Status::ok;
      while (status == Status::ok && most-- > 0) status = capture(frame);
      return status;
    }
    std::unique_ptr<V4l2Camera> camera;
    std::unique_ptr<SurfacePool> pool;
  };

 protected:
  void SetUp() override { logged(); }
  void TearDown() override {  // a test that failed half-way leaves the next one a signal
    for (const char* device : {kSinglePlanar, kMultiPlanar}) {
      const Knobs knobs(device);
      knobs.set("dv_timings_signal_mode", 0);
      knobs.set("percentage_of_dropped_buffers", 0);
      knobs.set("timestamp_source", 0);
    }
  }
};

// What a camera's construction refuses, in its words.
inline std::string refusal(const std::function<void()>& work) {
  try {
    work();
    return "nothing was refused";
  } catch (const std::runtime_error& e) {
    return e.what();
  }
}

}  // namespace gantry::test
