// Rig files: presets that stitch, files that come back as they were, and every complaint by name.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/rig_file.hpp"

#include <cmath>
#include <fstream>
#include <numbers>
#include <stdexcept>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/paths.hpp"

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;
const std::filesystem::path kRigs = GANTRY_SOURCE_DIR "/firmware/config/rigs";

const std::string kGood = R"([panorama]
width = 800
height = 200
yaw = [-80, 75]
pitch = [-30, 10]
feather = 5

[colour]
matrix = "bt601"
range = "full"

[[camera]]
name = "left"
yaw = -40
pitch = -15
roll = 1.5
gain_limits = [0.8, 1.5]

[camera.lens]
model = "fisheye"
size = [640, 360]
fx = 371
fy = 372
cx = 320
cy = 178.5
distortion = [-0.01, 0.002]

[[camera]]
name = "right"
yaw = 40
pitch = -15

[camera.lens]
model = "pinhole"
size = [1280, 720]
fx = 700
fy = 700
)";

// The good file with one piece of text replaced.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text) {
  try {
    parse_rig_file(text, "rig.toml");
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return {};
}

TEST(RigFile, ReadsEveryKey) {
  const RigFile file = parse_rig_file(kGood, "rig.toml");
  const Rig& rig = file.rig;
  EXPECT_EQ(rig.panorama.width, 800);
  EXPECT_EQ(rig.panorama.height, 200);
  EXPECT_DOUBLE_EQ(rig.panorama.yaw_left, -80 * kDegree);
  EXPECT_DOUBLE_EQ(rig.panorama.yaw_right, 75 * kDegree);
  EXPECT_DOUBLE_EQ(rig.panorama.pitch_bottom, -30 * kDegree);
  EXPECT_DOUBLE_EQ(rig.panorama.pitch_top, 10 * kDegree);
  EXPECT_DOUBLE_EQ(rig.feather, 5 * kDegree);
  EXPECT_EQ(file.uncovered, Uncovered::refuse);
  EXPECT_EQ(rig.matrix, ColourMatrix::bt601);
  EXPECT_EQ(rig.range, ColourRange::full);
  ASSERT_EQ(rig.cameras.size(), 2u);
  const RigCamera& left = rig.cameras[0];
  EXPECT_EQ(left.name, "left");
  EXPECT_DOUBLE_EQ(left.mounting.yaw, -40 * kDegree);
  EXPECT_DOUBLE_EQ(left.mounting.pitch, -15 * kDegree);
  EXPECT_DOUBLE_EQ(left.mounting.roll, 1.5 * kDegree);
  EXPECT_DOUBLE_EQ(left.gain_limit_low, 0.8);
  EXPECT_DOUBLE_EQ(left.gain_limit_high, 1.5);
  EXPECT_EQ(left.lens.model, Lens::Model::fisheye);
  EXPECT_EQ(left.lens.width, 640);
  EXPECT_EQ(left.lens.height, 360);
  EXPECT_EQ(left.lens.fx, 371);
  EXPECT_EQ(left.lens.fy, 372);
  EXPECT_EQ(left.lens.cx, 320);
  EXPECT_EQ(left.lens.cy, 178.5);
  EXPECT_EQ(left.lens.distortion, (std::array<double, 8>{-0.01, 0.002}));
  const RigCamera& right = rig.cameras[1];
  EXPECT_EQ(right.lens.model, Lens::Model::pinhole);
  EXPECT_EQ(right.lens.cx, 639.5);  // the middle, where none is given
  EXPECT_EQ(right.lens.cy, 359.5);
  EXPECT_EQ(right.mounting.roll, 0);
  EXPECT_EQ(right.gain_limit_low, 0.5);
  EXPECT_EQ(right.gain_limit_high, 2);
  EXPECT_EQ(
      parse_rig_file(changed("feather = 5", "feather = 5\nuncovered = \"black\""), "x").uncovered,
      Uncovered::black);
}

