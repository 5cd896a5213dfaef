// The no-black limits: closed form for the panorama's extents, the view's border for its coverage.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/view_limits.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr int kSteps = 40;        // of a bisection: far below what a double of an angle shows
constexpr int kEdgePoints = 32;   // along an edge of the view, when the coverage is not a rectangle
constexpr int kMarginPixels = 4;  // the view's filter and the edge between those points
constexpr double kUpright = 1.535;  // 88°: a view must not reach the zenith

double degrees(double radians) {
  return radians * 180 / 3.14159265358979323846;
}

// The last t of 0 … 1 for which `holds`, given that it holds at 0 and up to somewhere.
template <typename Holds>
double last_of(Holds&& holds) {
  if (holds(1.0)) return 1;
  double low = 0, high = 1;
  for (int i = 0; i < kSteps; ++i) {
    const double middle = (low + high) / 2;
    (holds(middle) ? low : high) = middle;
  }
  return low;
}

double finite_or(double value, double otherwise) {
  return std::isfinite(value) ? value : otherwise;
}

}  // namespace

ViewDirection view_direction(const CameraPose& pose, double x, double y) {
  const double t = std::tan(pose.field_of_view / 2), c = std::cos(pose.pitch),
               s = std::sin(pose.pitch);
  const double along = x * t, a = y * t * c - s, b = c + y * t * s;
  return {std::atan2(along, b), std::atan2(-a, std::hypot(along, b))};
}

ViewLimits::ViewLimits(const PanoramaGeometry& p, int width, int height,
                       const std::vector<int>& covered_top, const std::vector<int>& covered_bottom)
    : aspect_(static_cast<double>(height) / width),
      left_(p.yaw_left),
      right_(p.yaw_right),
      top_(p.pitch_top),
      bottom_(p.pitch_bottom) {
  if (!covered_top.empty()) reduce_coverage(p, covered_top, covered_bottom);
  find_home();
}

// Per bin of columns, and with its neighbours, what every column covers: between two points that
// are looked at nothing then sticks out.
void ViewLimits::reduce_coverage(const PanoramaGeometry& p, const std::vector<int>& top,
                                 const std::vector<int>& bottom) {
  if (top.size() != static_cast<std::size_t>(p.width) || bottom.size() != top.size())
    throw std::invalid_argument(fmt::format("coverage of {} and {} columns for a panorama of {}",
                                            top.size(), bottom.size(), p.width));
  const auto full = [&](std::size_t i) { return top[i] <= 0 && bottom[i] >= p.height; };
  for (std::size_t i = 0; i < top.size(); ++i) partly_covered_ = partly_covered_ || !full(i);
  for (int bin = 0; bin < kBins; ++bin) {
    const int first = std::max(0, (bin - 1) * p.width / kBins);
    const int end = std::min(p.width, (bin + 2) * p.width / kBins + 1);
    int highest = 0, lowest = p.height;
    for (int i = first; i < end; ++i) {
      highest = std::max(highest, top[i] > 0 ? top[i] + kMarginPixels : 0);
      lowest = std::min(lowest, bottom[i] < p.height ? bottom[i] - kMarginPixels : p.height);
    }
    highest_[bin] = static_cast<float>(p.pitch_of(highest - 0.5));
    lowest_[bin] = static_cast<float>(p.pitch_of(lowest - 0.5));
  }
}

bool ViewLimits::inside_extents(const CameraPose& pose) const noexcept {
  const double up = std::atan(std::tan(pose.field_of_view / 2) * aspect_);
  if (std::abs(pose.pitch) + up > kUpright) return false;
  const ViewDirection upper_corner = view_direction(pose, 1, -aspect_),
                      lower_corner = view_direction(pose, 1, aspect_);
  const double reach = std::max(upper_corner.yaw, lower_corner.yaw);
  const double highest = pose.pitch + up >= 0 ? pose.pitch + up : upper_corner.pitch;
  const double lowest = pose.pitch - up <= 0 ? pose.pitch - up : lower_corner.pitch;
  return pose.yaw - reach >= left_ && pose.yaw + reach <= right_ && highest <= top_ &&
         lowest >= bottom_;
}

