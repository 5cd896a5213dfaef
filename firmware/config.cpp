// The configuration's parser: one function per table of gantry.toml.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/config.hpp"

#include <cstdlib>
#include <fstream>
#include <numbers>

#include <fmt/format.h>

#include "firmware/config_camera.hpp"
#include "firmware/recordings.hpp"
#include "firmware/toml_reader.hpp"

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;

}  // namespace

std::filesystem::path default_program_cache() {
  if (const char* cache = std::getenv("CACHE_DIRECTORY")) return cache;  // set by systemd
  if (const char* cache = std::getenv("XDG_CACHE_HOME"))
    return std::filesystem::path(cache) / "gantry";
  if (const char* home = std::getenv("HOME")) return std::filesystem::path(home) / ".cache/gantry";
  return "/var/cache/gantry";
}

namespace {

void read_gpu(TomlReader t, Config& c) {
  constexpr gpu::Kind kinds[] = {gpu::Kind::any, gpu::Kind::cpu, gpu::Kind::gpu};
  c.gpu.kind = kinds[t.choice("device", {"any", "cpu", "gpu"}, 0)];
  c.gpu.name = t.text("name", "");
  c.gpu.allow_fallback = t.flag("allow_fallback", false);
  const auto cache = t.text("program_cache", "auto");
  c.program_cache = cache == "auto" ? default_program_cache() : t.beside(cache);
  t.finish();
}

void read_sim(TomlReader t, Config& c) {
  c.sim.seed = static_cast<std::uint64_t>(t.integer("seed", 0, INT64_MAX, 1));
  c.sim.frames_per_second = t.number("frames_per_second", 1, 240, 30);
  c.sim.mast_height_m = t.number("mast_height", 1, 50, 5);
  constexpr TimeCode codes[] = {TimeCode::none, TimeCode::band, TimeCode::board};
  c.sim.time_code = codes[t.choice("time_code", {"none", "band", "board"}, 0)];
  c.sim.random_look = t.choice("look", {"plain", "random"}, 0) == 1;
  t.finish();
}

void read_limits(TomlReader t, ClassLimits& limits, MergeLimits& merge) {
  constexpr double kAny = 100'000;
  limits.confidence = static_cast<float>(t.number("confidence", 0.001, 1, limits.confidence));
  const auto pair = [&](const char* key, float& low, float& high) {
    const auto values = t.numbers(key, 0, 2, 0, kAny);
    if (values.empty()) return;
    if (values.size() != 2 || values[0] > values[1]) t.fail(key, "must be [least, most]");
    low = static_cast<float>(values[0]);
    high = static_cast<float>(values[1]);
  };
  pair("width", limits.min_width, limits.max_width);
  pair("height", limits.min_height, limits.max_height);
  pair("aspect", limits.min_aspect, limits.max_aspect);
  merge.iou = static_cast<float>(t.number("overlap_iou", 0.01, 1, merge.iou));
  merge.ios = static_cast<float>(t.number("overlap_smaller", 0.01, 1, merge.ios));
  t.finish();
}

void read_tiles(TomlReader t, TileOptions& tiles, TileScheduleConfig& schedule) {
  constexpr TileLayout layouts[] = {TileLayout::spread, TileLayout::fit, TileLayout::reference};
  tiles.layout = layouts[t.choice("layout", {"spread", "fit", "reference"}, 0)];
  tiles.scale = t.number("scale", 1.0 / 16, 16, 1);
  tiles.overlap = t.number("overlap", 0, 2000, 0);
  schedule.most = static_cast<int>(t.integer("per_analysis", 0, 256, 0));
  schedule.seen_every_s = t.number("seen_every", 0.1, 60, 1);
  t.finish();
}

std::vector<ClassMapping> read_classes(TomlReader& t) {
  std::vector<ClassMapping> classes;
  TomlReader table = t.table("classes");
  constexpr std::pair<const char*, ObjectClass> kNames[] = {{"ball", ObjectClass::ball},
                                                            {"person", ObjectClass::person},
                                                            {"referee", ObjectClass::referee}};
  for (const auto& [name, object] : kNames)
    for (const double index : table.numbers(name, 0, 32, 0, 10'000))
      classes.push_back({static_cast<int>(index), object});
  table.finish();
  return classes;
}

void read_detector(TomlReader t, Config& c) {
  c.detect = t.flag("enabled", false);
  c.plan_file = t.beside(t.text("plan", ""));
  if (c.detect && c.plan_file.empty())
    t.fail("plan", "missing; a plan made by 'gantry compile' is needed");
  c.analyse_every = static_cast<int>(t.integer("every", 1, 1000, 1));
  try {
    c.detector.head = parse_head(t.text("head", "auto"));
  } catch (const std::invalid_argument& e) {
    t.fail("head", e.what());
  }
  for (const auto& [yaw, pitch] : t.points("mask"))
    c.detector.mask.push_back({yaw * kDegree, pitch * kDegree});
  if (const auto points = c.detector.mask.size(); points == 1 || points == 2)
    t.fail("mask", fmt::format("has {} points; a polygon needs three at least", points));
  c.detector.classes = read_classes(t);
  read_tiles(t.table("tiles"), c.detector.tiles, c.detector.schedule);
  constexpr std::pair<const char*, ObjectClass> kClasses[] = {{"ball", ObjectClass::ball},
                                                              {"person", ObjectClass::person},
                                                              {"referee", ObjectClass::referee}};
  for (const auto& [name, object] : kClasses)
    read_limits(t.table(name), c.detector.limits[static_cast<std::size_t>(object)],
                c.detector.merge[static_cast<std::size_t>(object)]);
  t.finish();
}

// A stream's address may name a file for its secret part, so that no key stands in a configuration.
std::string with_key(const TomlReader& t, std::string address,
                     const std::filesystem::path& key_file) {
  if (key_file.empty()) return address;
  std::ifstream in(key_file);
  std::string key;
  if (!std::getline(in, key) || key.empty())
    t.fail("key_file", key_file.string() + ": no key in its first line");
  return address + key;
}

void read_director(TomlReader t, Config& c) {
  auto& d = c.director;
  constexpr DirectorConfig::Kind kinds[] = {
      DirectorConfig::Kind::follow, DirectorConfig::Kind::sweep, DirectorConfig::Kind::fixed};
  d.kind = kinds[t.choice("mode", {"follow", "sweep", "fixed"})];
  c.view_width = static_cast<int>(t.integer("width", 64, 8192, 1920));
  c.view_height = static_cast<int>(t.integer("height", 64, 8192, 1080));
  const auto angle = [](TomlReader& table, const char* key, double low, double high,
                        double fallback) {
    return table.number(key, low, high, fallback / kDegree) * kDegree;
  };
  TomlReader fixed = t.table("fixed");
  d.fixed = {angle(fixed, "yaw", -180, 180, d.fixed.yaw),
             angle(fixed, "pitch", -90, 90, d.fixed.pitch),
             angle(fixed, "field_of_view", 20, 100, d.fixed.field_of_view)};
  fixed.finish();
  TomlReader sweep = t.table("sweep");
  d.sweep.pitch = angle(sweep, "pitch", -90, 90, d.sweep.pitch);
  d.sweep.field_of_view = angle(sweep, "field_of_view", 20, 100, d.sweep.field_of_view);
  d.sweep.speed = angle(sweep, "speed", 0.1, 180, d.sweep.speed);
  d.sweep.acceleration = angle(sweep, "acceleration", 0.1, 360, d.sweep.acceleration);
  sweep.finish();
  constexpr Preset presets[] = {Preset::broadcast, Preset::action, Preset::wide};
  const Preset preset = presets[t.choice("preset", {"broadcast", "action", "wide"}, 0)];
  d.follow = follow_preset(preset);
  d.motion = motion_preset(preset);
  TomlReader follow = t.table("follow");
  d.follow.narrow = angle(follow, "narrowest", 20, 100, d.follow.narrow);
  d.follow.wide = angle(follow, "widest", 20, 100, d.follow.wide);
  if (!follow.flag("zoom", true)) d.follow.narrow = d.follow.wide;
  d.follow.ball_confidence = follow.number("ball_confidence", 0, 1, d.follow.ball_confidence);
  d.follow.person_confidence = follow.number("person_confidence", 0, 1, d.follow.person_confidence);
  d.follow.ball_speed = follow.number("ball_speed", 1, 100, d.follow.ball_speed);
  d.follow.camera_height = follow.number("camera_height", 1, 100, d.follow.camera_height);
  d.follow.scene = follow.number("scene", 1, 200, d.follow.scene);
  d.follow.slack = follow.number("slack", 0, 0.5, d.follow.slack);
  d.follow.hold_s = follow.number("hold", 0, 20, d.follow.hold_s);
  d.follow.smoothing_s = follow.number("smoothing", 0.05, 5, d.follow.smoothing_s);
  follow.finish();
  TomlReader motion = t.table("motion");
  const auto axis = [&](const char* key, AxisLimits& limits) {
    TomlReader a = motion.table(key);
    limits.speed = angle(a, "speed", 0.1, 360, limits.speed);
    limits.acceleration = angle(a, "acceleration", 0.1, 720, limits.acceleration);
    limits.jerk = angle(a, "jerk", 0.1, 5000, limits.jerk);
    a.finish();
  };
  axis("yaw", d.motion.yaw);
  axis("pitch", d.motion.pitch);
  axis("field_of_view", d.motion.field_of_view);
  motion.finish();
  t.finish();
}

std::filesystem::path recording_path(const TomlReader& t, const Config& c,
                                     const std::string& path) {
  if (c.recordings_folder.empty()) return t.beside(path);
  try {
    return confined(c.recordings_folder, path);
  } catch (const std::runtime_error& e) {
    t.fail("path", e.what());
  }
}

void read_recordings(TomlReader t, Config& c) {
  c.recordings_folder = t.beside(t.text("folder", ""));
  c.recordings_keep_free_bytes =
      static_cast<std::int64_t>(t.number("keep_free_gigabytes", 0, 1e6, 2) * 1e9);
  c.recordings_protected = t.text("protected", ".keep");
  if (c.recordings_protected.size() < 2 || c.recordings_protected.find('/') != std::string::npos)
    t.fail("protected", "must be an ending such as .keep");
  t.finish();
}

OutputConfig read_output(TomlReader t, const Config& c) {
  OutputConfig o;
  constexpr OutputConfig::Kind kinds[] = {OutputConfig::Kind::view, OutputConfig::Kind::panorama,
                                          OutputConfig::Kind::debug};
  o.kind = kinds[t.choice("picture", {"view", "panorama", "debug"}, 0)];
  if (o.kind == OutputConfig::Kind::debug) {
    o.width = static_cast<int>(t.integer("width", 64, 8192, 1900));
    if (o.width % 2) t.fail("width", "must be even");
  }
  const auto path = t.text("path");
  const bool url = is_url(path);
  o.encoder.path = with_key(t, url ? path : recording_path(t, c, path).string(),
                            t.beside(t.text("key_file", "")));
  o.encoder.keep_existing = !c.recordings_folder.empty();
  o.shown_path = url ? path : o.encoder.path;
  o.slate = t.flag("slate", url);
  o.encoder.codec =
      t.choice("codec", {"h264", "hevc"}, 0) == 0 ? VideoCodec::h264 : VideoCodec::hevc;
  o.encoder.encoder = t.text("encoder", "auto");
  o.encoder.bits_per_second = static_cast<std::int64_t>(t.number("megabits", 0, 1000, 0) * 1e6);
  o.encoder.quality = static_cast<int>(t.integer("quality", 1, 51, 23));
  o.encoder.preset = t.text("preset", "veryfast");
  o.encoder.gop_s = t.number("key_frame_every", 0.1, 60, 2);
  o.encoder.threads = static_cast<int>(t.integer("threads", 1, 64, 1));
  t.finish();
  return o;
}

void read_display(TomlReader t, Config& c) {
  auto& d = c.display;
  d.screen.device = t.text("device", "none");
  d.on = d.screen.device != "none";
  d.null = d.screen.device == "null";
  d.screen.connector = t.text("connector", "auto");
  d.screen.mode = t.text("mode", "preferred");
  d.screen.layout = t.choice("layout", {"camera", "camera_and_panorama"}, 0) == 0
                        ? ScreenLayout::camera
                        : ScreenLayout::camera_and_panorama;
  d.required = t.flag("required", false);
  t.finish();
}

void read_overlay(TomlReader t, Config& c) {
  c.overlay_on_view = t.flag("view", false);
  t.finish();
}

void read_run(TomlReader t, Config& c) {
  c.pace = t.choice("pace", {"real_time", "fast"}, 0) == 0 ? Pace::real_time : Pace::fast;
  c.duration_s = t.number("duration", 0, 1e6, 0);
  c.delay_s = t.number("delay", 0, 60, 7);
  c.allow_missing_camera = t.flag("allow_missing_camera", true);
  c.lock_memory = t.flag("lock_memory", true);
  c.real_time_priority = static_cast<int>(t.integer("real_time_priority", 0, 90, 0));
  c.panorama_picture = t.beside(t.text("panorama_picture", ""));
  c.report_file = t.beside(t.text("report", ""));
  t.finish();
}

void read_control(TomlReader t, Config& c) {
  c.control_socket = t.beside(t.text("socket", ""));
  c.hand_back_s = t.number("hand_back", 0, 86'400, 20);
  t.finish();
}

void read_detection_log(TomlReader t, Config& c) {
  c.detection_log.json = t.beside(t.text("file", ""));
  c.detection_log.tsv = t.beside(t.text("tsv", ""));
  c.detection_log.file_bytes =
      static_cast<std::size_t>(t.number("megabytes", 0.1, 10'000, 64) * 1e6);
  c.detection_log.files = static_cast<std::size_t>(t.integer("files", 1, 1000, 4));
  if (c.detection_log.wanted() && !c.detect)
    t.fail("file", "there is nothing to log without a detector: set detector.enabled");
  t.finish();
}

void read_log(TomlReader t, Config& c) {
  c.log_file = t.beside(t.text("file", ""));
  c.log_file_bytes = static_cast<std::int64_t>(t.number("megabytes", 0.1, 1000, 4) * 1e6);
  c.log_files = static_cast<int>(t.integer("files", 1, 100, 4));
  t.finish();
}

void read_health(TomlReader t, Config& c) {
  c.stall_s = t.number("stall", 1, 600, 5);
  c.helper_stall_s = t.number("helper_stall", 1, 3600, 40);
  c.watchdog_device = t.text("watchdog", "");
  c.watchdog_timeout_s = static_cast<int>(t.integer("watchdog_timeout", 5, 3600, 30));
  t.finish();
}

}  // namespace

Config read_config(const std::filesystem::path& file) {
  return parse_config(read_toml_text(file), file);
}

Config parse_config(std::string_view text, const std::filesystem::path& file) {
  const toml::table root = parse_toml(text, file.string());
  TomlReader t(root, file);
  Config c;
  c.file = file;
  read_run(t.table("run"), c);
  read_gpu(t.table("gpu"), c);
  c.rig_file = t.beside(t.text("rig"));
  for (auto& camera : t.tables("camera")) c.cameras.push_back(read_camera(std::move(camera)));
  check_cameras(t, c);
  read_sim(t.table("sim"), c);
  c.colour_match = t.flag("colour_match", true);
  read_detector(t.table("detector"), c);
  read_director(t.table("director"), c);
  read_control(t.table("control"), c);
  read_overlay(t.table("overlay"), c);
  read_recordings(t.table("recordings"), c);
  for (auto& output : t.tables("output")) c.outputs.push_back(read_output(std::move(output), c));
  read_display(t.table("display"), c);
  read_detection_log(t.table("detection_log"), c);
  read_log(t.table("log"), c);
  read_health(t.table("health"), c);
  t.finish();
  return c;
}

}  // namespace gantry
