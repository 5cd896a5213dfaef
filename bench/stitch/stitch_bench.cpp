// Measures the stitch of two 3840x2160 NV12 cameras to 5700x1900 NV12, beside copies and OpenCV.
//
// bench_stitch [--device NAME] [--shape tiles|staged] [--rounds N]
// Rounds of every candidate take turns; figures are medians over the rounds with the 10 and 90 %
// quantiles, ratios are medians of the rounds' ratios.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "pipeline/stitch_kernel.hpp"
#include "tests/pipeline/test_rigs.hpp"
#ifdef GANTRY_OPENCV_PEER
#include "bench/stitch/opencv_peer.hpp"
#endif

namespace gantry {
namespace {

constexpr int kSets = 4;  // of pictures and panoramas, in turn: more than the caches hold

struct Options {
  gpu::Choice device;
  std::string shape;
  int rounds = 15;
};

Options parse(int count, char** words) {
  Options o;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string word = words[i];
    if (word == "--device") o.device.name = words[i + 1];
    if (word == "--shape") o.shape = words[i + 1];
    if (word == "--rounds") o.rounds = std::atoi(words[i + 1]);
  }
  return o;
}

struct Quantiles {
  double low, middle, high;
  explicit Quantiles(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    low = v[v.size() / 10];
    middle = v[v.size() / 2];
    high = v[v.size() - 1 - v.size() / 10];
  }
};

struct Time {
  double wall = 0, cpu = 0;  // seconds; cpu: of all threads of this process
};

Time time_of(int times, const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t cpu = std::clock();
  work();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  return {wall.count() / times, static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / times};
}

void must(Status status) {
  if (status != Status::ok) throw std::runtime_error("the device refused a command");
}

class Ours {
 public:
  Ours(gpu::Device& device, const Rig& rig, StitchKernel::Shape shape)
      : camera_(nv12_layout(rig.cameras[0].lens.width, rig.cameras[0].lens.height)),
        panorama_(nv12_layout(rig.panorama.width, rig.panorama.height)),
        kernel_(device, make_stitch_mesh(rig, Uncovered::refuse), layouts(), panorama_, rig.range,
                shape),
        queues_{device.make_queue(), device.make_queue()},
        profiled_(device.make_queue(true)) {
    std::mt19937 random(1);
    for (int s = 0; s < kSets; ++s) {
      for (auto& picture : pictures_[s]) {
        picture = device.allocate(camera_.bytes(), gpu::Access::upload);
        auto* words = reinterpret_cast<std::uint32_t*>(picture.host);
        std::generate_n(words, picture.bytes / 4,
                        [&] { return static_cast<std::uint32_t>(random()); });
        must(gpu::upload(profiled_, picture, picture.bytes, {}, nullptr));
      }
      panoramas_[s] = device.allocate(panorama_.bytes(), gpu::Access::device);
    }
    // Gains as the colour match finds them; identity costs the same.
    colours_[0] = kernel_colour({1.05, 1.0, 0.97, 1.01}, {});
    colours_[1] = kernel_colour({0.95, 1.0, 1.03, 0.99}, {});
    profiled_.finish();
  }

  // Frames take turns on two queues, so that one's end overlaps with the next one's start.
  void frames(int count) {
    for (int n = 0; n < count; ++n) enqueue(queues_[n % 2], n, nullptr);
    for (const auto& queue : queues_) must(gpu::flush(queue));
    for (const auto& queue : queues_) queue.finish();
  }
  // Milliseconds between the device's own time stamps around one frame.
  double device_milliseconds(int n) {
    cl::Event done;
    enqueue(profiled_, n, &done);
    must(gpu::wait(done));
    return 1e-6 * static_cast<double>(gpu::duration_ns(done));
  }
  std::span<const std::uint8_t> picture(int camera) const {
    const auto& m = pictures_[0][camera];
    return {reinterpret_cast<const std::uint8_t*>(m.host), m.bytes};
  }
  // Every byte of the pictures and the panorama once.
  double bytes() const {
    return static_cast<double>(2 * camera_.picture_bytes() + panorama_.picture_bytes());
  }

 private:
  std::vector<Nv12Layout> layouts() const { return {camera_, camera_}; }
  void enqueue(const cl::CommandQueue& queue, int n, cl::Event* done) {
    const auto& p = pictures_[n % kSets];
    must(kernel_.launch(queue, {&p[0].buffer, &p[1].buffer}, 3, colours_,
                        panoramas_[n % kSets].buffer, {}, done));
  }