bool ViewLimits::covered(double yaw, double pitch) const noexcept {
  const auto bin = static_cast<int>((yaw - left_) / (right_ - left_) * kBins);
  const auto i = static_cast<std::size_t>(std::clamp(bin, 0, kBins - 1));
  return pitch <= highest_[i] && pitch >= lowest_[i];
}

// A column of the panorama meets the view's border at the top and bottom of what the view shows of
// it.
bool ViewLimits::inside_coverage(const CameraPose& pose) const noexcept {
  for (int i = 0; i <= kEdgePoints; ++i) {
    const double along = 2.0 * i / kEdgePoints - 1;
    for (const auto& [x, y] : {std::pair{along, -aspect_}, std::pair{along, aspect_},
                               std::pair{-1.0, along * aspect_}, std::pair{1.0, along * aspect_}}) {
      const ViewDirection d = view_direction(pose, x, y);
      if (!covered(pose.yaw + d.yaw, d.pitch)) return false;
    }
  }
  return true;
}

bool ViewLimits::fits(const CameraPose& pose) const noexcept {
  return inside_extents(pose) && (!partly_covered_ || inside_coverage(pose));
}

// The widest view of a grid of directions, half a degree apart at most.
void ViewLimits::find_home() {
  constexpr int kColumns = 64, kRows = 64;
  const double yaw = (left_ + right_) / 2, pitch = (top_ + bottom_) / 2;
  home_ = {yaw, pitch, 0};
  for (int j = 0; j <= kRows; ++j)
    for (int i = 0; i <= kColumns; ++i) {
      // From the centre outwards, so that equals stay with the centre.
      const double u = (i % 2 ? -1 : 1) * ((i + 1) / 2) / double(kColumns);
      const double v = (j % 2 ? -1 : 1) * ((j + 1) / 2) / double(kRows);
      const CameraPose at{yaw + u * (right_ - left_), pitch + v * (top_ - bottom_), kNarrowestView};
      if (!fits({at.yaw, at.pitch, std::max(kNarrowestView, home_.field_of_view + 1e-4)})) continue;
      home_ = {at.yaw, at.pitch, widest_at(at.yaw, at.pitch)};
      if (home_.field_of_view == kWidestView) return;
    }
  if (home_.field_of_view == 0)
    throw std::invalid_argument(fmt::format(
        "the panorama ({:.1f}° by {:.1f}°) is too small for a view of {:.0f}°; cover more, or "
        "choose a view that is less {}",
        degrees(right_ - left_), degrees(top_ - bottom_), degrees(kNarrowestView),
        aspect_ > 1 ? "tall" : "wide"));
}

double ViewLimits::widest_at(double yaw, double pitch) const noexcept {
  const double t = last_of([&](double s) {
    return fits({yaw, pitch, kNarrowestView + s * (kWidestView - kNarrowestView)});
  });
  return kNarrowestView + t * (kWidestView - kNarrowestView);
}

CameraPose ViewLimits::clamp(const CameraPose& pose) const noexcept {
  CameraPose p;
  p.yaw = finite_or(pose.yaw, home_.yaw);
  p.pitch = finite_or(pose.pitch, home_.pitch);
  p.field_of_view = std::clamp(finite_or(pose.field_of_view, home_.field_of_view), kNarrowestView,
                               home_.field_of_view);
  if (fits(p)) return p;
  const double tilt = p.pitch - home_.pitch, turn = p.yaw - home_.yaw;
  p.pitch = home_.pitch + tilt * last_of([&](double s) {
                            return fits({home_.yaw, home_.pitch + s * tilt, p.field_of_view});
                          });
  p.yaw = home_.yaw + turn * last_of([&](double s) {
                        return fits({home_.yaw + s * turn, p.pitch, p.field_of_view});
                      });
  return p;
}

}  // namespace gantry
