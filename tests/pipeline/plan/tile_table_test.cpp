// Tiles: what fits a convolution, and the table that `gantry tune` keeps.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/tile_table.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace gantry {
namespace {

// A step of a convolution as the compiler writes it: 6 images of 20 x 40, 16 fragments of channels.
Plan::Step convolution(bool pointwise) {
  Plan::Step s;
  s.family = "nn_tensor";
  s.kernel = "conv";
  s.options = std::string(pointwise ? " -DPOINTWISE" : "") + " -DGROUP=4 -DFUNCTION=4";
  s.arguments.resize(34);
  s.arguments[7].integer = 18;
  const int sizes[] = {6, 20, 40, 128, 16};
  for (std::size_t i = 0; i < 5; ++i) s.arguments[19 + i].integer = sizes[i];
  return s;
}

TEST(TensorTiles, EveryPossibleTileCoversTheOutput) {
  for (const bool pointwise : {false, true}) {
    Plan::Step step = convolution(pointwise);
    const auto work = tensor_work(step);
    ASSERT_TRUE(work);
    EXPECT_EQ(work->pointwise, pointwise);
    EXPECT_EQ(work->k_blocks, 18);
    const auto tiles = possible_tiles(*work);
    EXPECT_GT(tiles.size(), 4u);
    for (const TensorTile& t : tiles) {
      ASSERT_TRUE(fits(*work, t));
      cut(step, *work, t);
      std::int64_t groups[3];
      for (std::size_t d = 0; d < 3; ++d) {
        ASSERT_EQ(step.global[d] % step.local[d], 0u);
        groups[d] = static_cast<std::int64_t>(step.global[d] / step.local[d]);
      }
      const std::int64_t blocks = 16 / (t.channels * t.warps_n);
      const std::int64_t across = groups[0] / blocks * t.across * 16;
      if (pointwise) {
        EXPECT_GE(across * t.warps_m, 6 * 20 * 40);
      } else {
        EXPECT_GE(across, 40);
        EXPECT_GE(groups[1] * t.warps_m * t.down, 20);
        EXPECT_EQ(groups[2], 6);
      }
      EXPECT_EQ(own_options(step), convolution(pointwise).options);  // cut anew, not twice
    }
  }
  Plan::Step other = convolution(false);
  other.kernel = "attention";
  EXPECT_FALSE(tensor_work(other));
}

TEST(TileTable, KeepsTilesAndDistrustsItsFile) {
  const auto folder = std::filesystem::temp_directory_path() / "gantry-tile-table";
  std::filesystem::remove_all(folder);
  gpu::Device device({}, folder);
  const Plan::Step step = convolution(false);
  const auto work = *tensor_work(step);
  TileTable table(device);
  EXPECT_FALSE(table.has(step, work));
  EXPECT_EQ(table.tile(step, work), usual_tile(work));
  const TensorTile chosen{1, 2, 4, 2, 2, true};
  table.set(step, work, chosen);
  table.save();
  EXPECT_EQ(TileTable(device).tile(step, work), chosen);

  table.set(step, work, {4, 4, 16, 8, 8, false});  // more than a work-group holds
  table.save();
  EXPECT_EQ(TileTable(device).tile(step, work), usual_tile(work));
  std::ofstream(table.file()) << "no\n1 2\n-1 -1 -1 -1 -1 9 x\n\xff\xfe";
  EXPECT_EQ(TileTable(device).tile(step, work), usual_tile(work));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace gantry
