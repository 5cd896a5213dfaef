// Real input: a broadcast recording as a one-camera rig, analysed by the network of our own.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdlib>
#include <memory>

#include <gtest/gtest.h>

#include "firmware/detection_log_reader.hpp"
#include "tests/firmware/filming.hpp"

namespace gantry {
namespace {

namespace fs = std::filesystem;

// The whole clip, analysed twice a second; the mask is the pitch. A ball would be 3 pixels wide there: what
// looks like one with less confidence is white shorts.
constexpr const char* kFilm = R"(rig = "{0}/firmware/config/rigs/single.toml"
[run]
pace = "fast"
lock_memory = false
[[camera]]
name = "main"
source = "file"
path = "{1}"
[detector]
enabled = true
plan = "gantry-1.plan"
every = 15
mask = [[-18, 15.5], [21, 15.5], [30, -3], [30, -16], [-30, -16], [-30, -7]]
[detector.ball]
confidence = 0.7
[detector.person]
width = [4, 100]
height = [10, 100]
[director]
mode = "follow"
width = 640
height = 360
[[output]]
path = "view.mkv"
preset = "ultrafast"
[detection_log]
file = "seen.jsonl"
)";

struct Middle {
  double yaw = 0, pitch = 0;  // of all persons, each by its confidence, radians
  int persons = 0;
};

Middle middle_of(const Detections& found, const PanoramaGeometry& panorama) {
  Middle middle;
  double weight = 0;
  for (const Detection& d : found.view()) {
    if (d.object == ObjectClass::ball) continue;
    ++middle.persons;
    weight += d.confidence;
    middle.yaw += d.confidence * panorama.yaw_of(d.x);
    middle.pitch += d.confidence * panorama.pitch_of(d.y);
  }
  if (weight > 0) middle.yaw /= weight, middle.pitch /= weight;
  return middle;
}

bool in_view(const Middle& middle, const CameraPose& pose) {
  const double half = pose.field_of_view / 2, height = std::atan(std::tan(half) * 360 / 640);
  return std::abs(middle.yaw - pose.yaw) <= half && std::abs(middle.pitch - pose.pitch) <= height;
}

// No ball is in play, and one would be smaller than the network sees: the players are there to be followed.
TEST(BroadcastClip, ThePlayersAreFoundAndFollowed) {
  const fs::path clip =
      fs::path(GANTRY_SOURCE_DIR) / "../shared/footage/broadcast_1280x720_aac.mp4";
  if (!fs::exists(clip)) GTEST_SKIP() << "no real recording beside the source: " << clip;
  const test::Folder folder;
  const std::string compile = fmt::format(
      "{} compile {}/firmware/models/gantry-1.onnx -o {}/gantry-1.plan --batch 1 --input-size "
      "1120x608",
      GANTRY_BINARY, GANTRY_SOURCE_DIR, folder.path().string());
  ASSERT_EQ(std::system(compile.c_str()), 0);
  const auto report =
      test::film(fmt::format(kFilm, GANTRY_SOURCE_DIR, clip.string()), folder.path());
  EXPECT_EQ(report.presented, 840u);
  EXPECT_EQ(report.analysed, 56u);

  detection_log::Reader log(folder.path() / "seen.jsonl");
  const auto found = std::make_unique<Detections>();
  int analyses = 0, peopled = 0, held = 0;
  while (log.next(*found)) {
    ASSERT_TRUE(log.decision().has_value()) << analyses;
    ++analyses;
    const Middle middle = middle_of(*found, log.header().panorama);
    peopled += middle.persons >= 10;
    held += in_view(middle, log.decision()->pose);
  }
  EXPECT_EQ(analyses, 56);
  EXPECT_GE(peopled, 0.95 * analyses);
  EXPECT_GE(held, 0.97 * analyses);
}

}  // namespace
}  // namespace gantry
