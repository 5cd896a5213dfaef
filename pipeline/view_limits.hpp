// Where the virtual camera may look without showing what the panorama does not cover.
//
// A view of horizontal field of view F and aspect w : h, tilted by p, shows the rays (x, y, 1) with
// |x| ≤ tan(F/2), |y| ≤ tan(F/2) h/w. With b = cos p + y sin p and a = y cos p - sin p such a ray
// has the yaw atan2(x, b) from the view's own and the pitch atan(-a / sqrt(x² + b²)); a straight
// edge of the view is reached farthest at its ends or at x = 0, which is what the limits are made
// of.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <vector>

#include "pipeline/frames.hpp"
#include "pipeline/stitch_mesh.hpp"

namespace gantry {

inline constexpr double kNarrowestView = 20 * 3.14159265358979323846 / 180;  // horizontal, radians
inline constexpr double kWidestView = 100 * 3.14159265358979323846 / 180;

// A direction of a view, relative to the yaw of the view's centre; radians.
struct ViewDirection {
  double yaw = 0, pitch = 0;
};
// Of the point (x, y) of a view: -1 … 1 over its width, -aspect … aspect downwards over its height,
// with `aspect` = height / width. The pose's yaw is not looked at.
ViewDirection view_direction(const CameraPose& pose, double x, double y);

class ViewLimits {
 public:
  // Set-up. `width`, `height`: of the view, any unit. `covered_top`, `covered_bottom`: of each
  // panorama column, as in StitchMesh; both empty where all of the panorama is covered. Throws
  // std::invalid_argument if no view of kNarrowestView fits.
  ViewLimits(const PanoramaGeometry& panorama, int width, int height,
             const std::vector<int>& covered_top = {}, const std::vector<int>& covered_bottom = {});

  // Any thread, no allocation. ---

  // True if every point of the view lies on covered panorama.
  bool fits(const CameraPose& pose) const noexcept;
  // A pose that fits, the same where `pose` fits already and continuous in it: first the field of
  // view is narrowed to what fits at all, then the pitch moves towards that of home(), then the
  // yaw. Values that are not finite become those of home().
  CameraPose clamp(const CameraPose& pose) const noexcept;
  // The widest field of view that fits at this yaw and pitch; kNarrowestView where none does.
  double widest_at(double yaw, double pitch) const noexcept;
  // Where the widest view of all fits, and that view.
  const CameraPose& home() const noexcept { return home_; }
  double aspect() const noexcept { return aspect_; }

 private:
  static constexpr int kBins = 512;  // of the panorama's width
  bool inside_extents(const CameraPose& pose) const noexcept;
  bool inside_coverage(const CameraPose& pose) const noexcept;
  bool covered(double yaw, double pitch) const noexcept;
  void reduce_coverage(const PanoramaGeometry& panorama, const std::vector<int>& top,
                       const std::vector<int>& bottom);
  void find_home();

  double aspect_;  // height / width
  double left_, right_, top_, bottom_;
  bool partly_covered_ = false;
  std::array<float, kBins> highest_{}, lowest_{};  // pitch that is covered all over a bin
  CameraPose home_;
};

}  // namespace gantry
