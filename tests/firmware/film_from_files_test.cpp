// Recordings in, a film out: one to four files, with the detector, look-up tables, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "hal/encoder/libav_encoder.hpp"
#include "tests/firmware/filming.hpp"
#include "tests/pipeline/lut_tables.hpp"
#include "tests/pipeline/marker_network.hpp"

namespace gantry {
namespace {

constexpr int kPictures = 30;

// Cameras side by side, 45° apart, that see 98° each.
Rig row_of_cameras(int count) {
  Rig rig;
  for (int i = 0; i < count; ++i)
    rig.cameras.push_back({fmt::format("camera{}", i),
                           test::parity_lens(640, 360),
                           {(i - 0.5 * (count - 1)) * 45 * test::kDegree, -12 * test::kDegree, 0}});
  const double side = (0.5 * (count - 1) * 45 + 40) * test::kDegree;
  rig.panorama = {
      static_cast<int>(side * 160) * 2, 160, -side, side, 2 * test::kDegree, -26 * test::kDegree};
  rig.feather = 4 * test::kDegree;
  return rig;
}

class FilmFromFiles : public testing::Test {
 protected:
  // Every camera of the rig films the simulated match into <name>.mkv.
  void record(const Rig& rig, double frames_per_second = 30) {
    gpu::Device device({}, {});
    const auto layout = nv12_layout(640, 360);
    const auto pool = make_surface_pool(device, layout, 2, gpu::Access::download);
    for (std::size_t i = 0; i < rig.cameras.size(); ++i) {
      SimCameraConfig sim;
      sim.name = rig.cameras[i].name;
      sim.camera = i;
      sim.frames_per_second = frames_per_second;
      sim.real_time = false;
      sim.frames = kPictures;
      SimCamera camera(device, rig, sim);
      EncoderConfig encoder;
      encoder.path = path(sim.name + ".mkv");
      encoder.encoder = "software";
      encoder.preset = "ultrafast";
      encoder.width = 640, encoder.height = 360;
      encoder.frames_per_second = frames_per_second;
      LibavEncoder out(encoder);
      CameraFrame frame;
      while (camera.capture(*pool, frame) == Status::ok) {
        gpu::wait(frame.ready);
        ASSERT_EQ(out.write(frame.surface, frame.capture_ns), Status::ok);
        frame = {};
      }
      ASSERT_EQ(out.finish(), Status::ok);
    }
    write_rig_file(path("rig.toml"), {rig, Uncovered::refuse, {}});
  }

  std::string configuration(const std::vector<std::string>& cameras,
                            const std::string& more) const {
    std::string text =
        "rig = \"rig.toml\"\n[run]\npace = \"fast\"\ndelay = 0.4\nlock_memory = false\n";
    for (const auto& name : cameras)
      text +=
          fmt::format("[[camera]]\nname = \"{0}\"\nsource = \"file\"\npath = \"{0}.mkv\"\n", name);
    return text +
           "[[output]]\npath = \"film.mkv\"\npreset = \"ultrafast\"\n"
           "[director]\nwidth = 640\nheight = 360\n" +
           more;
  }

  void expect_whole_film(const RunReport& report) const {
    EXPECT_EQ(report.stitched, static_cast<std::uint64_t>(kPictures));
    EXPECT_EQ(report.presented, static_cast<std::uint64_t>(kPictures));
    for (const auto& [stage, drops] : report.drops) EXPECT_EQ(drops, 0u) << stage;
    int pictures = 0;
    test::read_film(path("film.mkv"), [&](const Surface&, std::int64_t) { ++pictures; });
    EXPECT_EQ(pictures, kPictures);
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  test::Folder folder_;
};

TEST_F(FilmFromFiles, OneToFourFilesBecomeAFilmToTheirLastPicture) {
  for (const int count : {1, 2, 3, 4}) {
    SCOPED_TRACE(count);
    const Rig rig = row_of_cameras(count);
    record(rig);
    std::vector<std::string> names;
    for (const auto& camera : rig.cameras) names.push_back(camera.name);
    const auto report = test::film(configuration(names, "mode = \"sweep\"\n"), folder_.path());
    EXPECT_EQ(report.cameras.size(), names.size());
    for (const auto& camera : report.cameras) EXPECT_EQ(camera.captured, 30u) << camera.name;
    expect_whole_film(report);
  }
}

TEST_F(FilmFromFiles, TheDetectorLooksAtEveryPanoramaAndTheCameraFollows) {
  record(row_of_cameras(2));
  const auto plan = MarkerNetwork::file(4, 3, 0, "{0: 'ball', 1: 'person'}");
  std::ofstream(path("markers.plan"), std::ios::binary)
      .write(reinterpret_cast<const char*>(plan.data()), static_cast<std::streamsize>(plan.size()));
  const auto report = test::film(
      configuration({"camera0", "camera1"},
                    "mode = \"follow\"\n[detector]\nenabled = true\nplan = \"markers.plan\"\n"),
      folder_.path());
  expect_whole_film(report);
  EXPECT_EQ(report.analysed, 30u);
  EXPECT_TRUE(std::ranges::any_of(report.pools, [](const auto& p) { return p.name == "network"; }))
      << "the network's memory is counted like everybody's";
}

TEST_F(FilmFromFiles, LookUpTablesOfTheReplacedSystemStitchThem) {
  const Rig rig = test::parity_rig(1424, 366, 640, 360);
  record(rig);
  test::write_lut_folder(folder_.path(), test::tables_of(rig));
  write_rig_file(path("rig.toml"), {rig, Uncovered::black, "."});
  expect_whole_film(
      test::film(configuration({"left", "right"}, "mode = \"sweep\"\n"), folder_.path()));
}

TEST_F(FilmFromFiles, FilesThatDoNotBelongTogetherAreRefusedByName) {
  const auto refusal = [&] {
    try {
      test::film(configuration({"camera0", "camera1"}, "mode = \"sweep\"\n"), folder_.path());
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  record(row_of_cameras(2), 25);
  std::filesystem::rename(path("camera1.mkv"), path("at25.mkv"));
  record(row_of_cameras(2), 30);
  std::filesystem::rename(path("at25.mkv"), path("camera1.mkv"));
  EXPECT_NE(refusal().find("camera1"), std::string::npos) << refusal();
  EXPECT_NE(refusal().find("25"), std::string::npos) << refusal();

  std::filesystem::remove(path("camera1.mkv"));
  EXPECT_NE(refusal().find("camera1.mkv"), std::string::npos) << refusal();
  std::ofstream(path("camera1.mkv")) << "this is no recording";
  EXPECT_NE(refusal().find("camera1.mkv"), std::string::npos) << refusal();
  EXPECT_FALSE(std::filesystem::exists(path("film.mkv")));
}

}  // namespace
}  // namespace gantry
