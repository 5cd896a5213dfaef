// The manual, gantry.toml, and the parser: in step, key by key.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/config.hpp"

#include <fstream>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "firmware/toml_reader.hpp"
#include "tests/paths.hpp"

namespace gantry {
namespace {

std::string manual() {
  return read_toml_text(std::string(GANTRY_SOURCE_DIR) + "/firmware/config/gantry.toml");
}

TEST(Config, TheManualIsAConfigurationThatParses) {
  const Config c = parse_config(manual(), "gantry.toml");
  EXPECT_EQ(c.delay_s, 7.0);
  EXPECT_EQ(c.cameras.size(), 2u);
  EXPECT_EQ(c.outputs.size(), 1u);
}

// Every "unknown key" complaint lists the keys that the parser asks for: each must be in the manual.
TEST(Config, EveryKeyOfTheParserStandsInTheManual) {
  const std::string text = manual();
  int tables = 0;
  for (const char* table : {"run",
                            "gpu",
                            "sim",
                            "detector",
                            "detector.classes",
                            "detector.tiles",
                            "detector.ball",
                            "detector.person",
                            "detector.referee",
                            "director",
                            "director.fixed",
                            "director.sweep",
                            "director.follow",
                            "director.motion",
                            "director.motion.yaw",
                            "director.motion.pitch",
                            "director.motion.field_of_view",
                            "control",
                            "overlay",
                            "detection_log",
                            "log",
                            "health",
                            "recordings"}) {
    std::string bad = text;
    const std::string header = "\n[" + std::string(table) + "]\n";
    const auto at = bad.find(header);
    if (at == std::string::npos) {
      EXPECT_STREQ(table, "director.motion") << "has no table of its own in the manual";
      continue;
    }
    const auto end = bad.find("\n[", at + 1);
    const std::string section = bad.substr(at, end - at);
    bad.insert(at + header.size(), "no_such_key = 1\n");
    try {
      parse_config(bad, "gantry.toml");
      ADD_FAILURE() << table << " takes any key";
    } catch (const std::runtime_error& e) {
      const std::string what = e.what();
      const auto known = what.find("known here: ");
      ASSERT_NE(known, std::string::npos) << what;
      std::istringstream keys(what.substr(known + 12));
      for (std::string key; std::getline(keys >> std::ws, key, ',');) {
        const bool as_key = std::regex_search(section, std::regex("\n" + key + " = "));
        const bool as_table = text.find("[" + std::string(table) + "." + key) != std::string::npos;
        EXPECT_TRUE(as_key || as_table) << table << "." << key << " is not in the manual";
      }
      ++tables;
    }
  }
  EXPECT_EQ(tables, 22);
}

// A key that is left out has the value that the manual gives: the same configuration comes out.
TEST(Config, TheManualsValuesAreTheDefaults) {
  const Config full = parse_config(manual(), "gantry.toml");
  const Config bare = parse_config(
      "rig = \"rigs/demo.toml\"\n[[camera]]\nname = \"left\"\nsource = \"sim\"\n[[camera]]\nname = "
      "\"right\"\n"
      "source = \"sim\"\n[director]\nmode = \"sweep\"\n[[output]]\npath = \"match.mp4\"\n",
      "gantry.toml");
  EXPECT_EQ(full.delay_s, bare.delay_s);
  EXPECT_EQ(full.duration_s, bare.duration_s);
  EXPECT_EQ(full.allow_missing_camera, bare.allow_missing_camera);
  EXPECT_EQ(full.lock_memory, bare.lock_memory);
  EXPECT_EQ(full.real_time_priority, bare.real_time_priority);
  EXPECT_EQ(full.program_cache, bare.program_cache);
  EXPECT_EQ(full.gpu.allow_fallback, bare.gpu.allow_fallback);
  EXPECT_EQ(full.colour_match, bare.colour_match);
  EXPECT_EQ(full.sim.seed, bare.sim.seed);
  EXPECT_EQ(full.sim.frames_per_second, bare.sim.frames_per_second);
  EXPECT_EQ(full.sim.mast_height_m, bare.sim.mast_height_m);
  EXPECT_EQ(full.analyse_every, bare.analyse_every);
  EXPECT_EQ(full.detector.tiles.scale, bare.detector.tiles.scale);
  EXPECT_EQ(full.detector.tiles.overlap, bare.detector.tiles.overlap);
  EXPECT_EQ(full.detector.schedule.most, bare.detector.schedule.most);
  EXPECT_EQ(full.detector.schedule.seen_every_s, bare.detector.schedule.seen_every_s);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto &a = full.detector.limits[i], &b = bare.detector.limits[i];
    EXPECT_EQ(a.confidence, b.confidence) << i;
    EXPECT_EQ(a.min_width, b.min_width) << i;
    EXPECT_EQ(a.max_width, b.max_width) << i;
    EXPECT_EQ(a.min_height, b.min_height) << i;
    EXPECT_EQ(a.max_height, b.max_height) << i;
    EXPECT_EQ(a.min_aspect, b.min_aspect) << i;
    EXPECT_EQ(a.max_aspect, b.max_aspect) << i;
    EXPECT_EQ(full.detector.merge[i].iou, bare.detector.merge[i].iou) << i;
    EXPECT_EQ(full.detector.merge[i].ios, bare.detector.merge[i].ios) << i;
  }
  EXPECT_EQ(full.view_width, bare.view_width);
  EXPECT_EQ(full.view_height, bare.view_height);
  const auto &f = full.director, &d = bare.director;
  EXPECT_NEAR(f.fixed.field_of_view, d.fixed.field_of_view, 1e-12);
  EXPECT_NEAR(f.sweep.speed, d.sweep.speed, 1e-12);
  EXPECT_NEAR(f.sweep.acceleration, d.sweep.acceleration, 1e-12);
  EXPECT_NEAR(f.sweep.field_of_view, d.sweep.field_of_view, 1e-12);
  EXPECT_NEAR(f.follow.narrow, d.follow.narrow, 1e-12);
  EXPECT_NEAR(f.follow.wide, d.follow.wide, 1e-12);
  EXPECT_EQ(f.follow.ball_confidence, d.follow.ball_confidence);
  EXPECT_EQ(f.follow.person_confidence, d.follow.person_confidence);
  EXPECT_NEAR(f.follow.ball_speed, d.follow.ball_speed, 1e-12);
  EXPECT_EQ(f.follow.hold_s, d.follow.hold_s);
  EXPECT_EQ(f.follow.smoothing_s, d.follow.smoothing_s);
  const std::pair<AxisLimits, AxisLimits> axes[] = {
      {f.motion.yaw, d.motion.yaw},
      {f.motion.pitch, d.motion.pitch},
      {f.motion.field_of_view, d.motion.field_of_view}};
  for (const auto& [a, b] : axes) {
    EXPECT_NEAR(a.speed, b.speed, 1e-12);
    EXPECT_NEAR(a.acceleration, b.acceleration, 1e-12);
    EXPECT_NEAR(a.jerk, b.jerk, 1e-12);
  }
  EXPECT_EQ(full.control_socket, bare.control_socket);
  EXPECT_EQ(full.hand_back_s, bare.hand_back_s);
  EXPECT_EQ(full.overlay_on_view, bare.overlay_on_view);
  const auto &o = full.outputs[0], &p = bare.outputs[0];
  EXPECT_EQ(o.slate, p.slate);
  EXPECT_EQ(o.encoder.encoder, p.encoder.encoder);
  EXPECT_EQ(o.encoder.quality, p.encoder.quality);
  EXPECT_EQ(o.encoder.preset, p.encoder.preset);
  EXPECT_EQ(o.encoder.gop_s, p.encoder.gop_s);
  EXPECT_EQ(o.encoder.threads, p.encoder.threads);
  EXPECT_EQ(full.log_file_bytes, bare.log_file_bytes);
  EXPECT_EQ(full.log_files, bare.log_files);
  EXPECT_EQ(full.recordings_folder, bare.recordings_folder);
  EXPECT_EQ(full.recordings_keep_free_bytes, bare.recordings_keep_free_bytes);
  EXPECT_EQ(full.recordings_protected, bare.recordings_protected);
  EXPECT_EQ(full.stall_s, bare.stall_s);
  EXPECT_EQ(full.helper_stall_s, bare.helper_stall_s);
  EXPECT_EQ(full.watchdog_device, bare.watchdog_device);
  EXPECT_EQ(full.watchdog_timeout_s, bare.watchdog_timeout_s);
  EXPECT_EQ(full.detection_log.file_bytes, bare.detection_log.file_bytes);
  EXPECT_EQ(full.detection_log.files, bare.detection_log.files);
  EXPECT_FALSE(bare.detection_log.wanted());
}

TEST(Config, AStreamKeyComesFromItsFileAndIsNeverShown) {
  const auto key_file = std::filesystem::temp_directory_path() / "gantry-test-key";
  std::ofstream(key_file) << "secret-key\nanother line\n";
  const Config c = parse_config(
      "rig = \"r.toml\"\n[[camera]]\nname = \"a\"\nsource = \"sim\"\n[director]\nmode = "
      "\"fixed\"\n[[output]]\n"
      "path = \"rtmp://host/live/\"\nkey_file = \"" +
          key_file.string() + "\"\n",
      "c.toml");
  std::filesystem::remove(key_file);
  EXPECT_EQ(c.outputs[0].encoder.path, "rtmp://host/live/secret-key");
  EXPECT_EQ(c.outputs[0].shown_path, "rtmp://host/live/");
  EXPECT_TRUE(c.outputs[0].slate) << "a stream shows the slate";
}

TEST(Config, ACameraThatDecidesTheExposureOfOthersMustBeThere) {
  const auto refusal = [](const std::string& right) -> std::string {
    try {
      parse_config(
          "rig = \"rig.toml\"\n[[camera]]\nname = \"left\"\nsource = \"v4l2\"\ndevice = \"a\"\n"
          "[[camera]]\nname = \"right\"\nsource = \"v4l2\"\ndevice = \"b\"\n" +
              right + "[director]\nmode = \"sweep\"\n[[output]]\npath = \"match.mp4\"\n",
          "gantry.toml");
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(refusal("exposure_of = \"left\"\n"), "");
  for (const char* nobody : {"right", "middle"})
    EXPECT_NE(refusal(fmt::format("exposure_of = \"{}\"\n", nobody)).find(nobody),
              std::string::npos);
  EXPECT_NE(refusal("exposure_of = \"left\"\ngain = 3.0\n").find("exposure_of"), std::string::npos);
}

}  // namespace
}  // namespace gantry
