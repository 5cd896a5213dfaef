// Look-up tables made from a known rig come back as its mesh; broken ones are refused by name.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/lut_import.hpp"

#include <cmath>
#include <fstream>
#include <limits>
#include <stdexcept>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/pipeline/lut_tables.hpp"
#include "tests/pipeline/mesh_checks.hpp"
#include "tests/pipeline/reference_stitch.hpp"
#include "tests/pipeline/test_rigs.hpp"

namespace gantry {
namespace {

constexpr int kWidth = 1424, kHeight = 366, kCameraWidth = 640, kCameraHeight = 360;

Rig lut_rig() {
  return test::parity_rig(kWidth, kHeight, kCameraWidth, kCameraHeight);
}

class LutFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("gantry_lut_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    test::write_lut_folder(folder_, test::tables_of(lut_rig()));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::vector<float>& values) {
    test::write_floats(folder_ / name, values);
  }
  std::string refusal(int width = kWidth, int height = kHeight) {
    try {
      read_lut_folder(folder_, width, height);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return {};
  }
  std::filesystem::path folder_;
};

TEST_F(LutFolder, BecomesTheMeshOfTheRigItWasMadeFrom) {
  const Rig rig = lut_rig();
  const StitchMesh mesh =
      mesh_from_luts(read_lut_folder(folder_, kWidth, kHeight), kCameraWidth, kCameraHeight);
  test::expect_sound(mesh, {{kCameraWidth, kCameraHeight}, {kCameraWidth, kCameraHeight}});
  EXPECT_LE(mesh.largest_error, 1.0 / 32);
  EXPECT_GT(mesh.largest_error, 0);
  double both = 0, covered = 0;
  for (int y = 0; y < kHeight; y += 3)
    for (int x = 0; x < kWidth; x += 3) {
      const double left = test::mesh_weight(mesh, 0, x, y),
                   right = test::mesh_weight(mesh, 1, x, y);
      both += left > 0 && right > 0;
      covered += left + right > 0.999;
      const double ramp =
          std::clamp(0.5 - 0.5 * rig.panorama.yaw_of(x) / (3 * test::kDegree), 0.0, 1.0);
      if (left + right > 0.999) {
        EXPECT_NEAR(left, ramp, 0.25) << x << ", " << y;
      }
      if (left > 0.4 && left < 0.6) {
        EXPECT_NEAR(left, ramp, 0.01) << x << ", " << y;
      }
    }
  EXPECT_GT(covered, 0.97 * (kWidth / 3) * (kHeight / 3));
  EXPECT_NEAR(both / covered, 6.0 / 178, 0.01);  // the ramp
}

TEST_F(LutFolder, PositionsAreThoseOfTheRigTurnedTheRightWayUp) {
  const Rig rig = lut_rig();
  const StitchMesh mesh =
      mesh_from_luts(read_lut_folder(folder_, kWidth, kHeight), kCameraWidth, kCameraHeight);
  for (std::size_t c = 0; c < 2; ++c)
    for (int j = 0; j < mesh.rows - 1; ++j)
      for (int i = 0; i < mesh.columns - 1; ++i) {
        const MeshNode& node =
            mesh.cameras[c].nodes[static_cast<std::size_t>(j) * mesh.columns + i];
        if (node.weight <= 0) continue;
        const auto pixel =
            rig.cameras[c].lens.project(apply(camera_from_panorama(rig.cameras[c].mounting),
                                              direction_of(rig.panorama.yaw_of(i * mesh.step),
                                                           rig.panorama.pitch_of(j * mesh.step))));
        ASSERT_TRUE(pixel);
        ASSERT_NEAR(node.x, pixel->x, 1e-3);
        ASSERT_NEAR(node.y, pixel->y, 1e-3);
      }
}

TEST(LutImport, ReportsTheErrorWhereNoStepIsFineEnough) {
  LookUpTables luts = test::tables_of(lut_rig());
  for (std::size_t n = 0; n < luts.cameras[0].x.size(); n += 2) luts.cameras[0].x[n] += 0.5f;
  const StitchMesh mesh = mesh_from_luts(luts, kCameraWidth, kCameraHeight);
  EXPECT_EQ(mesh.step, 4);
  EXPECT_NEAR(mesh.largest_error, 0.5, 0.1);
}

TEST(LutImport, ValuesAreCleaned) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  std::vector<float> raw(16 * 16, 0.25f);
  raw[0] = nan;
  raw[1] = inf;
  raw[2] = -inf;
  raw[3] = -5000;
  raw[4] = 20000;
  raw[5] = 1.5f;
  const auto bytes = std::as_bytes(std::span(raw));
  const auto positions = decode_lut(bytes, 16, 16, LutKind::position, "a");
  const auto weights = decode_lut(bytes, 16, 16, LutKind::weight, "b");
  const float expected_positions[] = {0, 0, 0, -1000, 10000, 1.5f, 0.25f};
  const float expected_weights[] = {0, 0, 0, 0, 1, 1, 0.25f};
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(positions[i], expected_positions[i]) << i;
    EXPECT_EQ(weights[i], expected_weights[i]) << i;
  }
}

TEST_F(LutFolder, BrokenFilesAreNamedWithTheBytesThatAreRight) {
  EXPECT_EQ(refusal(), "");
  const std::string right = std::to_string(kWidth * kHeight * 4);
  const auto expect = [&](const char* name, const std::string& part) {
    const std::string message = refusal();
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find(right), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  write("weight_right.bin", std::vector<float>(kWidth * kHeight - 1));
  expect("weight_right.bin", std::to_string(kWidth * kHeight * 4 - 4) + " bytes");
  write("weight_right.bin", std::vector<float>(kWidth * kHeight + 1));
  expect("weight_right.bin", std::to_string(kWidth * kHeight * 4 + 4) + " bytes");
  std::filesystem::remove(folder_ / "lut_left_y.bin");
  expect("lut_left_y.bin", "cannot be read");
  std::filesystem::create_directory(folder_ / "lut_left_y.bin");
  expect("lut_left_y.bin", "cannot be read");
  EXPECT_NE(refusal(0, kHeight).find("0×"), std::string::npos);
  EXPECT_NE(refusal(kWidth, 100000).find("×100000"), std::string::npos);
}

TEST(LutImport, RefusesTablesInWhichACameraCountsNowhere) {
  LookUpTables luts = test::tables_of(lut_rig());
  std::fill(luts.cameras[1].weight.begin(), luts.cameras[1].weight.end(), 0.0009f);
  try {
    mesh_from_luts(luts, kCameraWidth, kCameraHeight);
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("the right camera counts nowhere"), std::string::npos);
  }
}

}  // namespace
}  // namespace gantry
