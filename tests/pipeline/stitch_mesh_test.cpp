// The mesh against the lens model, its own promises, and rigs that must be refused.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitch_mesh.hpp"

#include <cmath>
#include <functional>
#include <regex>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/pipeline/mesh_checks.hpp"
#include "tests/pipeline/reference_stitch.hpp"
#include "tests/pipeline/test_rigs.hpp"

namespace gantry {
namespace {

using test::kDegree;

std::optional<Pixel> exact(const Rig& rig, std::size_t camera, double x, double y) {
  const RigCamera& c = rig.cameras[camera];
  return c.lens.project(apply(camera_from_panorama(c.mounting),
                              direction_of(rig.panorama.yaw_of(x), rig.panorama.pitch_of(y))));
}

Pixel interpolated(const StitchMesh& mesh, std::size_t camera, int step, double x, double y) {
  const int stride = step / mesh.step, i = static_cast<int>(x / step),
            j = static_cast<int>(y / step);
  const double s = x / step - i, t = y / step - j;
  const auto node = [&](int column, int row) {
    return mesh.cameras[camera]
        .nodes[static_cast<std::size_t>(row * stride) * mesh.columns + column * stride];
  };
  const MeshNode a = node(i, j), b = node(i + 1, j), c = node(i, j + 1), d = node(i + 1, j + 1);
  return {(1 - t) * ((1 - s) * a.x + s * b.x) + t * ((1 - s) * c.x + s * d.x),
          (1 - t) * ((1 - s) * a.y + s * b.y) + t * ((1 - s) * c.y + s * d.y)};
}

// The largest error at random positions where the camera counts, nodes `step` apart.
double sampled_error(const Rig& rig, const StitchMesh& mesh, int step, int samples) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> any_x(0, rig.panorama.width - 1 - step),
      any_y(0, rig.panorama.height - 1 - step);
  double largest = 0;
  for (int n = 0; n < samples; ++n) {
    const double x = any_x(random), y = any_y(random);
    for (std::size_t c = 0; c < rig.cameras.size(); ++c) {
      if (test::mesh_weight(mesh, c, x, y) <= 0) continue;
      const auto pixel = exact(rig, c, x, y);
      if (!pixel) return HUGE_VAL;
      const Pixel p = interpolated(mesh, c, step, x, y);
      largest = std::max(largest, std::hypot(p.x - pixel->x, p.y - pixel->y));
    }
  }
  return largest;
}

TEST(StitchMesh, PositionsStayWithinA32ndOfACameraPixel) {
  const Rig parity = test::parity_rig(5700, 1520, 3840, 2160);
  const StitchMesh mesh = make_stitch_mesh(parity, Uncovered::refuse);
  EXPECT_LE(sampled_error(parity, mesh, mesh.step, 100000), 1.0 / 32);
  EXPECT_EQ(mesh.step, 16);
  for (unsigned seed = 0; seed < 24; ++seed) {
    const Rig rig = test::random_rig(seed, seed % 4 + 1);
    const StitchMesh m = make_stitch_mesh(rig, Uncovered::black);
    const double error = sampled_error(rig, m, m.step, 10000);
    EXPECT_LE(error, 1.05 / 32) << "seed " << seed;
    EXPECT_LE(error, 1.05 * m.largest_error) << "seed " << seed;
    EXPECT_LE(m.largest_error, 1.0 / 32);
    EXPECT_GT(m.largest_error, 0);
  }
}

TEST(StitchMesh, TakesTheLargestStepThatIsGoodEnough) {
  const Rig rig = test::parity_rig(1424, 360, 960, 540);
  const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::refuse);
  ASSERT_LT(mesh.step, 16);
  EXPECT_GT(sampled_error(rig, mesh, 2 * mesh.step, 200000), 1.0 / 32);
}

