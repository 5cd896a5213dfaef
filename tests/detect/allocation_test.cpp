// After set-up the detector takes no memory: operator new is counted on the analysing thread.
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>
#include <new>

#include <gtest/gtest.h>

#include "pipeline/detector.hpp"
#include "tests/pipeline/marker_network.hpp"

namespace {
thread_local std::size_t allocations = 0;
}

// Not inlined: the compiler would see free() meet new.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace gantry {
namespace {

TEST(Allocation, AnAnalysisTakesNone) {
  constexpr PanoramaGeometry kPanorama{1900, 64, -1, 1, 0.5, -0.5};
  gpu::Device device({}, {});
  const Nv12Layout layout = nv12_layout(kPanorama.width, kPanorama.height);
  const auto pool = make_surface_pool(device, layout, 1, gpu::Access::upload);
  Surface& picture = pool->slot(0);
  DetectorConfig config;
  config.limits = {};
  config.classes = {{0, ObjectClass::ball}, {1, ObjectClass::person}};
  config.input = TileInput{};
  config.input->scale = {1, 1.0 / 255, 1};
  Detector detector(device, MarkerNetwork::make(4), config, kPanorama, layout, ColourMatrix::bt709,
                    ColourRange::full);
  // Every anchor of every tile sees something, some of it twice and some of it cut by a border.
  std::memset(picture.luma(), 0, layout.chroma_offset());
  for (const Tile& t : detector.tiles().tiles)
    for (int a = 0; a < MarkerNetwork::kAnchors; ++a) {
      const int values[] = {8 * a + 4, 32, 12, 20 + a, a % 2 ? 200 : 0, a % 2 ? 0 : 150 + a};
      for (int c = 0; c < MarkerNetwork::kChannels; ++c)
        picture.luma()[t.x + a * MarkerNetwork::kChannels + c] =
            static_cast<std::uint8_t>(values[c]);
    }
  std::memset(picture.chroma(), 128, layout.bytes() - layout.chroma_offset());
  const auto queue = device.make_queue();
  cl::Event ready;
  ASSERT_EQ(gpu::upload(queue, picture.memory, picture.memory.bytes, {}, &ready), Status::ok);
  const auto out = std::make_unique<Detections>();
  ASSERT_EQ(detector.analyse(picture, ready, *out),
            Status::ok);  // drivers settle in their first call
  const std::size_t before = allocations;
  for (int i = 0; i < 5; ++i) ASSERT_EQ(detector.analyse(picture, ready, *out), Status::ok);
  EXPECT_EQ(allocations, before);
  EXPECT_GT(out->count, 10u) << "there was something to do";
}

}  // namespace
}  // namespace gantry
