// The detector's own work beside its floor: tile stage against copy bandwidth, head decode and merge
// against the clock.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <numbers>
#include <random>

#include "pipeline/detector.hpp"

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;
const PanoramaGeometry kPanorama{5700,         1900,         -90 * kDegree,
                                 90 * kDegree, 27 * kDegree, -27 * kDegree};
constexpr const char* kCopySource =
    "__kernel void copy(__global const float4* a, __global float4* b) {"
    " b[get_global_id(0)] = a[get_global_id(0)]; }";

struct Spread {
  double least, median, most;  // milliseconds
};

// Interleaved, so that a neighbour's load meets all alike.
std::vector<Spread> measure(const std::vector<std::function<void()>>& works, int rounds) {
  std::vector<std::vector<double>> times(works.size());
  for (int r = -2; r < rounds; ++r)
    for (std::size_t i = 0; i < works.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      works[i]();
      const std::chrono::duration<double, std::milli> spent =
          std::chrono::steady_clock::now() - start;
      if (r >= 0) times[i].push_back(spent.count());
    }
  std::vector<Spread> spreads;
  for (auto& t : times) {
    std::ranges::sort(t);
    spreads.push_back({t.front(), t[t.size() / 2], t.back()});
  }
  return spreads;
}

void print(const char* what, const Spread& s) {
  std::printf("%-44s %8.3f ms  (%.3f … %.3f)\n", what, s.median, s.least, s.most);
}

// Six tiles of 1024 from the 5700x1900 panorama, and copies of as many bytes. `pixels`: four fp16
// channels together, as tensor cores read them; else fp32 planes.
void tile_stage(gpu::Device& device, bool pixels) {
  const TilePlan plan = plan_tiles(kPanorama, 1024, 1024, {TileLayout::reference, 1, 0}, {});
  const int count = static_cast<int>(plan.tiles.size());
  const Nv12Layout layout = nv12_layout(kPanorama.width, kPanorama.height);
  const auto picture = device.allocate(layout.bytes(), gpu::Access::device);
  constexpr std::int64_t kEdge = 1024, kPlane = kEdge * kEdge;
  PlanTensor tensor{"tiles", {count, 3, kEdge, kEdge}, {3 * kPlane, kPlane, kEdge, 1}, {}, {}};
  if (pixels) {
    tensor.strides = {4 * kPlane, 1, 4 * kEdge, 4};
    tensor.element = Plan::Element::f16;
  }
  tensor.memory = device.allocate(static_cast<std::size_t>(count * kPlane) * (pixels ? 8 : 12),
                                  gpu::Access::device);
  TileStage stage(device, plan, {}, layout, ColourMatrix::bt709, ColourRange::limited, tensor);
  std::uint64_t bytes = stage.bytes_written() * static_cast<std::uint64_t>(count);
  for (int i = 0; i < count; ++i) bytes += stage.bytes_read(i);
  // A copy moves each byte twice.
  const std::size_t copied = bytes / 2 / 256 * 256;
  const auto from = device.allocate(copied, gpu::Access::device);
  const auto to = device.allocate(copied, gpu::Access::device);
  const auto queue = device.make_queue();
  cl::Kernel copy(device.build("copy", kCopySource), "copy");
  copy.setArg(0, from.buffer);
  copy.setArg(1, to.buffer);
  // Several at a time, since the clock is the host's.
  const int kRepeats = device.info().kind == gpu::Kind::gpu ? 32 : 4;
  const auto repeated = [&](auto enqueue) {
    return [&queue, kRepeats, enqueue] {
      for (int i = 0; i < kRepeats; ++i) enqueue();
      queue.finish();
    };
  };
  auto times = measure(
      {repeated([&] { stage.cut(queue, picture.buffer, 0, count, {}, nullptr); }),
       repeated([&] { gpu::launch(queue, copy, gpu::Range(copied / 16), nullptr, {}, nullptr); }),
       repeated([&] { queue.enqueueCopyBuffer(from.buffer, to.buffer, 0, 0, copied); })},
      device.info().kind == gpu::Kind::gpu ? 50 : 15);
  for (Spread& s : times) s = {s.least / kRepeats, s.median / kRepeats, s.most / kRepeats};
  std::printf("tile stage, six tiles of 1024 from 5700x1900, %s, %.1f MB read and written\n",
              pixels ? "fp16 pixels" : "fp32 planes", static_cast<double>(bytes) * 1e-6);
  print("tiles", times[0]);
  print("the same bytes by a copy kernel", times[1]);
  print("the same bytes by clEnqueueCopyBuffer", times[2]);
  const double best = std::min(times[1].median, times[2].median);
  std::printf("tiles reach %.0f %% of the better copy's bandwidth (%.1f of %.1f GB/s)\n\n",
              100 * best / times[0].median, static_cast<double>(bytes) * 1e-6 / times[0].median,
              static_cast<double>(bytes) * 1e-6 / best);
}