// A small panorama of large pictures: 1/32 of what a panorama pixel spans.
TEST(StitchMesh, SmallPanoramasOfLargePicturesAreMeasuredInTheirOwnPixels) {
  const Rig rig = test::parity_rig(712, 180, 3840, 2160);
  const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::black);
  EXPECT_EQ(mesh.step, 4);
  EXPECT_GT(mesh.largest_error, 1.0 / 32);
  const double span = 3840.0 / 712 * 178 / 100;  // camera pixels of one panorama pixel, about
  EXPECT_LE(sampled_error(rig, mesh, 4, 100000), 1.3 * span / 32);
}

TEST(StitchMesh, KeepsItsPromises) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    const Rig rig = test::random_rig(seed, seed % 4 + 1);
    const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::black);
    std::vector<test::PictureSize> sizes(rig.cameras.size(), {640, 360});
    test::expect_sound(mesh, sizes);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

// What the header tells kernels: all of the cells around a node with a weight are in the picture.
TEST(StitchMesh, ANodeCountsOnlyWhereAllCellsAroundItAreSeen) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    const Rig rig = test::random_rig(seed, seed % 4 + 1);
    const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::black);
    for (std::size_t c = 0; c < rig.cameras.size(); ++c)
      for (int j = 0; j < mesh.rows; ++j)
        for (int i = 0; i < mesh.columns; ++i) {
          if (mesh.cameras[c].nodes[static_cast<std::size_t>(j) * mesh.columns + i].weight <= 0)
            continue;
          for (int v = std::max(j - 1, 0); v <= std::min(j + 1, mesh.rows - 1); ++v)
            for (int u = std::max(i - 1, 0); u <= std::min(i + 1, mesh.columns - 1); ++u) {
              const auto p = exact(rig, c, u * mesh.step, v * mesh.step);
              ASSERT_TRUE(p && p->x >= 1.12 && p->y >= 1.12 && p->x <= 637.88 && p->y <= 357.88);
              const MeshNode& n =
                  mesh.cameras[c].nodes[static_cast<std::size_t>(v) * mesh.columns + u];
              ASSERT_NEAR(n.x, p->x, 1e-4);
              ASSERT_NEAR(n.y, p->y, 1e-4);
            }
        }
  }
}

// Two equal cameras meet in the middle and cross over within the feather.
TEST(StitchMesh, SeamLiesInTheMiddleAndIsAsWideAsTheFeather) {
  Rig rig = test::parity_rig(3560, 900, 1920, 1080);
  for (RigCamera& camera : rig.cameras) camera.lens.cx = 959.5;
  for (const double feather : {0.0, 2.0, 4.0, 8.0}) {
    rig.feather = feather * kDegree;
    const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::refuse);
    const double node = mesh.step * 178.0 / 3560;
    for (int y = 5; y < 900; y += 100) {
      double before = 1, blended = 0, crossing = 0;
      for (int x = 0; x < 3560; ++x) {
        const double left = test::mesh_weight(mesh, 0, x, y);
        EXPECT_LE(left, before + 1e-6) << x;
        if (left >= 0.5) crossing = x + 0.5;
        before = left;
        blended += left > 0.001 && left < 0.999;
      }
      EXPECT_EQ(before, 0);
      EXPECT_NEAR(crossing, 1779.5, 0.75 * mesh.step);
      EXPECT_NEAR(blended * 178 / 3560, feather, 3.5 * node) << "feather " << feather;
    }
  }
}

TEST(StitchMesh, FeatherWiderThanTheOverlapStillEndsBeforeThePictures) {
  Rig rig = test::parity_rig(1780, 450, 960, 540);
  rig.feather = 60 * kDegree;
  const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::refuse);
  for (int y = 5; y < 450; y += 40) {
    double largest_change = 0;
    for (int x = 1; x < 1780; ++x)
      largest_change = std::max(largest_change, std::abs(test::mesh_weight(mesh, 0, x, y) -
                                                         test::mesh_weight(mesh, 0, x - 1, y)));
    EXPECT_LT(largest_change, 0.05);
    EXPECT_EQ(test::mesh_weight(mesh, 0, 1770, y), 0);
    EXPECT_EQ(test::mesh_weight(mesh, 1, 5, y), 0);
  }
}

