// Checks of coverage and overlap, with messages in degrees.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/coverage_report.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace gantry {
namespace {

double degrees(double radians) {
  return radians * 180 / std::numbers::pi;
}

bool share_a_node(const Flags& a, const Flags& b) {
  for (std::size_t n = 0; n < a.size(); ++n)
    if (a[n] && b[n]) return true;
  return false;
}

double angle_between_axes(const Mounting& a, const Mounting& b) {
  const Vector3 p = direction_of(a.yaw, a.pitch), q = direction_of(b.yaw, b.pitch);
  return std::acos(std::clamp(p.x * q.x + p.y * q.y + p.z * q.z, -1.0, 1.0));
}

[[noreturn]] void refuse_camera(const Rig& rig, std::size_t c, bool sees_something) {
  const RigCamera& camera = rig.cameras[c];
  if (sees_something)
    throw std::runtime_error(
        fmt::format("camera \"{}\" adds nothing to the panorama: another camera shows all that it "
                    "sees; turn it away or leave it out",
                    camera.name));
  const PanoramaGeometry& p = rig.panorama;
  throw std::runtime_error(fmt::format(
      "camera \"{}\" shows nothing of the panorama: it looks at yaw {:.1f}, pitch {:.1f} degrees, "
      "the panorama shows yaw {:.1f} to {:.1f}, pitch {:.1f} to {:.1f}",
      camera.name, degrees(camera.mounting.yaw), degrees(camera.mounting.pitch),
      degrees(p.yaw_left), degrees(p.yaw_right), degrees(p.pitch_bottom), degrees(p.pitch_top)));
}

// Cameras that hang together with the first one, directly or through others.
Flags reachable(const std::vector<Flags>& covered) {
  Flags reached(covered.size());
  reached[0] = 1;
  for (std::size_t round = 1; round < covered.size(); ++round)
    for (std::size_t a = 0; a < covered.size(); ++a)
      for (std::size_t b = 0; b < covered.size(); ++b)
        if (reached[a] && !reached[b]) reached[b] = share_a_node(covered[a], covered[b]);
  return reached;
}

// Cells [left, right) × [top, bottom).
struct Rectangle {
  int left = 0, top = 0, right = 0, bottom = 0;
  long area() const { return static_cast<long>(right - left) * (bottom - top); }
};

// The largest rectangle of set cells: columns of set cells above each row, widened to both sides.
Rectangle largest_rectangle(const Flags& cells, int columns, int rows) {
  Rectangle best;
  std::vector<int> height(columns + 1, 0), open;
  for (int j = 0; j < rows; ++j) {
    for (int i = 0; i < columns; ++i)
      height[i] = cells[static_cast<std::size_t>(j) * columns + i] ? height[i] + 1 : 0;
    open.clear();
    for (int i = 0; i <= columns; ++i) {
      while (!open.empty() && height[open.back()] >= height[i]) {
        const int tall = height[open.back()];
        open.pop_back();
        const Rectangle r{open.empty() ? 0 : open.back() + 1, j + 1 - tall, i, j + 1};
        if (r.area() > best.area()) best = r;
      }
      open.push_back(i);
    }
  }
  return best;
}

// Hundredths of a degree, rounded towards `inside`, so that the advice can be taken as printed.
double rounded(double radians, double inside) {
  const double hundredths = degrees(radians) * 100;
  return (inside > radians ? std::ceil(hundredths - 1e-6) : std::floor(hundredths + 1e-6)) / 100;
}

std::string advice(const PanoramaGeometry& p, const StitchMesh& mesh, const Flags& cells) {
  const Rectangle r = largest_rectangle(cells, mesh.columns - 1, mesh.rows - 1);
  if (r.area() == 0) return "no part of it is covered";
  const double yaw_step = (p.yaw_right - p.yaw_left) / p.width * mesh.step;
  const double pitch_step = (p.pitch_bottom - p.pitch_top) / p.height * mesh.step;
  const double left = p.yaw_left + r.left * yaw_step;
  const double right = std::min(p.yaw_left + r.right * yaw_step, p.yaw_right);
  const double top = p.pitch_top + r.top * pitch_step;
  const double bottom = std::max(p.pitch_top + r.bottom * pitch_step, p.pitch_bottom);
  const double yaw = 0.5 * (left + right), pitch = 0.5 * (top + bottom);
  return fmt::format(
      "the largest covered extents are yaw {:.2f} to {:.2f}, pitch {:.2f} to {:.2f} degrees; set "
      "these, or uncovered = \"black\"",
      rounded(left, yaw), rounded(right, yaw), rounded(bottom, pitch), rounded(top, pitch));
}

}  // namespace

void require_overlaps(const Rig& rig, const StitchMesh& mesh, const std::vector<Flags>& covered) {
  for (std::size_t c = 0; c < covered.size(); ++c)
    if (mesh.cameras[c].right == 0)
      refuse_camera(rig, c, std::find(covered[c].begin(), covered[c].end(), 1) != covered[c].end());
  const Flags reached = reachable(covered);
  for (std::size_t c = 0; c < covered.size(); ++c) {
    if (reached[c]) continue;
    throw std::runtime_error(fmt::format(
        "cameras \"{}\" and \"{}\" do not overlap in the panorama: their axes are {:.1f} degrees "
        "apart, more than their lenses span; turn them towards each other",
        rig.cameras[0].name, rig.cameras[c].name,
        degrees(angle_between_axes(rig.cameras[0].mounting, rig.cameras[c].mounting))));
  }
}

void require_cover(const PanoramaGeometry& panorama, const StitchMesh& mesh) {
  const Flags cells = covered_cells(mesh);
  const auto hole = std::find(cells.begin(), cells.end(), 0);
  if (hole == cells.end()) return;
  const auto holes = std::count(cells.begin(), cells.end(), 0);
  const auto first = hole - cells.begin();
  const double x = (static_cast<double>(first % (mesh.columns - 1)) + 0.5) * mesh.step;
  const double y = (static_cast<double>(first / (mesh.columns - 1)) + 0.5) * mesh.step;
  throw std::runtime_error(fmt::format(
      "panorama: {:.1f} % of it are seen by no camera, first at yaw {:.1f}, pitch {:.1f} degrees; "
      "{}",
      100.0 * static_cast<double>(holes) / static_cast<double>(cells.size()),
      degrees(panorama.yaw_of(x)), degrees(panorama.pitch_of(y)), advice(panorama, mesh, cells)));
}

}  // namespace gantry