TEST(RigFile, ComplaintsNameFileLineKeyAndWhatIsRight) {
  const struct {
    const char *from, *to, *part, *right;
  } cases[] = {
      {"width = 800", "width = 801", "rig.toml:2: panorama.width", "even"},
      {"width = 800", "width = 80000", "rig.toml:2: panorama.width", "32768"},
      {"width = 800", "width = -800", "rig.toml:2: panorama.width", "whole number"},
      {"width = 800", "width = 800.5", "rig.toml:2: panorama.width", "whole number"},
      {"width = 800", "width = \"800\"", "rig.toml:2: panorama.width", "whole number"},
      {"width = 800", "wdith = 800", "panorama.width", "missing"},
      {"feather = 5", "feather = 5\nblend = 2", "rig.toml:7: panorama.blend", "unknown"},
      {"feather = 5", "feather = nan", "rig.toml:6: panorama.feather", "number from 0 to 90"},
      {"feather = 5", "feather = -1", "rig.toml:6: panorama.feather", "number from 0 to 90"},
      {"feather = 5", "feather = inf", "rig.toml:6: panorama.feather", "number from 0 to 90"},
      {"feather = 5", "feather = 5\nuncovered = \"grey\"", "rig.toml:7: panorama.uncovered",
       "\"black\""},
      {"yaw = [-80, 75]", "yaw = [80, -75]", "rig.toml:4: panorama.yaw", "must grow"},
      {"yaw = [-80, 75]", "yaw = [-200, 200]", "rig.toml:4: panorama.yaw", "360"},
      {"yaw = [-80, 75]", "yaw = [-80]", "rig.toml:4: panorama.yaw", "array of 2"},
      {"yaw = [-80, 75]", "yaw = [-80, nan]", "rig.toml:4: panorama.yaw", "numbers from"},
      {"yaw = [-80, 75]", "yaw = -80", "rig.toml:4: panorama.yaw", "array of 2"},
      {"pitch = [-30, 10]", "pitch = [-95, 10]", "rig.toml:5: panorama.pitch", "-90"},
      {"\"bt601\"", "\"bt2020\"", "rig.toml:9: colour.matrix", "\"bt709\""},
      {"\"full\"", "\"wide\"", "rig.toml:10: colour.range", "\"limited\""},
      {"range = \"full\"", "rnage = \"full\"", "rig.toml:10: colour.rnage", "range"},
      {"name = \"left\"", "name = \"\"", "rig.toml:13: camera[0].name", "1 to 32"},
      {"name = \"left\"", "name = \"a b\"", "rig.toml:13: camera[0].name", "letters"},
      {"name = \"right\"", "name = \"left\"", "camera[1].name", "taken"},
      {"yaw = -40", "yaw = 270", "rig.toml:14: camera[0].yaw", "180"},
      {"yaw = -40", "", "camera[0].yaw", "missing"},
      {"roll = 1.5", "roll = true", "rig.toml:16: camera[0].roll", "number"},
      {"[0.8, 1.5]", "[1.5, 0.8]", "rig.toml:17: camera[0].gain_limits", "[0.5, 2.0]"},
      {"[0.8, 1.5]", "[0.8]", "rig.toml:17: camera[0].gain_limits", "two numbers"},
      {"\"fisheye\"", "\"mirror\"", "rig.toml:20: camera[0].lens.model", "\"pinhole\""},
      {"[640, 360]", "[640, 361]", "rig.toml:21: camera[0].lens.size", "even"},
      {"[640, 360]", "[640]", "rig.toml:21: camera[0].lens.size", "array"},
      {"fx = 371", "fx = -371", "rig.toml:22: camera[0].lens.fx", "number from 1"},
      {"fx = 371", "fx = 1e300", "rig.toml:22: camera[0].lens.fx", "number from 1"},
      {"cx = 320", "cx = 9000", "rig.toml:24: camera[0].lens.cx", "1280"},
      {"[-0.01, 0.002]", "[1, 2, 3, 4, 5]", "rig.toml:26: camera[0].lens.distortion", "0 to 4"},
      {"[-0.01, 0.002]", "[-99]", "rig.toml:26: camera[0].lens.distortion", "folds"},
      {"[-0.01, 0.002]", "[inf]", "rig.toml:26: camera[0].lens.distortion", "numbers"},
      {"[camera.lens]", "[camera.lense]", "camera[0].lens", "\"pinhole\""},
      {"[panorama]", "[panorma]", "panorama.width", "missing"},
      {"[colour]", "[color]", "color", "unknown"},
      {"[[camera]]", "[camera]", "rig.toml", ""},
      {"[panorama]", "[=panorama]", "rig.toml:1", ""},
      {"[[camera]]", "[[ ]]", "rig.toml:12", ""},
      {"width = 800", "width = 800 \xC3\x84", "rig.toml:2", "ASCII"},
      {"width = 800",
       "w\xC3\xA4"
       "dth = 800",
       "rig.toml:2", "ASCII"},
      {"\"left\"",
       "\"l\xC3\xA4"
       "ft\"",
       "rig.toml:13", "ASCII"},
      {"width = 800", "width = ", "rig.toml:2", ""}};
  EXPECT_EQ(refusal(kGood), "");
  for (const auto& c : cases) {
    const std::string message = refusal(changed(c.from, c.to));
    EXPECT_NE(message.find(c.part), std::string::npos) << c.to << " → " << message;
    EXPECT_NE(message.find(c.right), std::string::npos) << c.to << " → " << message;
  }
}

