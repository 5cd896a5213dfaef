// The whole machine on the kernel's test cameras: from capture to the film, one camera gone, losses
// counted, and what the configuration refuses.
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdlib>
#include <ctime>
#include <set>

#include <gtest/gtest.h>

#include "tests/firmware/filming.hpp"
#include "tests/firmware/sums.hpp"
#include "tests/hal/camera/v4l2/vivid.hpp"

namespace gantry {
namespace {

std::string camera(const std::string& name, const char* device, const std::string& more,
                   int rate = 25) {
  return fmt::format(
      "[[camera]]\nname = \"{}\"\nsource = \"v4l2\"\ndevice = \"{}\"\ninput = 0\n"
      "frames_per_second = {}\n{}",
      name, device, rate, more);
}

std::string text(const std::string& run_keys, const std::string& cameras) {
  return fmt::format(
             "rig = \"{}/firmware/config/rigs/demo.toml\"\ncolour_match = "
             "false\n[run]\nlock_memory "
             "= false\n{}\n",
             GANTRY_SOURCE_DIR, run_keys) +
         "[gpu]\nprogram_cache = \"/var/cache/rig/gantry\"\n" + cameras +
         "[director]\nmode = \"fixed\"\nwidth = 640\nheight = 360\n[director.fixed]\nyaw = -44\n"
         "pitch = -14\nfield_of_view = 60\n[[output]]\npath = \"film.mkv\"\npreset = "
         "\"ultrafast\"\nquality = 12\n";
}

std::string two(const std::string& more, int rate = 25) {
  return camera("left", test::kSinglePlanar, more, rate) +
         camera("right", test::kMultiPlanar, more, rate);
}

// How many of the test pattern's six colours a film's picture shows.
int colours_in(const Surface& s) {
  constexpr std::array<std::array<int, 2>, 6> kColours = {
      {{44, 136}, {147, 44}, {63, 52}, {193, 204}, {109, 212}, {212, 120}}};
  std::array<int, 6> seen{};
  for (int y = 0; y < s.layout.height / 2; ++y)
    for (int x = 0; x < s.layout.width / 2; ++x) {
      const auto* c = s.chroma() + y * s.layout.pitch + 2 * x;
      for (std::size_t k = 0; k < kColours.size(); ++k)
        seen[k] += std::abs(c[0] - kColours[k][0]) < 8 && std::abs(c[1] - kColours[k][1]) < 8;
    }
  return static_cast<int>(std::count_if(seen.begin(), seen.end(), [](int n) { return n > 300; }));
}

TEST(CamerasGuest, TwoCamerasBecomeAFilmWithTheirColoursTimesAndCounts) {
  for (const char* format : {"colours = \"rig\"\n", "format = \"YUYV\"\n"}) {
    SCOPED_TRACE(format);
    test::Folder folder;
    const auto r = test::film(text("duration = 4\ndelay = 1", two(format, 10)), folder.path());
    for (const auto& c : r.cameras) {
      EXPECT_GT(c.captured, 30u) << c.name;
      EXPECT_EQ(c.captured, r.paired + c.unpaired - c.missing + c.dropped) << c.name;
    }
    EXPECT_GT(r.presented, 25u);
    const bool direct = std::string(format).starts_with("colours");
    const double conversion = direct ? 0 : 2 * 640 * 360 * 1.5;
    EXPECT_NEAR(r.bytes_moved_per_frame, r.bytes_floor_per_frame + conversion,
                0.15 * r.bytes_floor_per_frame);
    const auto own = std::find_if(r.pools.begin(), r.pools.end(), [](const auto& pool) {
      return pool.name == "camera left, its own";
    });
    ASSERT_EQ(own == r.pools.end(), direct) << "the budget has what a conversion reads";
    if (!direct) {
      EXPECT_EQ(own->bytes, 6u * 640 * 360 * 2);
    }
    int pictures = 0;
    std::int64_t last_ns = 0;
    test::read_film(folder.path() / "film.mkv", [&](const Surface& s, std::int64_t at_ns) {
      if (pictures++ == 0 && !direct) {
        EXPECT_GE(colours_in(s), 4);
      }
      // Whole intervals of a tenth of a second; Matroska keeps milliseconds, and vivid's
      // stamps shake with the guest's load.
      const double intervals = 10e-9 * static_cast<double>(at_ns - last_ns);
      if (pictures > 1) {
        EXPECT_NEAR(intervals, std::round(intervals), 0.25);
      }
      last_ns = at_ns;
    });
    EXPECT_EQ(pictures, static_cast<int>(r.outputs.at(0).frames));
  }
}

TEST(CamerasGuest, DroppedPicturesAreGapsInTheReport) {
  test::Folder folder;
  const Config config =
      parse_config(text("duration = 4\ndelay = 0.5", two("")), folder.path() / "film.toml");
  Appliance appliance(config);
  const test::Knobs knobs(test::kSinglePlanar);
  ASSERT_TRUE(knobs.set("percentage_of_dropped_buffers", 50));
  appliance.start();
  while (!appliance.ended()) clock::sleep_until_ns(clock::now_ns() + 20 * clock::kMillisecond_ns);
  appliance.finish();
  knobs.set("percentage_of_dropped_buffers", 0);
  const auto r = appliance.report();
  const auto& left = r.cameras.at(0);
  EXPECT_GT(left.gaps, 20u);
  EXPECT_NEAR(static_cast<double>(left.captured + left.gaps), 98, 12);
  EXPECT_LT(r.cameras.at(1).gaps, 10u);
  EXPECT_GT(r.presented, 50u) << "the picture goes on";
}

// The picture goes on with the other camera, and the one that was away is back in it.
TEST(CamerasGuest, OneUnpluggedAndBackWhileTheOtherGoesOn) {
  const int rounds = std::getenv("GANTRY_LONG") ? 20 : 2;
  test::Folder folder;
  const Config config =
      parse_config(text(fmt::format("duration = {}\ndelay = 0.5", 3 + 3 * rounds), two("", 10)),
                   folder.path() / "film.toml");
  Appliance appliance(config);
  appliance.start();
  const auto& left = appliance.telemetry().cameras[0];
  for (int round = 0; round < rounds; ++round) {
    clock::sleep_until_ns(clock::now_ns() + 3 * clock::kSecond_ns);
    EXPECT_EQ(left.losses.read(), static_cast<std::uint64_t>(round));
    const auto before = left.captured.read();
    EXPECT_GT(before, 5u * static_cast<unsigned>(round)) << "it was back";
    EXPECT_TRUE(test::Knobs(test::kSinglePlanar).set("disconnect", 1));
  }
  while (!appliance.ended()) clock::sleep_until_ns(clock::now_ns() + 20 * clock::kMillisecond_ns);
  appliance.finish();
  const auto r = appliance.report();
  test::expect_sums(r);
  EXPECT_EQ(r.cameras.at(0).losses, static_cast<std::uint64_t>(rounds));
  EXPECT_EQ(r.cameras.at(1).losses, 0u);
  EXPECT_GT(r.cameras.at(0).captured, 10u * static_cast<unsigned>(rounds));
  EXPECT_GT(r.presented, 20u * static_cast<unsigned>(rounds));
}

// No battery for the clock, and then the network's time: a year on, and back.
TEST(CamerasGuest, TheWallClockJumpsByAYearAndNothingHappens) {
  test::Folder folder;
  const Config config =
      parse_config(text("duration = 5\ndelay = 0.5", two("", 10)), folder.path() / "film.toml");
  Appliance appliance(config);
  const auto jump = [](std::int64_t seconds) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += seconds;
    return clock_settime(CLOCK_REALTIME, &now) == 0;
  };
  constexpr std::int64_t kYear_s = 365 * 86400;
  appliance.start();
  clock::sleep_until_ns(clock::now_ns() + 2 * clock::kSecond_ns);
  ASSERT_TRUE(jump(kYear_s));
  clock::sleep_until_ns(clock::now_ns() + 1500 * clock::kMillisecond_ns);
  ASSERT_TRUE(jump(-kYear_s));
  while (!appliance.ended()) clock::sleep_until_ns(clock::now_ns() + 20 * clock::kMillisecond_ns);
  appliance.finish();
  const auto r = appliance.report();
  test::expect_sums(r);
  for (const auto& c : r.cameras) {
    EXPECT_NEAR(static_cast<double>(c.captured + c.gaps), 48, 8) << c.name;
    EXPECT_EQ(c.losses, 0u) << c.name;
  }
  EXPECT_LT(r.delay_max_error_ms, 2000);
  EXPECT_LT(r.duration_s, 8);
}

TEST(CamerasGuest, OneOfTwoIsEnoughWhereTheConfigurationSaysSo) {
  test::Folder folder;
  const auto cameras = camera("left", test::kSinglePlanar, "") + camera("right", "usb-nowhere", "");
  const auto r = test::film(text("duration = 3\ndelay = 0.5", cameras), folder.path());
  EXPECT_GT(r.cameras.at(0).captured, 60u);
  EXPECT_EQ(r.cameras.at(1).captured, 0u);
  EXPECT_GT(r.presented, 40u);
  const auto refused = test::refusal([&] {
    const Config config =
        parse_config(text("allow_missing_camera = false", cameras), folder.path() / "film.toml");
    Appliance appliance(config);
  });
  EXPECT_TRUE(refused.starts_with("camera right: usb-nowhere: no camera is plugged in there"))
      << refused;
}

// Their nodes are links that come later.
TEST(CamerasGuest, WithoutAnyASlateIsShownAndTheFilmBeginsWhenTheyArePluggedIn) {
  test::Folder folder;
  const auto left = folder.path() / "left", right = folder.path() / "right";
  const Config config =
      parse_config(text("duration = 9\ndelay = 0.5", camera("left", left.c_str(), "", 10) +
                                                         camera("right", right.c_str(), "", 10)),
                   folder.path() / "film.toml");
  Appliance appliance(config);
  appliance.start();
  const auto start_ns = clock::now_ns();
  const Telemetry& t = appliance.telemetry();
  std::uint64_t slates = 0;
  while (!appliance.ended()) {
    clock::sleep_until_ns(clock::now_ns() + 100 * clock::kMillisecond_ns);
    if (slates > 0 || clock::now_ns() - start_ns < 3 * clock::kSecond_ns) continue;
    slates = t.slates.read();
    EXPECT_GT(slates, 20u);
    EXPECT_EQ(t.presented.read(), 0u);
    std::filesystem::create_symlink(v4l2::find_node(test::kSinglePlanar), left);
    std::filesystem::create_symlink(v4l2::find_node(test::kMultiPlanar), right);
  }
  appliance.finish();
  const RunReport r = appliance.report();
  test::expect_sums(r);
  for (const auto& c : r.cameras) EXPECT_GT(c.captured, 20u) << c.name;  // of 60; a try every 4 s
  EXPECT_GT(r.presented, 20u);
}

// vivid's automatic gain changes every second.
TEST(CamerasGuest, OneCameraDecidesOnTheExposureOfBoth) {
  test::Folder folder;
  const Config config =
      parse_config(text("duration = 6\ndelay = 0.5",
                        camera("left", test::kSinglePlanar, "gain = 0\n", 10) +
                            camera("right", test::kMultiPlanar, "exposure_of = \"left\"\n", 10)),
                   folder.path() / "film.toml");
  const test::Knobs left(test::kSinglePlanar), right(test::kMultiPlanar);
  ASSERT_TRUE(right.set("gain_automatic", 1));
  Appliance appliance(config);
  appliance.start();
  std::set<std::int64_t> gains;
  while (!appliance.ended()) {
    clock::sleep_until_ns(clock::now_ns() + 200 * clock::kMillisecond_ns);
    gains.insert(right.get("gain"));
    if (appliance.telemetry().cameras[1].captured.read() < 30) continue;
    EXPECT_EQ(right.get("gain_automatic"), 0);
    EXPECT_NEAR(static_cast<double>(right.get("gain")), static_cast<double>(left.get("gain")), 2);
  }
  appliance.finish();
  EXPECT_GT(gains.size(), 3u) << "the gain was to change";
}

TEST(CamerasGuest, TheSameCameraTwiceAndFilmingFastAreRefused) {
  test::Folder folder;
  const auto refused = [&](const std::string& config_text) {
    return test::refusal([&] {
      const Config config = parse_config(config_text, folder.path() / "film.toml");
      Appliance appliance(config);
    });
  };
  const std::string node = v4l2::find_node(test::kSinglePlanar);
  const auto twice = refused(
      text("", camera("left", test::kSinglePlanar, "") + camera("right", node.c_str(), "")));
  EXPECT_NE(twice.find("camera right: " + node + " is camera left already"), std::string::npos)
      << twice;
  const auto fast = refused(text("pace = \"fast\"", two("")));
  EXPECT_NE(fast.find("\"fast\" is for files; camera left films by the clock"), std::string::npos)
      << fast;
}

// The doors that are shown open are those that the cameras' own tests go through.
TEST(CamerasGuest, TheDoctorNamesThemByTheirBusAndShowsTheirDoors) {
  std::FILE* pipe = popen((std::string(GANTRY_BINARY) + " doctor 2>&1").c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string said;
  for (char part[4096]; std::fgets(part, sizeof part, pipe);) said += part;
  EXPECT_EQ(pclose(pipe), 0);
  const bool imports = std::getenv("OPENCL_LAYERS") != nullptr;
  for (const char* words :
       {"device = \"platform:vivid-000\"  (vivid, vivid, /dev/video",
        "device = \"platform:vivid-001\"  (vivid, vivid, /dev/video",
        "[x] import of /dev/dma_heap/system     NV12 is written straight into the surface",
        "[x] surface by its address             NV12 is written straight into the surface",
        "[x] export of the device's own memory  NV12 is written straight into the surface",
        "[x] the device's own memory, mapped", "[x] surfaces themselves on planes",
        imports ? "[x] DMA-buf imported into OpenCL" : "[ ] DMA-buf imported into OpenCL"})
    EXPECT_NE(said.find(words), std::string::npos) << words << "\n" << said;
}

}  // namespace
}  // namespace gantry
