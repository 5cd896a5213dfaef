// Cells of a stitch mesh: which are seen, which are covered, and the boxes around them.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/mesh_cells.hpp"

#include <algorithm>
#include <climits>

namespace gantry {
namespace {

void find_box(const StitchMesh& mesh, CameraMesh& camera) {
  int left = INT_MAX, top = INT_MAX, right = 0, bottom = 0;
  for (int j = 0; j + 1 < mesh.rows; ++j)
    for (int i = 0; i + 1 < mesh.columns; ++i) {
      if (!cell_has_weight(mesh, camera, i, j)) continue;
      left = std::min(left, i);
      right = std::max(right, i + 1);
      top = std::min(top, j);
      bottom = j + 1;
    }
  if (right == 0) left = top = 0;
  camera.left = left * mesh.step;
  camera.top = top * mesh.step;
  camera.right = right * mesh.step;
  camera.bottom = bottom * mesh.step;
}

struct Run {
  int begin = 0, end = 0;
};

Run longest_covered(const Flags& cells, int columns, int rows, int i) {
  Run best;
  int begin = 0;
  for (int j = 0; j <= rows; ++j) {
    if (j < rows && cells[static_cast<std::size_t>(j) * columns + i]) continue;
    if (j - begin > best.end - best.begin) best = {begin, j};
    begin = j + 1;
  }
  return best;
}

}  // namespace

StitchMesh make_mesh_grid(int panorama_width, int panorama_height, int step, std::size_t cameras) {
  StitchMesh mesh;
  mesh.step = step;
  mesh.columns = (panorama_width - 1) / step + 2;
  mesh.rows = (panorama_height - 1) / step + 2;
  mesh.panorama_width = panorama_width;
  mesh.panorama_height = panorama_height;
  mesh.cameras.resize(cameras);
  for (CameraMesh& camera : mesh.cameras)
    camera.nodes.resize(static_cast<std::size_t>(mesh.columns) * mesh.rows);
  return mesh;
}

Flags cells_with_all(const Flags& nodes, int columns, int rows) {
  Flags cells(static_cast<std::size_t>(columns - 1) * (rows - 1));
  for (int j = 0; j + 1 < rows; ++j) {
    const std::uint8_t* above = &nodes[static_cast<std::size_t>(j) * columns];
    const std::uint8_t* below = above + columns;
    std::uint8_t* out = &cells[static_cast<std::size_t>(j) * (columns - 1)];
    for (int i = 0; i + 1 < columns; ++i)
      out[i] = above[i] & above[i + 1] & below[i] & below[i + 1];
  }
  return cells;
}

Flags nodes_within(const Flags& cells, int columns, int rows) {
  Flags nodes(static_cast<std::size_t>(columns) * rows, 1);
  for (int j = 0; j + 1 < rows; ++j)
    for (int i = 0; i + 1 < columns; ++i) {
      if (cells[static_cast<std::size_t>(j) * (columns - 1) + i]) continue;
      std::uint8_t* above = &nodes[static_cast<std::size_t>(j) * columns + i];
      above[0] = above[1] = above[columns] = above[columns + 1] = 0;
    }
  return nodes;
}

bool keep_inside(double& x, double& y, int width, int height) {
  const double right = width - 1 - StitchMesh::kInset, bottom = height - 1 - StitchMesh::kInset;
  const double kept_x = std::clamp(x, StitchMesh::kInset, right);
  const double kept_y = std::clamp(y, StitchMesh::kInset, bottom);
  const bool inside = kept_x == x && kept_y == y;
  x = kept_x;
  y = kept_y;
  return inside;
}

bool cell_has_weight(const StitchMesh& mesh, const CameraMesh& camera, int i, int j) {
  const MeshNode* above = &camera.nodes[static_cast<std::size_t>(j) * mesh.columns + i];
  const MeshNode* below = above + mesh.columns;
  return above[0].weight > 0 || above[1].weight > 0 || below[0].weight > 0 || below[1].weight > 0;
}

Flags covered_cells(const StitchMesh& mesh) {
  Flags nodes(static_cast<std::size_t>(mesh.columns) * mesh.rows);
  for (const CameraMesh& camera : mesh.cameras)
    for (std::size_t n = 0; n < nodes.size(); ++n) nodes[n] |= camera.nodes[n].weight > 0;
  return cells_with_all(nodes, mesh.columns, mesh.rows);
}

void finish_mesh(StitchMesh& mesh) {
  for (CameraMesh& camera : mesh.cameras) find_box(mesh, camera);
  const Flags cells = covered_cells(mesh);
  mesh.covered_top.assign(mesh.panorama_width, 0);
  mesh.covered_bottom.assign(mesh.panorama_width, 0);
  for (int i = 0; i + 1 < mesh.columns; ++i) {
    const Run run = longest_covered(cells, mesh.columns - 1, mesh.rows - 1, i);
    for (int x = i * mesh.step; x < std::min((i + 1) * mesh.step, mesh.panorama_width); ++x) {
      mesh.covered_top[x] = run.begin * mesh.step;
      mesh.covered_bottom[x] = std::min(run.end * mesh.step, mesh.panorama_height);
    }
  }
}

}  // namespace gantry
