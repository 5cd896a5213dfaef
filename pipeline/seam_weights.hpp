// How much each camera counts at each node of the panorama: feathered seams between coverages.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "pipeline/mesh_cells.hpp"

namespace gantry {

struct NodeSpacing {
  double yaw = 0, pitch = 0;  // radians from node to node
};

// Sets the weights of the mesh from the nodes that each camera covers. Where a camera stops and
// another goes on is the line that a seam must keep away from; a camera's distance D to the nearest
// such line is compared pair by pair, (Dᵢ − Dⱼ) / min(feather, Dᵢ + Dⱼ), and passed through a
// smooth step: equal distances share equally, and at its line a camera counts nothing.
void set_seam_weights(StitchMesh& mesh, const std::vector<Flags>& covered, NodeSpacing spacing,
                      double feather);

}  // namespace gantry