TEST(StitchMesh, CoveredRowsAreThoseThatHaveNoHole) {
  Rig rig = test::parity_rig(890, 300, 640, 360);
  rig.panorama.pitch_top = 25 * kDegree;
  rig.panorama.pitch_bottom = -55 * kDegree;
  const StitchMesh mesh = make_stitch_mesh(rig, Uncovered::black);
  const auto sum = [&](int x, int y) {
    return test::mesh_weight(mesh, 0, x, y) + test::mesh_weight(mesh, 1, x, y);
  };
  for (int x = 0; x < 890; x += 3) {
    const int top = mesh.covered_top[x], bottom = mesh.covered_bottom[x];
    ASSERT_LT(top, bottom);
    for (int y = top; y < bottom; ++y) ASSERT_NEAR(sum(x, y), 1, 1e-6) << x << ", " << y;
    EXPECT_LT(sum(x, std::max(top - 2 * mesh.step, 0)), 1);
    EXPECT_LT(sum(x, std::min(bottom + 2 * mesh.step, 299)), 1);
  }
}

std::string refusal(const Rig& rig, Uncovered uncovered = Uncovered::refuse) {
  try {
    make_stitch_mesh(rig, uncovered);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return {};
}

TEST(StitchMesh, RefusesHolesAndNamesExtentsThatWork) {
  Rig rig = test::parity_rig(1780, 450, 960, 540);
  rig.panorama.pitch_top = 25 * kDegree;
  rig.panorama.pitch_bottom = -50 * kDegree;
  const std::string message = refusal(rig);
  EXPECT_EQ(refusal(rig, Uncovered::black), "");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(
      message, found,
      std::regex(
          "([0-9.]+) % of it .* extents are yaw (-?[0-9.]+) to (-?[0-9.]+), pitch (-?[0-9.]+) "
          "to (-?[0-9.]+) degrees.*uncovered = \"black\"")))
      << message;
  EXPECT_GT(std::stod(found[1]), 20);
  EXPECT_LT(std::stod(found[1]), 60);
  rig.panorama.yaw_left = std::stod(found[2]) * kDegree;
  rig.panorama.yaw_right = std::stod(found[3]) * kDegree;
  rig.panorama.pitch_bottom = std::stod(found[4]) * kDegree;
  rig.panorama.pitch_top = std::stod(found[5]) * kDegree;
  EXPECT_EQ(refusal(rig), "");
  EXPECT_GT(rig.panorama.pitch_top - rig.panorama.pitch_bottom, 38 * kDegree);
  EXPECT_GT(rig.panorama.yaw_right - rig.panorama.yaw_left, 165 * kDegree);
  rig.panorama.pitch_bottom -= 6 * kDegree;
  EXPECT_NE(refusal(rig), "");
}

TEST(StitchMesh, RefusesCamerasThatDoNotOverlapOrShowNothing) {
  const auto expect_message = [](const std::function<void(Rig&)>& change, const char* part) {
    Rig rig = test::parity_rig(1780, 450, 960, 540);
    change(rig);
    const std::string message = refusal(rig, Uncovered::black);
    EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
  };
  expect_message([](Rig& r) { r.cameras[1].mounting.yaw = 80 * kDegree; },
                 "cameras \"left\" and \"right\" do not overlap");
  expect_message([](Rig& r) { r.cameras[1].mounting.yaw = 178 * kDegree; },
                 "camera \"right\" shows nothing of the panorama: it looks at yaw 178.0");
  expect_message([](Rig& r) { r.cameras[0].lens.fx = r.cameras[0].lens.fy = 1e6; }, "\"left\"");
  expect_message(
      [](Rig& r) {
        r.cameras.push_back(r.cameras[0]);
        r.cameras[2].name = "inset";
        r.cameras[2].lens.fx = r.cameras[2].lens.fy = 3000;
      },
      "camera \"inset\" adds nothing");
  expect_message([](Rig& r) { r.panorama.width = 96, r.panorama.height = 48; }, "96×48");
  expect_message([](Rig& r) { r.cameras.clear(); }, "0 cameras");
}

}  // namespace
}  // namespace gantry
