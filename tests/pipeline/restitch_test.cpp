// A real panorama, filmed by a rig and stitched again by the reference, is the same panorama.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/pipeline/inverse_warp.hpp"
#include "tests/pipeline/real_panorama.hpp"
#include "tests/pipeline/reference_stitch.hpp"

namespace gantry {
namespace {

struct Comparison {
  double squares = 0, difference = 0;
  long count = 0;

  void add(int a, int b) {
    squares += (a - b) * (a - b);
    difference += a - b;
    ++count;
  }
  double psnr() const {
    return 10 * std::log10(255.0 * 255.0 * static_cast<double>(count) / squares);
  }
  double mean() const { return difference / static_cast<double>(count); }
};

struct Restitched {
  Comparison overlap[3];             // luma, Cb, Cr where both cameras count
  Comparison only_left, only_right;  // luma, within a few degrees of the overlap
};

Restitched restitch(const test::Nv12Picture& world, const Rig& rig) {
  const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::refuse);
  std::vector<test::Nv12Picture> pictures;
  for (const RigCamera& camera : rig.cameras)
    pictures.push_back(test::inverse_warp(world, rig.panorama, camera));
  const test::Nv12Picture out = test::reference_stitch(rig, mesh, pictures);
  Restitched result;
  for (int plane = 0; plane < 3; ++plane)
    for (int j = 0; j < out.rows(plane); ++j)
      for (int i = 0; i < out.columns(plane); ++i) {
        const double x = test::luma_x(plane, i), y = test::luma_y(plane, j);
        const double left = test::mesh_weight(mesh, 0, x, y);
        const int a = out.at(plane, i, j), b = world.at(plane, i, j);
        if (left > 0 && left < 1) result.overlap[plane].add(a, b);
        if (plane || std::abs(x - 0.5 * out.width) > 0.1 * out.width) continue;
        if (left == 1) result.only_left.add(a, b);
        if (left == 0) result.only_right.add(a, b);
      }
  return result;
}

// What is lost is the sampling's (twice, the second time bilinear), nowhere the seam's: the pictures
// beside it lose as much. GANTRY_LONG takes the real rig's 3840×2160 pictures.
TEST(Restitch, RealPanoramaHasNoStepAtTheSeam) {
  const bool full = std::getenv("GANTRY_LONG") != nullptr;
  const int reduction = full ? 2 : 4;
  const auto world = test::read_real_panorama(reduction);
  if (!world) GTEST_SKIP() << "the panorama of the shared footage, or ffmpeg, is not here";
  for (const double feather : {4.0, 30.0}) {
    Rig rig = test::real_panorama_rig(reduction, full ? 3840 : 960, full ? 2160 : 540);
    rig.feather = feather * test::kDegree;
    const Restitched result = restitch(*world, rig);
    EXPECT_GT(result.overlap[0].count, world->width * world->height / 60);
    for (const Comparison& plane : result.overlap) EXPECT_GE(plane.psnr(), 38);
    EXPECT_GE(result.overlap[0].psnr(),
              std::min(result.only_left.psnr(), result.only_right.psnr()) - 0.5);
    EXPECT_NEAR(result.overlap[0].mean(), result.only_left.mean(), 0.15);
    EXPECT_NEAR(result.overlap[0].mean(), result.only_right.mean(), 0.15);
    const std::string name = "feather_" + std::to_string(static_cast<int>(feather));
    RecordProperty(name + "_overlap_psnr", std::to_string(result.overlap[0].psnr()));
    RecordProperty(name + "_left_psnr", std::to_string(result.only_left.psnr()));
    RecordProperty(name + "_right_psnr", std::to_string(result.only_right.psnr()));
  }
}

}  // namespace
}  // namespace gantry
