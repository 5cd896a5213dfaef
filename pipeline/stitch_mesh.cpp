// Builds the coarse mesh from a rig: positions from the lenses, weights from the coverage.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitch_mesh.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "pipeline/coverage_report.hpp"
#include "pipeline/mesh_cells.hpp"
#include "pipeline/seam_weights.hpp"

namespace gantry {
namespace {

// Sines and cosines of the panorama's columns or rows, at nodes and half-way between them.
struct Angles {
  std::vector<double> sine, cosine;

  void add(double angle) {
    sine.push_back(std::sin(angle));
    cosine.push_back(std::cos(angle));
  }
};

// The positions in the cameras' pictures of half-steps of the panorama: 2i is node i.
class HalfSteps {
 public:
  HalfSteps(const Rig& rig, const StitchMesh& grid) {
    for (int i = 0; i < 2 * grid.columns; ++i) yaw_.add(rig.panorama.yaw_of(0.5 * i * grid.step));
    for (int j = 0; j < 2 * grid.rows; ++j) pitch_.add(rig.panorama.pitch_of(0.5 * j * grid.step));
  }
  Vector3 direction(int i, int j) const {
    return {yaw_.sine[i] * pitch_.cosine[j], -pitch_.sine[j], yaw_.cosine[i] * pitch_.cosine[j]};
  }

 private:
  Angles yaw_, pitch_;
};

// A camera ready to be asked where directions of the panorama lie in its picture.
struct View {
  LensProjection lens;
  Rotation rotation;

