// World points to pixels, by way of the rig.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_view.hpp"

#include <cmath>

namespace gantry {

Vector3 sim_eye(const SimMast& mast) {
  return {mast.along, -SimPitch::half_width - mast.distance, mast.height};
}
Vector3 panorama_from_world(const Vector3& d) {
  return {d.x, -d.z, d.y};
}
Vector3 world_from_panorama(const Vector3& d) {
  return {d.x, d.z, -d.y};
}

SimView::SimView(const RigCamera& camera, int width, int height, const SimMast& mast)
    : projection_(camera.lens.scaled_to(width, height)),
      rotation_(camera_from_panorama(camera.mounting)),
      eye_(sim_eye(mast)) {}

std::optional<Pixel> SimView::project(const Vector3& p) const {
  const Vector3 d{p.x - eye_.x, p.y - eye_.y, p.z - eye_.z};
  return projection_.project(apply(rotation_, panorama_from_world(d)));
}

std::optional<Vector3> SimView::direction(const Pixel& pixel) const {
  const auto d = projection_.unproject(pixel);
  if (!d) return std::nullopt;
  return world_from_panorama(apply_inverse(rotation_, *d));
}

std::optional<double> SimView::scale(const Vector3& p) const {
  const Vector3 d =
      apply(rotation_, panorama_from_world({p.x - eye_.x, p.y - eye_.y, p.z - eye_.z}));
  const double length = std::sqrt(d.x * d.x + d.y * d.y + d.z * d.z);
  // Two directions at right angles to the ray and to each other.
  const bool steep = std::abs(d.y) > 0.9 * length;
  Vector3 a = steep ? Vector3{0, d.z, -d.y} : Vector3{d.z, 0, -d.x};
  const double n = std::sqrt(a.x * a.x + a.y * a.y + a.z * a.z);
  a = {a.x / n, a.y / n, a.z / n};
  const Vector3 b{(d.y * a.z - d.z * a.y) / length, (d.z * a.x - d.x * a.z) / length,
                  (d.x * a.y - d.y * a.x) / length};
  constexpr double kSmall = 1e-4;  // radians
  const double e = kSmall * length;
  const auto at = projection_.project(d);
  const auto right = projection_.project({d.x + e * a.x, d.y + e * a.y, d.z + e * a.z});
  const auto down = projection_.project({d.x + e * b.x, d.y + e * b.y, d.z + e * b.z});
  if (!at || !right || !down) return std::nullopt;
  const double area =
      (right->x - at->x) * (down->y - at->y) - (right->y - at->y) * (down->x - at->x);
  return std::sqrt(std::abs(area)) / kSmall;
}

}  // namespace gantry
