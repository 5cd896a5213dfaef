// The tables [[camera]] of gantry.toml.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/config_camera.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace gantry {
namespace {

void read_v4l2(TomlReader& t, V4l2CameraConfig& v) {
  v.device = t.text("device");
  v.input = static_cast<int>(t.integer("input", -1, 63, -1));
  const auto size = t.numbers("size", 0, 2, 2, 32768);
  if (size.size() == 1) t.fail("size", "must be [width, height]");
  if (size.size() == 2) v.width = static_cast<int>(size[0]), v.height = static_cast<int>(size[1]);
  v.frames_per_second = t.number("frames_per_second", 1, 240, 30);
  v.format = t.text("format", "auto");
  if (v.format != "auto" && v.format != "libv4l2" && v4l2::fourcc_of(v.format) == 0)
    t.fail("format", "must be \"auto\", \"libv4l2\" or the four characters of a pixel format");
  v.heap = t.text("heap", "auto");
  v.trust_rig = t.choice("colours", {"device", "rig"}, 0) == 1;
  v.time_offset_s = t.number("time_offset", -1, 1, 0);
  auto& c = v.controls;
  c.shutter_s = t.number("shutter", -1, 10, v4l2::kLeave);
  c.gain = t.number("gain", -1, 1e9, v4l2::kLeave);
  c.white_balance_k = t.number("white_balance", -1, 20'000, v4l2::kLeave);
  c.focus = t.number("focus", -1, 1e9, v4l2::kLeave);
  c.mains_hz = static_cast<int>(t.integer("mains_frequency", -1, 60, -1));
  if (c.mains_hz != -1 && c.mains_hz != 0 && c.mains_hz != 50 && c.mains_hz != 60)
    t.fail("mains_frequency", "must be 50, 60, 0 (off) or -1 (as it is)");
  constexpr v4l2::ControlsConfig::Role roles[] = {v4l2::ControlsConfig::Role::none,
                                                  v4l2::ControlsConfig::Role::master,
                                                  v4l2::ControlsConfig::Role::slave};
  c.role = roles[t.choice("synchronisation", {"none", "master", "slave"}, 0)];
  c.others = t.table("controls").all_integers();
}

}  // namespace

CameraConfig read_camera(TomlReader t) {
  CameraConfig camera;
  camera.name = t.text("name");
  constexpr CameraConfig::Source sources[] = {CameraConfig::Source::sim, CameraConfig::Source::file,
                                              CameraConfig::Source::v4l2};
  camera.source = sources[t.choice("source", {"sim", "file", "v4l2"})];
  if (camera.source == CameraConfig::Source::file) {
    camera.path = t.beside(t.text("path"));
    camera.loop = t.flag("loop", false);
  } else if (camera.source == CameraConfig::Source::v4l2) {
    read_v4l2(t, camera.v4l2);
    camera.exposure_of = t.text("exposure_of", "");
    const auto& own = camera.v4l2.controls;
    if (!camera.exposure_of.empty() && (own.shutter_s != v4l2::kLeave || own.gain != v4l2::kLeave ||
                                        own.white_balance_k != v4l2::kLeave))
      t.fail("exposure_of", "another camera decides: leave shutter, gain and white_balance out");
  } else {
    camera.sim_phase_s = t.number("phase", 0, 1, 0);
    camera.sim_exposure_stops = t.number("exposure", -4, 4, 0);
    camera.sim_drop_every = static_cast<int>(t.integer("drop_every", 0, 1'000'000, 0));
    camera.sim_unplug_after_s = t.number("unplug_after", 0, 1e6, 0);
    camera.sim_unplug_for_s = t.number("unplug_for", 0, 1e6, 5);
    camera.sim_hang_after_s = t.number("hang_after", 0, 1e6, 0);
  }
  t.finish();
  return camera;
}

void check_cameras(const TomlReader& t, const Config& c) {
  if (c.cameras.empty() || c.cameras.size() > Rig::kMostCameras)
    t.fail("camera", fmt::format("1 to {} tables [[camera]] are needed", Rig::kMostCameras));
  for (const auto& camera : c.cameras) {
    if (camera.source != CameraConfig::Source::v4l2) continue;
    if (c.pace == Pace::fast)
      t.fail("run.pace", "\"fast\" is for files; camera " + camera.name + " films by the clock");
    const auto decides = [&](const CameraConfig& other) {
      return other.name == camera.exposure_of && other.source == CameraConfig::Source::v4l2 &&
             other.exposure_of.empty();
    };
    if (!camera.exposure_of.empty() && std::ranges::none_of(c.cameras, decides))
      t.fail("camera.exposure_of",
             fmt::format("camera {}: \"{}\" is no v4l2 camera that decides for itself", camera.name,
                         camera.exposure_of));
  }
}

}  // namespace gantry