  Nv12Layout camera_, panorama_;
  StitchKernel kernel_;
  StitchKernel::Colours colours_{};
  cl::CommandQueue queues_[2], profiled_;
  gpu::Memory pictures_[kSets][2], panoramas_[kSets];
};

// The device's own copy of buffers that no cache holds.
class Copy {
 public:
  explicit Copy(gpu::Device& device) : queue_(device.make_queue()) {
    bytes_ = device.info().kind == gpu::Kind::gpu ? std::size_t{1} << 30 : std::size_t{128} << 20;
    from_ = device.allocate(bytes_, gpu::Access::device);
    to_ = device.allocate(bytes_, gpu::Access::device);
  }
  void run() {
    queue_.enqueueCopyBuffer(from_.buffer, to_.buffer, 0, 0, bytes_);
    queue_.finish();
  }
  double bytes() const { return 2.0 * static_cast<double>(bytes_); }  // read and written

 private:
  cl::CommandQueue queue_;
  std::size_t bytes_;
  gpu::Memory from_, to_;
};

void print(const char* name, const Quantiles& q, const char* unit) {
  std::printf("%-34s %9.4g %-6s (%.4g to %.4g)\n", name, q.middle, unit, q.low, q.high);
}

void measure(const Options& options) {
  gpu::Device device(options.device, {});
  const auto shape = options.shape.empty()      ? StitchKernel::shape_for(device.info())
                     : options.shape == "tiles" ? StitchKernel::Shape::tiles
                                                : StitchKernel::Shape::staged;
  const Rig rig = test::parity_rig(5700, 1900, 3840, 2160);
  Ours ours(device, rig, shape);
  Copy copy(device);
#ifdef GANTRY_OPENCV_PEER
  OpencvPeer peer(rig, ours.picture(0), ours.picture(1));
#endif
  const int frames = device.info().kind == gpu::Kind::gpu ? 200 : 12;
  std::vector<double> milliseconds, device_ms, fps, gigabytes, share, peer_fps, ratio, cpu_ratio;
  for (int round = -1; round < options.rounds; ++round) {
    const Time time = time_of(frames, [&] { ours.frames(frames); });
    const double bandwidth = copy.bytes() / time_of(1, [&] { copy.run(); }).wall;
#ifdef GANTRY_OPENCV_PEER
    const Time peer_time = time_of(1, [&] { peer.stitch(); });
    if (round >= 0) {
      peer_fps.push_back(1 / peer_time.wall);
      ratio.push_back(peer_time.wall / time.wall);
      cpu_ratio.push_back(peer_time.cpu / time.cpu);
    }
#endif
    if (round < 0) continue;  // the first warms up
    milliseconds.push_back(1e3 * time.wall);
    device_ms.push_back(ours.device_milliseconds(round));
    fps.push_back(1 / time.wall);
    gigabytes.push_back(bandwidth / 1e9);
    share.push_back(100 * ours.bytes() / time.wall / bandwidth);
  }
  std::printf("2x 3840x2160 -> 5700x1900 NV12 on %s, %s\n", device.info().name.c_str(),
              shape == StitchKernel::Shape::tiles ? "tiles" : "staged");
  print("stitch", Quantiles(fps), "fps");
  print("stitch, a frame", Quantiles(milliseconds), "ms");
  print("stitch, a frame, on the device", Quantiles(device_ms), "ms");
  std::printf("%-34s %9.2f MB\n", "bytes, each once", ours.bytes() / 1e6);
  print("copy of large buffers", Quantiles(gigabytes), "GB/s");
  print("stitch, share of copy bandwidth", Quantiles(share), "%");
  if (!ratio.empty()) {
    print("OpenCV remap I420, 2 threads", Quantiles(peer_fps), "fps");
    print("stitch over OpenCV", Quantiles(ratio), "times");
    if (device.info().kind == gpu::Kind::cpu)
      print("stitch over OpenCV, processor time", Quantiles(cpu_ratio), "times");
  }
}

}  // namespace
}  // namespace gantry

int main(int count, char** words) try {
  gantry::measure(gantry::parse(count, words));
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_stitch: %s\n", e.what());
  return 1;
}
