// Films the LED board with a camera's time code, from a fixed view in which its place is known.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cmath>
#include <string>

#include "hal/camera/sim_time_code.hpp"
#include "tests/firmware/filming.hpp"

namespace gantry::test {

inline constexpr double kDegree = 3.14159265358979323846 / 180;

// Where a camera's LED board is in the picture of a fixed view.
struct BoardView {
  int width = 0, height = 0;
  CameraPose pose;
  std::array<Pixel, 4> corners;
};

inline BoardView look_at_board(const Rig& rig, std::size_t camera, int width, int height) {
  const auto corners = board_corners(rig, camera);
  BoardView view{width, height, {}, {}};
  for (const auto& c : corners) {
    view.pose.yaw += yaw_of(c) / 4;
    view.pose.pitch += pitch_of(c) / 4;
  }
  view.pose.field_of_view = 40 * kDegree;
  const ViewLimits limits(rig.panorama, width, height);
  view.pose = limits.clamp(view.pose);
  const Rotation rotation = camera_from_panorama({view.pose.yaw, view.pose.pitch, 0});
  const double focal = width / 2.0 / std::tan(view.pose.field_of_view / 2);
  for (std::size_t i = 0; i < 4; ++i) {
    const Vector3 v = apply(rotation, corners[i]);
    view.corners[i] = {width / 2.0 - 0.5 + focal * v.x / v.z,
                       height / 2.0 - 0.5 + focal * v.y / v.z};
  }
  return view;
}

inline Rig demo_rig() {
  return read_rig_file(std::string(GANTRY_SOURCE_DIR) + "/firmware/config/rigs/demo.toml").rig;
}

// The demonstration's rig filmed with that view.
inline std::string board_text(const BoardView& view, const std::string& run_keys,
                              const std::string& more) {
  return demo_text(run_keys,
                   "[sim]\ntime_code = \"board\"\nseed = 7\n" +
                       fmt::format("[director]\nmode = \"fixed\"\nwidth = {}\nheight = "
                                   "{}\n[director.fixed]\nyaw = {}\npitch = {}\nfield_of_view = "
                                   "{}\n",
                                   view.width, view.height, view.pose.yaw / kDegree,
                                   view.pose.pitch / kDegree, view.pose.field_of_view / kDegree) +
                       more);
}

}  // namespace gantry::test
