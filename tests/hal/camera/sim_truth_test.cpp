// Truth: the panorama and the cameras agree, who hides whom, and the lines of JSON.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_truth.hpp"

#include <nlohmann/json.hpp>

#include "tests/hal/camera/sim_fixture.hpp"

namespace gantry {
namespace {

using namespace simtest;

TEST(SimTruth, PanoramaAndCamerasPointTheSameWay) {
  const Rig r = rig();
  SimTruth truth(r, plain_look(), 5);
  SimTruthFrame t;
  SimState s = deserted();
  for (double x : {-35.0, -12.0, 0.0, 8.0, 40.0}) {
    s.ball.position = {x, 3, 1.2};
    truth.of(s, 4, 99, t);
    ASSERT_TRUE(t.ball.panorama.seen);
    const Vector3 d =
        direction_of(r.panorama.yaw_of(t.ball.panorama.x), r.panorama.pitch_of(t.ball.panorama.y));
    int seen = 0;
    for (std::size_t c = 0; c < 2; ++c) {
      if (!t.ball.cameras[c].seen) continue;
      ++seen;
      const auto p =
          r.cameras[c].lens.project(apply(camera_from_panorama(r.cameras[c].mounting), d));
      ASSERT_TRUE(p);
      EXPECT_NEAR(p->x, t.ball.cameras[c].x, 1e-6);
      EXPECT_NEAR(p->y, t.ball.cameras[c].y, 1e-6);
    }
    EXPECT_EQ(seen, x == 0 ? 2 : 1) << x;
    // A ball of 22 cm at this distance, in pixels of the panorama (1900 for 180°).
    const double distance = std::sqrt(x * x + 41.0 * 41 + 3.8 * 3.8);
    EXPECT_NEAR(t.ball.panorama.diameter, 0.22 / distance * 1900 / std::numbers::pi,
                0.03 * t.ball.panorama.diameter);
  }
}

TEST(SimTruth, KnowsWhoHidesTheBallAndEachOther) {
  const Rig r = rig();
  SimTruth truth(r, plain_look(), 5);
  SimTruthFrame t;
  SimState s = deserted();
  s.ball.position = {0, -10, 0.11};
  truth.of(s, 0, 0, t);
  EXPECT_EQ(t.ball.visible, 1);
  s.persons[4].heading = 0.5 * std::numbers::pi;
  s.persons[4].x = 0.1, s.persons[4].y = -10.3;  // a leg in front of it
  truth.of(s, 0, 0, t);
  EXPECT_LT(t.ball.visible, 0.7);
  s.persons[4].y = -9;
  truth.of(s, 0, 0, t);
  EXPECT_EQ(t.ball.visible, 1) << "one behind it hides nothing";
  s.persons[4].x = 0, s.persons[4].y = -10;
  s.persons[15] = s.persons[4];
  s.persons[15].y = -10.6;
  truth.of(s, 0, 0, t);
  EXPECT_EQ(t.persons[15].visible, 1);
  EXPECT_LT(t.persons[4].visible, 0.5);
  EXPECT_GT(t.persons[4].visible, 0);
}

TEST(SimTruth, CutsBoxesToThePictureAndLeavesOutTheUnseen) {
  const Rig r = rig();
  SimTruth truth(r, plain_look(), 5);
  SimTruthFrame t;
  truth.of(state_at(30), 0, 0, t);
  int both = 0, none = 0;
  for (const SimTruthPerson& p : t.persons) {
    EXPECT_TRUE(p.panorama.seen) << p.id;
    both += p.cameras[0].seen && p.cameras[1].seen;
    none += !p.cameras[0].seen && !p.cameras[1].seen;
    for (const SimBox& b : {p.cameras[0], p.cameras[1]}) {
      if (!b.seen) continue;
      EXPECT_GE(b.left, -0.5);
      EXPECT_LE(b.right, 639.5);
      EXPECT_GT(b.bottom, b.top);
    }
  }
  EXPECT_EQ(none, 0);
  EXPECT_LT(both, 16);
}

TEST(SimTruth, WritesOneLineOfJsonPerFrame) {
  const Rig r = rig();
  SimTruth truth(r, plain_look(), 5);
  SimTruthFrame t;
  truth.of(state_at(12), 360, 12'000'000'000, t);
  std::FILE* file = std::tmpfile();
  ASSERT_TRUE(write_json_line(t, file));
  ASSERT_TRUE(write_json_line(t, file));
  std::rewind(file);
  std::string text(200'000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  const auto j = nlohmann::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(j["frame"], 360);
  EXPECT_EQ(j["capture_ns"], 12'000'000'000);
  EXPECT_EQ(j["players"].size(), SimState::kPersons);
  EXPECT_EQ(j["players"][0]["role"], "keeper");
  EXPECT_EQ(j["players"][12]["team"], "b");
  EXPECT_TRUE(j["players"][22]["team"].is_null());
  EXPECT_NEAR(j["ball"]["world"][0], t.ball.world.x, 1e-3);
  EXPECT_NEAR(j["ball"]["panorama"]["x"], t.ball.panorama.x, 1e-2);
  ASSERT_EQ(j["players"][3]["cameras"].size(), 2);
  for (int c = 0; c < 2; ++c)
    EXPECT_EQ(j["players"][3]["cameras"][c].is_null(), !t.persons[3].cameras[c].seen);
}

}  // namespace
}  // namespace gantry
