// The stitch as its definition says: every pixel through the exact lens model, in double precision.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "pipeline/stitch_mesh.hpp"
#include "tests/pipeline/nv12_picture.hpp"

namespace gantry::test {

// A camera's weight at a panorama position, interpolated between the mesh's nodes.
inline double mesh_weight(const StitchMesh& mesh, std::size_t camera, double x, double y) {
  const double u = x / mesh.step, v = y / mesh.step;
  const int i = static_cast<int>(u), j = static_cast<int>(v);
  const MeshNode* a = &mesh.cameras[camera].nodes[static_cast<std::size_t>(j) * mesh.columns + i];
  const MeshNode* b = a + mesh.columns;
  const double s = u - i, t = v - j;
  return (1 - t) * ((1 - s) * a[0].weight + s * a[1].weight) +
         t * ((1 - s) * b[0].weight + s * b[1].weight);
}

// The cameras' pictures, in the order and sizes of the rig, as a panorama. What the weights lack to
// 1 is black (luma 16 in the limited range, 0 in the full one; chroma 128).
inline Nv12Picture reference_stitch(const Rig& rig, const StitchMesh& mesh,
                                    const std::vector<Nv12Picture>& pictures) {
  std::vector<LensProjection> lenses;
  std::vector<Rotation> rotations;
  for (const RigCamera& camera : rig.cameras) {
    lenses.emplace_back(camera.lens);
    rotations.push_back(camera_from_panorama(camera.mounting));
  }
  Nv12Picture out(rig.panorama.width, rig.panorama.height);
  for (int plane = 0; plane < 3; ++plane) {
    const double black = plane ? 128 : rig.range == ColourRange::limited ? 16 : 0;
    for (int j = 0; j < out.rows(plane); ++j)
      for (int i = 0; i < out.columns(plane); ++i) {
        const double x = luma_x(plane, i), y = luma_y(plane, j);
        const Vector3 direction = direction_of(rig.panorama.yaw_of(x), rig.panorama.pitch_of(y));
        double sum = 0, weights = 0;
        for (std::size_t c = 0; c < pictures.size(); ++c) {
          const double weight = mesh_weight(mesh, c, x, y);
          if (weight <= 0) continue;
          const auto pixel = lenses[c].project(apply(rotations[c], direction));
          if (!pixel) continue;
          weights += weight;
          sum += weight *
                 bilinear(pictures[c], plane, plane_x(plane, pixel->x), plane_y(plane, pixel->y));
        }
        out.at(plane, i, j) = rounded(sum + (1 - weights) * black);
      }
  }
  return out;
}

}  // namespace gantry::test
