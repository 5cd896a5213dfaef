// Refuses rigs that leave holes, and says what would be covered.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "pipeline/mesh_cells.hpp"

namespace gantry {

// Throws std::runtime_error naming the cameras if one shows nothing, or if the coverages (nodes of
// each camera) do not hang together.
void require_overlaps(const Rig& rig, const StitchMesh& mesh, const std::vector<Flags>& covered);

// Throws std::runtime_error if a pixel of the panorama is uncovered, naming where and the largest
// rectangle of angles that is covered.
void require_cover(const PanoramaGeometry& panorama, const StitchMesh& mesh);

}  // namespace gantry
