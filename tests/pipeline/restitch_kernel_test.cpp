// A real panorama, filmed by a rig and stitched again on the device, is the same panorama.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>

#include "pipeline/stitcher.hpp"
#include "tests/pipeline/inverse_warp.hpp"
#include "tests/pipeline/real_panorama.hpp"
#include "tests/pipeline/reference_stitch.hpp"

namespace gantry {
namespace {

// Rows of `bytes` bytes between memories of different pitches: luma and chroma alike.
void copy_rows(std::uint8_t* to, int to_pitch, const std::uint8_t* from, int from_pitch, int bytes,
               int rows) {
  for (int y = 0; y < rows; ++y)
    std::memcpy(to + static_cast<std::size_t>(y) * to_pitch,
                from + static_cast<std::size_t>(y) * from_pitch, static_cast<std::size_t>(bytes));
}

test::Nv12Picture stitch_on_device(gpu::Device& device, const Rig& rig, const StitchMesh& mesh,
                                   const std::vector<test::Nv12Picture>& pictures) {
  const auto queue = device.make_queue();
  std::vector<std::unique_ptr<SurfacePool>> pools;
  std::vector<Nv12Layout> layouts;
  FramePair pair;
  for (std::size_t c = 0; c < pictures.size(); ++c) {
    const auto& p = pictures[c];
    layouts.push_back(nv12_layout(p.width, p.height));
    pools.push_back(make_surface_pool(device, layouts.back(), 1, gpu::Access::upload));
    const SurfaceRef surface = pools.back()->acquire();
    copy_rows(surface->luma(), layouts.back().pitch, p.bytes.data(), p.width, p.width,
              p.height * 3 / 2);
    gpu::upload(queue, surface->memory, surface->memory.bytes, {}, &pair.cameras[c].ready);
    pair.cameras[c].surface = surface.share();
  }
  const auto layout = nv12_layout(rig.panorama.width, rig.panorama.height);
  const auto panoramas = make_surface_pool(device, layout, 1, gpu::Access::download);
  Stitcher stitcher(device, mesh, layouts, layout, stitcher_config(rig));
  PanoramaFrame frame;
  EXPECT_EQ(stitcher.stitch(std::move(pair), panoramas->acquire(), frame), Status::ok);
  gpu::download(queue, frame.surface->memory, layout.bytes(), {frame.ready()}, nullptr);
  queue.finish();
  test::Nv12Picture out(layout.width, layout.height);
  copy_rows(out.bytes.data(), out.width, frame.surface->luma(), layout.pitch, out.width,
            out.height * 3 / 2);
  return out;
}

struct Difference {
  double squares = 0;
  long count = 0;
  int largest = 0;

  void add(int a, int b) {
    squares += (a - b) * (a - b);
    largest = std::max(largest, std::abs(a - b));
    ++count;
  }
  double psnr() const {
    return 10 * std::log10(255.0 * 255.0 * static_cast<double>(count) / std::max(squares, 1e-9));
  }
};

// Where both cameras count; everywhere with `whole`.
Difference compare(const StitchMesh& mesh, const test::Nv12Picture& a, const test::Nv12Picture& b,
                   int plane, bool whole) {
  Difference d;
  for (int j = 0; j < a.rows(plane); ++j)
    for (int i = 0; i < a.columns(plane); ++i) {
      const double left =
          test::mesh_weight(mesh, 0, test::luma_x(plane, i), test::luma_y(plane, j));
      if (whole || (left > 0 && left < 1)) d.add(a.at(plane, i, j), b.at(plane, i, j));
    }
  return d;
}

TEST(RestitchOnDevice, RealPanoramaSurvivesInTheOverlapAndFollowsTheDefinition) {
  const bool full = std::getenv("GANTRY_LONG") != nullptr;
  const int reduction = full ? 2 : 4;
  const auto world = test::read_real_panorama(reduction);
  if (!world) GTEST_SKIP() << "the panorama of the shared footage, or ffmpeg, is not here";
  gpu::Device device({}, {});
  const Rig rig = test::real_panorama_rig(reduction, full ? 3840 : 960, full ? 2160 : 540);
  const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::refuse);
  std::vector<test::Nv12Picture> pictures;
  for (const RigCamera& camera : rig.cameras)
    pictures.push_back(test::inverse_warp(*world, rig.panorama, camera));
  const auto out = stitch_on_device(device, rig, mesh, pictures);
  const auto definition = test::reference_stitch(rig, mesh, pictures);
  for (int plane = 0; plane < 3; ++plane) {
    const double overlap = compare(mesh, out, *world, plane, false).psnr();
    EXPECT_GE(overlap, 38) << "plane " << plane;
    RecordProperty("overlap_psnr_" + std::to_string(plane), std::to_string(overlap));
    const Difference d = compare(mesh, out, definition, plane, true);
    EXPECT_GE(d.psnr(), 50) << "plane " << plane;
    EXPECT_LE(d.largest, 4) << "plane " << plane;
    RecordProperty("definition_psnr_" + std::to_string(plane), std::to_string(d.psnr()));
  }
  if (const char* file = std::getenv("GANTRY_RESTITCHED_NV12")) {
    FILE* f = std::fopen(file, "wb");
    ASSERT_TRUE(f) << file;
    std::fwrite(out.bytes.data(), 1, out.bytes.size(), f);
    std::fclose(f);
  }
}

}  // namespace
}  // namespace gantry
