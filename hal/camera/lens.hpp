// Lens models: from a direction in the camera's frame to a pixel, and back.
//
// Camera frame: x right, y down, z along the optical axis (OpenCV's convention). Pixels: the centre
// of the first pixel is (0, 0), as in OpenCV's calibrateCamera.
//   pinhole  Brown–Conrady, up to the rational model: k1 k2 p1 p2 k3 k4 k5 k6 (OpenCV calib3d,
//            "Detailed Description"; Brown 1971, Claus and Fitzgibbon 2005 for the rational form)
//   fisheye  Kannala–Brandt with four coefficients, "KB4" (Kannala and Brandt 2006, eq. 6;
//            cv::fisheye): r = θ(1 + k1θ² + k2θ⁴ + k3θ⁶ + k4θ⁸)
// Any thread; nothing allocates or throws.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <optional>

namespace gantry {

struct Vector3 {
  double x = 0, y = 0, z = 0;
};
struct Pixel {
  double x = 0, y = 0;
};

struct Lens {
  enum class Model { pinhole, fisheye };
  Model model = Model::pinhole;
  int width = 0, height = 0;              // the image size that the numbers below belong to
  double fx = 0, fy = 0, cx = 0, cy = 0;  // pixels
  std::array<double, 8> distortion{};     // pinhole: k1 k2 p1 p2 k3 k4 k5 k6; fisheye: k1…k4

  // As LensProjection below, which is the one to make once and keep where many points are asked.
  std::optional<Pixel> project(const Vector3& direction) const;
  std::optional<Vector3> unproject(const Pixel& pixel) const;
  // The largest angle from the axis, radians, up to which project() grows monotonically (radially;
  // tangential terms left out). At most 89.9° for a pinhole and 180° for a fisheye.
  double largest_angle() const;
  // The same lens for pictures of another size of the same field of view.
  Lens scaled_to(int new_width, int new_height) const;
};

// A lens with the limits of its polynomial worked out (some microseconds).
class LensProjection {
 public:
  explicit LensProjection(const Lens& lens);

  const Lens& lens() const { return lens_; }
  double largest_angle() const { return largest_angle_; }

  // Pixel of a direction (any length); empty where the lens cannot see it: behind it, or beyond
  // the angle where the polynomial stops growing (there images fold over). The pixel may lie
  // outside of the picture.
  std::optional<Pixel> project(const Vector3& direction) const;
  // Unit direction of a pixel, by Newton iteration to 1e-10; empty where none projects there.
  std::optional<Vector3> unproject(const Pixel& pixel) const;

 private:
  std::optional<Vector3> unproject_pinhole(double x, double y) const;
  std::optional<Vector3> unproject_fisheye(double x, double y) const;
  double radius_limit_squared() const { return radius_limit_ * radius_limit_; }

  Lens lens_;
  double largest_angle_ = 0;
  double radius_limit_ = 0;  // tangent of the largest angle (pinhole), or the angle (fisheye)
  double image_limit_ = 0;   // the image radius there, in focal lengths
};

}  // namespace gantry
