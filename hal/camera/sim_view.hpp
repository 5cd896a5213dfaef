// Where the world's points fall in a simulated camera's picture.
//
// World: metres, x along the pitch, y towards its far side, z up, origin on the middle of the pitch.
// All cameras of the rig share one eye, on a mast; panorama yaw 0 looks along +y. Any thread; nothing
// allocates.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "hal/camera/rig.hpp"

namespace gantry {

struct SimPitch {
  static constexpr double half_length = 52.5, half_width = 34;  // to the outside of the lines
  static constexpr double goal_half_width = 3.66, goal_height = 2.44;
  static constexpr double board_far = 38.5, board_end = 57.5;  // advertising boards
};

// Where the cameras stand, metres.
struct SimMast {
  double height = 5;    // above the pitch
  double along = 0;     // the near touch line, from its middle
  double distance = 4;  // outside of it; negative: over the pitch or beyond
};

Vector3 sim_eye(const SimMast& mast);
// Between the world's and the panorama's frame; both are turned, not shifted.
Vector3 panorama_from_world(const Vector3& direction);
Vector3 world_from_panorama(const Vector3& direction);

class SimView {
 public:
  // A camera of the rig making pictures of `width` × `height`.
  SimView(const RigCamera& camera, int width, int height, const SimMast& mast);

  int width() const { return projection_.lens().width; }
  int height() const { return projection_.lens().height; }
  const Lens& lens() const { return projection_.lens(); }
  const Vector3& eye() const { return eye_; }

  // The pixel of a point; empty where the lens cannot see it. It may lie outside of the picture.
  std::optional<Pixel> project(const Vector3& point) const;
  // The world's direction (unit) of a pixel.
  std::optional<Vector3> direction(const Pixel& pixel) const;
  // Pixels per radian at a point of the world: the root of the area that the lens gives to a small
  // solid angle there. Empty where it cannot be seen.
  std::optional<double> scale(const Vector3& point) const;

 private:
  LensProjection projection_;
  Rotation rotation_;
  Vector3 eye_;
};

}  // namespace gantry
