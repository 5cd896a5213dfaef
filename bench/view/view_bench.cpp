// The virtual camera: time on the device for one 1920×1080 view, beside a copy of the bytes it touches.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "pipeline/virtual_camera.hpp"

namespace gantry {
namespace {

constexpr double kDegree = 3.14159265358979323846 / 180;
constexpr int kRounds = 31;
constexpr const char* kCopySource =
    "__kernel void copy(__global const uint4* a, __global uint4* b) {"
    " b[get_global_id(0)] = a[get_global_id(0)]; }";

struct Spread {
  double least, median, most;  // milliseconds
};

Spread spread_of(std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2], times.back()};
}

// Copies `bytes` once: half of them read, half written, like the views' mix of both.
class Copy {
 public:
  Copy(gpu::Device& device, std::size_t bytes)
      : queue_(device.make_queue(true)),
        from_(device.allocate(bytes, gpu::Access::device)),
        to_(device.allocate(bytes, gpu::Access::device)),
        words_(bytes / 16),
        kernel_(device.build("copy", kCopySource), "copy") {
    kernel_.setArg(0, from_.buffer);
    kernel_.setArg(1, to_.buffer);
  }
  double run() {
    cl::Event done;
    gpu::launch(queue_, kernel_, gpu::Range(words_), nullptr, {}, &done);
    gpu::wait(done);
    return 1e-6 * static_cast<double>(gpu::duration_ns(done));
  }

 private:
  cl::CommandQueue queue_;
  gpu::Memory from_, to_;
  std::size_t words_;
  cl::Kernel kernel_;
};

void measure(gpu::Device& device, int width, int height) {
  const PanoramaGeometry geometry{width,        height,       -90 * kDegree,
                                  90 * kDegree, 27 * kDegree, -27 * kDegree};
  const auto panoramas =
      make_surface_pool(device, nv12_layout(width, height), 1, gpu::Access::upload);
  const auto views = make_surface_pool(device, nv12_layout(1920, 1080), 1, gpu::Access::device);
  VirtualCamera camera(device, geometry, panoramas->slot(0).layout, views->slot(0).layout,
                       {1, false, true});
  PanoramaFrame panorama{panoramas->acquire(), {}, 0, 0};
  std::mt19937 random(1);
  std::generate_n(panorama.surface->luma(), panorama.surface->layout.bytes(),
                  [&] { return static_cast<std::uint8_t>(random()); });
  const auto queue = device.make_queue();
  gpu::upload(queue, panorama.surface->memory, panorama.surface->layout.bytes(), {}, nullptr);
  queue.finish();

  const std::vector<double> fields{30, 40, 55, 68, 84};
  std::vector<std::vector<double>> times(fields.size());
  std::vector<std::uint64_t> bytes(fields.size());
  Copy copy(device, 8 << 20);
  std::vector<double> copies;
  for (int round = -2; round < kRounds; ++round) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      // A turning camera: no two views read the same bytes.
      const CameraPose pose{0.02 * (round % 20) - 0.2, -0.02, fields[i] * kDegree};
      ViewFrame view;
      if (camera.render(panorama, pose, views->acquire(), view) != Status::ok) std::abort();
      gpu::wait(view.ready);
      camera.drain();
      bytes[i] = camera.traffic().panorama_read + camera.traffic().view_written;
      if (round >= 0) times[i].push_back(1e-6 * static_cast<double>(camera.last_duration_ns()));
    }
    const double copied = copy.run();
    if (round >= 0) copies.push_back(copied);
  }
  const Spread c = spread_of(copies);
  const double copy_rate = 2.0 * (8 << 20) / c.median * 1e-6;  // GB/s
  std::printf("panorama %dx%d; copy of 8 MiB %.3f ms (%.3f … %.3f), %.1f GB/s\n", width, height,
              c.median, c.least, c.most, copy_rate);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Spread s = spread_of(times[i]);
    const double rate = static_cast<double>(bytes[i]) / s.median * 1e-6;
    std::printf("  view of %3.0f°  %7.3f ms  (%.3f … %.3f)  %5.1f %% of the copy's bandwidth\n",
                fields[i], s.median, s.least, s.most, 100 * rate / copy_rate);
  }
}

}  // namespace
}  // namespace gantry

int main() {
  gantry::gpu::Device device({}, {});
  std::printf("%s, %u units, output 1920x1080 NV12\n", device.info().name.c_str(),
              device.info().compute_units);
  gantry::measure(device, 950, 316);
  gantry::measure(device, 5700, 1900);
}