  explicit View(const RigCamera& camera)
      : lens(camera.lens), rotation(camera_from_panorama(camera.mounting)) {}
  std::optional<Pixel> project(const Vector3& direction) const {
    return lens.project(apply(rotation, direction));
  }
};

// Sets the positions of one camera's nodes; returns which nodes its picture wholly surrounds.
Flags place_nodes(const View& view, const HalfSteps& half, StitchMesh& mesh, CameraMesh& camera) {
  Flags seen(camera.nodes.size());
  const Lens& lens = view.lens.lens();
  for (int j = 0; j < mesh.rows; ++j)
    for (int i = 0; i < mesh.columns; ++i) {
      const std::size_t n = static_cast<std::size_t>(j) * mesh.columns + i;
      const auto pixel = view.project(half.direction(2 * i, 2 * j));
      double x = pixel ? pixel->x : 0, y = pixel ? pixel->y : 0;
      seen[n] = keep_inside(x, y, lens.width, lens.height) && pixel;
      camera.nodes[n] = {static_cast<float>(x), static_cast<float>(y), 0};
    }
  return nodes_within(cells_with_all(seen, mesh.columns, mesh.rows), mesh.columns, mesh.rows);
}

struct Errors {
  double pixels = 0;    // camera pixels
  double relative = 0;  // the same, in units of what one panorama pixel spans if that is larger
};

void add_error(Errors& errors, const View& view, const Vector3& direction, double x, double y,
               double span) {
  const auto pixel = view.project(direction);
  const double error = pixel ? std::hypot(pixel->x - x, pixel->y - y) : HUGE_VAL;
  errors.pixels = std::max(errors.pixels, error);
  errors.relative = std::max(errors.relative, error / std::max(1.0, span));
}

// Compares interpolated positions with the lens: in the middle of each cell, where the error of a
// bilinear patch is largest, and of two of its edges, in case the curvatures cancel there.
Errors interpolation_errors(const View& view, const HalfSteps& half, const StitchMesh& mesh,
                            const CameraMesh& camera, double enough) {
  Errors errors;
  for (int j = 0; j + 1 < mesh.rows; ++j)
    for (int i = 0; i + 1 < mesh.columns; ++i) {
      if (!cell_has_weight(mesh, camera, i, j)) continue;
      const MeshNode* a = &camera.nodes[static_cast<std::size_t>(j) * mesh.columns + i];
      const MeshNode *b = a + 1, *c = a + mesh.columns, *d = c + 1;
      const double along = std::hypot(b->x - a->x, b->y - a->y);
      const double across = std::hypot(c->x - a->x, c->y - a->y);
      const double span = std::min(along, across) / mesh.step;
      add_error(errors, view, half.direction(2 * i + 1, 2 * j), 0.5 * (a->x + b->x),
                0.5 * (a->y + b->y), span);
      add_error(errors, view, half.direction(2 * i, 2 * j + 1), 0.5 * (a->x + c->x),
                0.5 * (a->y + c->y), span);
      add_error(errors, view, half.direction(2 * i + 1, 2 * j + 1),
                0.25 * (a->x + b->x + c->x + d->x), 0.25 * (a->y + b->y + c->y + d->y), span);
      if (errors.pixels > enough) return errors;
    }
  return errors;
}

struct Attempt {
  StitchMesh mesh;
  std::vector<Flags> covered;
  Errors errors;
};

Attempt try_step(const Rig& rig, const std::vector<View>& views, int step, double enough) {
  const PanoramaGeometry& panorama = rig.panorama;
  Attempt attempt{make_mesh_grid(panorama.width, panorama.height, step, views.size()), {}, {}};
  StitchMesh& mesh = attempt.mesh;
  const HalfSteps half(rig, mesh);
  for (std::size_t c = 0; c < views.size(); ++c)
    attempt.covered.push_back(place_nodes(views[c], half, mesh, mesh.cameras[c]));
  const NodeSpacing spacing{
      std::abs(panorama.yaw_right - panorama.yaw_left) * step / panorama.width,
      std::abs(panorama.pitch_top - panorama.pitch_bottom) * step / panorama.height};
  set_seam_weights(mesh, attempt.covered, spacing, rig.feather);
  for (std::size_t c = 0; c < views.size() && attempt.errors.pixels <= enough; ++c) {
    const Errors e = interpolation_errors(views[c], half, mesh, mesh.cameras[c], enough);
    attempt.errors.pixels = std::max(attempt.errors.pixels, e.pixels);
    attempt.errors.relative = std::max(attempt.errors.relative, e.relative);
  }
  mesh.largest_error = attempt.errors.pixels;
  return attempt;
}

Attempt best_attempt(const Rig& rig, const std::vector<View>& views) {
  for (const int step : {16, 8}) {
    Attempt attempt = try_step(rig, views, step, StitchMesh::kInterpolation);
    if (attempt.errors.pixels <= StitchMesh::kInterpolation) return attempt;
  }
  Attempt attempt = try_step(rig, views, 4, HUGE_VAL);
  const double excess = attempt.errors.relative / StitchMesh::kInterpolation;
  if (excess <= 1) return attempt;
  throw std::runtime_error(fmt::format(
      "panorama: {}×{} pixels are too few for its angles (the mesh would be off by {:.2f} camera "
      "pixels); about {} pixels of width would do",
      rig.panorama.width, rig.panorama.height, attempt.errors.pixels,
      2 * static_cast<long>(std::ceil(std::min(excess, 1000.0) * rig.panorama.width / 2))));
}

}  // namespace

StitchMesh make_stitch_mesh(const Rig& rig, Uncovered uncovered) {
  if (rig.cameras.empty() || rig.cameras.size() > Rig::kMostCameras)
    throw std::runtime_error(
        fmt::format("rig: {} cameras; 1 to {} are right", rig.cameras.size(), Rig::kMostCameras));
  std::vector<View> views;
  for (const RigCamera& camera : rig.cameras) views.emplace_back(camera);
  Attempt attempt = best_attempt(rig, views);
  finish_mesh(attempt.mesh);
  require_overlaps(rig, attempt.mesh, attempt.covered);
  if (uncovered == Uncovered::refuse) require_cover(rig.panorama, attempt.mesh);
  return std::move(attempt.mesh);
}

}  // namespace gantry