// Brackets, quotes and number signs inside of strings and comments mislead nobody.
TEST(RigFile, StringsAndCommentsMayHoldAnything) {
  EXPECT_EQ(refusal("# \xC2\xB0 [=] \"\n" + kGood), "");
  EXPECT_EQ(refusal(changed("yaw = [-80, 75]", "yaw = [\n  -80, # [=\xC2\xB0\n  75\n]")), "");
  for (const char* text : {R"("a# \" [=")", R"('#\')", "\"\"\"\n[=#\n\"\"\"", "'''\n[=\"#'''"}) {
    const std::string message = refusal(changed("\"left\"", text));
    EXPECT_NE(message.find("letters, digits"), std::string::npos) << text << ": " << message;
    const std::string foreign = refusal(changed("\"left\"", std::string(text) + " \xC3\x84"));
    EXPECT_NE(foreign.find("ASCII"), std::string::npos) << text << ": " << foreign;
  }
}

TEST(RigFile, WantsOneToFourCameras) {
  EXPECT_NE(refusal(kGood.substr(0, kGood.find("[[camera]]"))).find("1 to 4"), std::string::npos);
  const std::string tail = kGood.substr(kGood.rfind("[[camera]]"));
  std::string text = kGood;
  for (const char* name : {"\"c\"", "\"d\"", "\"e\""}) {
    EXPECT_EQ(refusal(text), "");
    std::string more = tail;
    text += more.replace(more.find("\"right\""), 7, name);
  }
  EXPECT_NE(refusal(text).find("5 of them; 1 to 4"), std::string::npos);
  EXPECT_NE(refusal("").find("missing"), std::string::npos);
}

void expect_same(const Rig& a, const Rig& b) {
  EXPECT_NEAR(a.panorama.yaw_left, b.panorama.yaw_left, 1e-9);
  EXPECT_NEAR(a.panorama.pitch_top, b.panorama.pitch_top, 1e-9);
  EXPECT_NEAR(a.feather, b.feather, 1e-9);
  EXPECT_EQ(a.matrix, b.matrix);
  EXPECT_EQ(a.range, b.range);
  ASSERT_EQ(a.cameras.size(), b.cameras.size());
  for (std::size_t c = 0; c < a.cameras.size(); ++c) {
    const RigCamera &p = a.cameras[c], &q = b.cameras[c];
    EXPECT_EQ(p.name, q.name);
    EXPECT_NEAR(p.mounting.yaw, q.mounting.yaw, 1e-9);
    EXPECT_NEAR(p.mounting.pitch, q.mounting.pitch, 1e-9);
    EXPECT_NEAR(p.mounting.roll, q.mounting.roll, 1e-9);
    EXPECT_EQ(p.lens.model, q.lens.model);
    EXPECT_EQ(p.lens.width, q.lens.width);
    EXPECT_NEAR(p.lens.fx, q.lens.fx, 1e-6);
    EXPECT_NEAR(p.lens.cy, q.lens.cy, 1e-6);
    for (int k = 0; k < 8; ++k) EXPECT_NEAR(p.lens.distortion[k], q.lens.distortion[k], 1e-9);
    EXPECT_NEAR(p.gain_limit_high, q.gain_limit_high, 1e-9);
  }
}

TEST(RigFile, ComesBackAsItWasWritten) {
  RigFile file = parse_rig_file(kGood, "rig.toml");
  file.uncovered = Uncovered::black;
  file.rig.cameras[1].lens.distortion = {0.31, -0.12, 0.0012, -0.0007, 0.03, 0.62, -0.05, 0.011};
  const auto folder = std::filesystem::temp_directory_path();
  const auto path = folder / ("gantry_rig_" + std::to_string(getpid()) + ".toml");
  write_rig_file(path, file);
  const RigFile back = read_rig_file(path);
  EXPECT_EQ(back.uncovered, Uncovered::black);
  expect_same(file.rig, back.rig);
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
  std::filesystem::remove(path);
}

TEST(RigFile, FilesThatCannotBeReadOrWrittenAreNamed) {
  const auto complaint = [](auto&& action) -> std::string {
    try {
      action();
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return {};
  };
  EXPECT_NE(complaint([] { read_rig_file("/nowhere/rig.toml"); }).find("/nowhere/rig.toml"),
            std::string::npos);
  EXPECT_NE(complaint([] { read_rig_file("/tmp"); }).find("/tmp: cannot be read"),
            std::string::npos);
  EXPECT_NE(complaint([] { read_rig_file("/dev/zero"); }).find("more than"), std::string::npos);
  const RigFile file = parse_rig_file(kGood, "rig.toml");
  EXPECT_NE(complaint([&] { write_rig_file("/nowhere/rig.toml", file); }).find("/nowhere/rig.toml"),
            std::string::npos);
}

TEST(RigFile, PresetsAreWhollyCoveredAndComeBackAsWritten) {
  int presets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kRigs)) {
    SCOPED_TRACE(entry.path().filename().string());
    const RigFile file = read_rig_file(entry.path());
    EXPECT_EQ(file.uncovered, Uncovered::refuse);
    const StitchMesh mesh = make_stitch_mesh(file.rig, Uncovered::refuse);
    for (const int top : mesh.covered_top) ASSERT_EQ(top, 0);
    for (const int bottom : mesh.covered_bottom) ASSERT_EQ(bottom, file.rig.panorama.height);
    EXPECT_LE(mesh.largest_error, 1.0 / 32);
    expect_same(file.rig, parse_rig_file(rig_file_text(file), "again").rig);
    ++presets;
  }
  EXPECT_GE(presets, 3);
}

