// A camera's pictures on a screen, by the house's own camera and display and nothing between them:
// bench_display CAMERA DISPLAY WIDTHxHEIGHT RATE FRAMES; prints the pictures shown.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

#include "hal/camera/v4l2/v4l2_camera.hpp"
#include "hal/clock/clock.hpp"
#include "hal/display/kms_display.hpp"

using namespace gantry;

namespace {

void show(const V4l2CameraConfig& config, const std::string& screen, int frames) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  gpu::Device device({}, cache ? std::filesystem::path(cache) / "gantry" : std::filesystem::path());
  auto camera = std::make_unique<V4l2Camera>(device, config);
  const auto pool = make_surface_pool(device, nv12_layout(config.width, config.height), 10,
                                      gpu::Access::upload, camera->surface_heap());
  const DisplayConfig display_config{
      screen, "auto", std::to_string(config.width) + "x" + std::to_string(config.height)};
  KmsDisplay display(display_config, {pool.get(), nullptr, config.matrix, config.range}, device);
  if (display.open() != Status::ok) throw std::runtime_error(std::string(display.problem()));
  std::printf("%s; %s\n", camera->door_text().c_str(), std::string(display.description()).c_str());
  int shown = 0;
  for (int i = 0; i < frames; ++i) {
    CameraFrame frame;
    if (camera->capture(*pool, frame) != Status::ok) continue;
    gpu::wait(frame.ready);
    Flip flip;
    display.wait_flip(clock::now_ns() + clock::kSecond_ns, flip);
    shown += display.prepare({std::move(frame.surface), {}}) == Status::ok &&
             display.flip() == Status::ok;
  }
  Flip last;
  display.wait_flip(clock::now_ns() + clock::kSecond_ns, last);
  camera.reset();  // before the pool, whose surfaces it holds
  std::printf("shown %d of %d\n", shown, frames);
}

}  // namespace

int main(int count, char** words) try {
  V4l2CameraConfig config;
  if (count != 6 || std::sscanf(words[3], "%dx%d", &config.width, &config.height) != 2) {
    std::fprintf(stderr, "usage: bench_display CAMERA DISPLAY WIDTHxHEIGHT RATE FRAMES\n");
    return 2;
  }
  config.name = "camera";
  config.device = words[1];
  config.input = 0;
  config.frames_per_second = std::atof(words[4]);
  config.matrix = ColourMatrix::bt601;  // a web camera's
  show(config, words[2], std::atoi(words[5]));
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
