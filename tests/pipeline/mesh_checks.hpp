// What every stitch mesh promises, wherever it came from.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "pipeline/stitch_mesh.hpp"

namespace gantry::test {

struct PictureSize {
  int width = 0, height = 0;
};

inline void expect_box_is_tight(const StitchMesh& mesh, const CameraMesh& camera) {
  int left = 1 << 30, top = 1 << 30, right = -1, bottom = -1;
  for (int j = 0; j < mesh.rows; ++j)
    for (int i = 0; i < mesh.columns; ++i) {
      if (camera.nodes[static_cast<std::size_t>(j) * mesh.columns + i].weight <= 0) continue;
      left = std::min(left, std::max(i - 1, 0));
      top = std::min(top, std::max(j - 1, 0));
      right = std::max(right, std::min(i + 1, mesh.columns - 1));
      bottom = std::max(bottom, std::min(j + 1, mesh.rows - 1));
    }
  if (right < 0) left = top = right = bottom = 0;
  EXPECT_EQ(camera.left, left * mesh.step);
  EXPECT_EQ(camera.top, top * mesh.step);
  EXPECT_EQ(camera.right, right * mesh.step);
  EXPECT_EQ(camera.bottom, bottom * mesh.step);
}

inline void expect_sound(const StitchMesh& mesh, const std::vector<PictureSize>& sizes) {
  ASSERT_TRUE(mesh.step == 16 || mesh.step == 8 || mesh.step == 4);
  ASSERT_EQ(mesh.columns, (mesh.panorama_width - 1) / mesh.step + 2);
  ASSERT_EQ(mesh.rows, (mesh.panorama_height - 1) / mesh.step + 2);
  ASSERT_EQ(mesh.cameras.size(), sizes.size());
  const std::size_t count = static_cast<std::size_t>(mesh.columns) * mesh.rows;
  std::vector<double> sums(count);
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    ASSERT_EQ(mesh.cameras[c].nodes.size(), count);
    for (std::size_t n = 0; n < count; ++n) {
      const MeshNode& node = mesh.cameras[c].nodes[n];
      ASSERT_TRUE(node.x >= 1.125f && node.x <= static_cast<float>(sizes[c].width) - 2.125f);
      ASSERT_TRUE(node.y >= 1.125f && node.y <= static_cast<float>(sizes[c].height) - 2.125f);
      ASSERT_TRUE(node.weight >= 0 && node.weight <= 1);
      sums[n] += node.weight;
    }
    expect_box_is_tight(mesh, mesh.cameras[c]);
  }
  for (const double sum : sums) ASSERT_TRUE(sum == 0 || std::abs(sum - 1) < 1e-6) << sum;
  ASSERT_EQ(mesh.covered_top.size(), static_cast<std::size_t>(mesh.panorama_width));
  ASSERT_EQ(mesh.covered_bottom.size(), static_cast<std::size_t>(mesh.panorama_width));
  for (int x = 0; x < mesh.panorama_width; ++x) {
    ASSERT_GE(mesh.covered_top[x], 0);
    ASSERT_LE(mesh.covered_top[x], mesh.covered_bottom[x]);
    ASSERT_LE(mesh.covered_bottom[x], mesh.panorama_height);
  }
}

}  // namespace gantry::test