// Six tensors [4 + classes, 21504] in which 300 objects are seen by eight anchors each.
struct Scene {
  TilePlan plan = plan_tiles(kPanorama, 1024, 1024, {TileLayout::reference, 1, 0}, {});
  std::int64_t anchors = 21504, channels;
  std::vector<float> tensor;
  explicit Scene(int classes) : channels(4 + classes) {
    tensor.resize(static_cast<std::size_t>(anchors * channels) * plan.tiles.size());
    std::mt19937 random(1);
    std::uniform_real_distribution<float> unit(0, 1);
    for (float& v : tensor) v = unit(random) * 0.05f;
    for (int i = 0; i < 300; ++i) {
      const auto tile = static_cast<std::size_t>(i) % plan.tiles.size();
      const bool ball = i % 10 == 0;
      const float x = 30 + unit(random) * 960, y = 60 + unit(random) * 900;
      const float w = ball ? 12 : 30, h = ball ? 12 : 70;
      // Neighbouring cells of stride 8 see the same object.
      const auto cell =
          static_cast<std::int64_t>(y / 8 - 1) * 128 + static_cast<std::int64_t>(x / 8);
      for (int k = 0; k < 8; ++k) {
        const std::int64_t anchor = cell + k / 3 * 128 + k % 3;
        const auto at = [&](std::int64_t c) -> float& {
          return tensor[static_cast<std::size_t>(
              (static_cast<std::int64_t>(tile) * channels + c) * anchors + anchor)];
        };
        at(0) = x + unit(random) * w * 0.1f, at(1) = y + unit(random) * h * 0.1f;
        at(2) = w, at(3) = h;
        at(ball ? 4 : 5) = 0.5f + unit(random) * 0.45f;
      }
    }
  }
};

void decode_and_merge(int classes) {
  const Scene scene(classes);
  const std::vector<HeadTensor> heads{
      {"output0",
       {static_cast<std::int64_t>(scene.plan.tiles.size()), scene.channels, scene.anchors}}};
  const std::vector<ClassMapping> map{{0, ObjectClass::ball}, {1, ObjectClass::person}};
  const DetectorConfig config;
  const HeadDecoder decoder(Head::yolov8, heads, 1024, 1024, map, {0.35f, 0.45f, 0.45f, 0.45f});
  const DetectFilter filter(scene.plan, kPanorama, config.limits, {});
  CandidateMerge merge(kPanorama.width, config.merge);
  auto boxes = std::make_unique<NetworkBoxes>();
  std::vector<Candidate> candidates(scene.plan.tiles.size() * NetworkBoxes::kCapacity), merged;
  std::size_t seen = 0, count = 0, found = 0;
  const std::vector<const float*> outputs{scene.tensor.data()};
  const auto decode = [&] {
    seen = count = 0;
    for (std::size_t tile = 0; tile < scene.plan.tiles.size(); ++tile) {
      const auto element = static_cast<int>(tile);
      const std::size_t before = count;
      boxes->clear();
      decoder.decode_wanted(outputs, element, *boxes);
      for (const NetworkBox& b : boxes->view())
        if (filter.candidate(b, tile, candidates[count])) ++count;
      seen += count - before;
      const auto holds = [&](const Candidate& c) {
        return !decoder.outranked(outputs, element, c.anchor);
      };
      count = before + merge.thin({candidates.data() + before, count - before}, std::ref(holds));
    }
  };
  const auto finish = [&] {
    merged.assign(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count));
    Detection d;
    found = 0;
    for (const Candidate& c : merge.merge(merged).kept) found += filter.detection(c, d);
  };
  const auto times = measure({decode, finish}, 101);
  std::printf("six tiles, %d classes, 300 objects of 8 anchors: %zu candidates, %zu detections\n",
              classes, seen, found);
  print("head decode, filter, merge within tiles", times[0]);
  print("merge across tiles", times[1]);
  std::printf("%-44s %8.3f ms\n\n", "together", times[0].median + times[1].median);
}

}  // namespace
}  // namespace gantry

int main() {
  gantry::gpu::Device device({}, {});
  std::printf("%s\n\n", device.info().name.c_str());
  gantry::tile_stage(device, false);
  if (device.info().kind == gantry::gpu::Kind::gpu) gantry::tile_stage(device, true);
  gantry::decode_and_merge(2);
  gantry::decode_and_merge(80);
}
