// What meshes from lenses and meshes from look-up tables have in common: cells, coverage, boxes.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/stitch_mesh.hpp"

namespace gantry {

// One flag per node or per cell, row-major; a plain byte, since vector<bool> is slow to walk.
using Flags = std::vector<std::uint8_t>;

// An empty mesh of that step: counts of nodes, and room for them in every camera.
StitchMesh make_mesh_grid(int panorama_width, int panorama_height, int step, std::size_t cameras);

// Cells, (columns − 1) × (rows − 1), of which all four nodes are set.
Flags cells_with_all(const Flags& nodes, int columns, int rows);
// Nodes of which all cells around them (four, fewer at the border) are set.
Flags nodes_within(const Flags& cells, int columns, int rows);

// Moves a position into the part of the picture in which every tap exists; true if it was there.
bool keep_inside(double& x, double& y, int width, int height);

// Whether any of the cell's four nodes has a weight.
bool cell_has_weight(const StitchMesh& mesh, const CameraMesh& camera, int i, int j);

// Cells whose every node is covered by the cameras.
Flags covered_cells(const StitchMesh& mesh);

// Fills the boxes and the covered rows from the weights.
void finish_mesh(StitchMesh& mesh);

}  // namespace gantry