// The reference rig: 100° and 55° wide, axes 85° apart, looking 15° down.
TEST(RigFile, ParityPresetIsTheReferenceRig) {
  const Rig rig = read_rig_file(kRigs / "parity-5700x1900.toml").rig;
  EXPECT_EQ(rig.panorama.width, 5700);
  EXPECT_EQ(rig.panorama.height, 1900);
  ASSERT_EQ(rig.cameras.size(), 2u);
  Vector3 axis[2];
  for (int c = 0; c < 2; ++c) {
    const RigCamera& camera = rig.cameras[c];
    EXPECT_NEAR(camera.mounting.pitch / kDegree, -15, 0.01);
    axis[c] = direction_of(camera.mounting.yaw, camera.mounting.pitch);
    const auto angle = [&](double x, double y) {
      const auto d = camera.lens.unproject({x, y});
      return d ? std::acos(d->z) / kDegree : 0;
    };
    const Lens& lens = camera.lens;
    EXPECT_NEAR(angle(-0.5, lens.cy) + angle(3839.5, lens.cy), 100, 1.0);
    EXPECT_NEAR(angle(lens.cx, -0.5) + angle(lens.cx, 2159.5), 55, 1.0);
  }
  const double cosine = axis[0].x * axis[1].x + axis[0].y * axis[1].y + axis[0].z * axis[1].z;
  EXPECT_NEAR(std::acos(cosine) / kDegree, 85, 0.1);
}

}  // namespace
}  // namespace gantry
