// The whole machine, from simulated cameras to a film: order, delay, counts, and what ends it.
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "tests/firmware/board_view.hpp"
#include "tests/firmware/sums.hpp"

namespace gantry {
namespace {

std::string board_film(const test::BoardView& view, const std::string& run_keys,
                       const std::string& more = {}) {
  return test::board_text(
      view, run_keys,
      "[[output]]\npath = \"film.mkv\"\npreset = \"ultrafast\"\nquality = 18\n" + more);
}

test::BoardView demo_board() {
  return test::look_at_board(test::demo_rig(), 0, 1280, 720);
}

struct ReadFilm {
  std::vector<FrameStamp> stamps;
  std::vector<std::int64_t> shown_ns;
  int unreadable = 0;
};

ReadFilm read_stamps(const std::filesystem::path& file, const test::BoardView& view) {
  ReadFilm film;
  test::read_film(file, [&](const Surface& s, std::int64_t at_ns) {
    const auto stamp =
        read_board({s.luma(), s.layout.width, s.layout.height, s.layout.pitch}, view.corners);
    if (!stamp) {
      ++film.unreadable;
      return;
    }
    film.stamps.push_back(*stamp);
    film.shown_ns.push_back(at_ns);
  });
  return film;
}

using test::expect_sums;

TEST(Film, FastEveryPictureOnceInOrderWithItsOwnTime) {
  test::Folder folder;
  const auto view = demo_board();
  const auto r =
      test::film(board_film(view, "pace = \"fast\"\nduration = 3\ndelay = 1.5"), folder.path());
  EXPECT_EQ(r.paired, 90u);
  EXPECT_EQ(r.presented, 90u);
  EXPECT_EQ(r.repeated, 0u);
  EXPECT_EQ(r.late, 0u);
  for (const auto& [stage, drops] : r.drops) EXPECT_EQ(drops, 0u) << stage;
  expect_sums(r);
  const auto film = read_stamps(folder.path() / "film.mkv", view);
  EXPECT_EQ(film.unreadable, 0);
  ASSERT_EQ(film.stamps.size(), 90u);
  for (std::size_t i = 0; i < film.stamps.size(); ++i) {
    EXPECT_EQ(film.stamps[i].frame, i);
    // Matroska keeps milliseconds.
    EXPECT_NEAR(1e-6 * static_cast<double>(film.shown_ns[i] - film.shown_ns[0]),
                1e-6 * static_cast<double>(film.stamps[i].capture_ns - film.stamps[0].capture_ns),
                1.0);
  }
}

TEST(Film, FastIsTheSameFilmTwice) {
  std::array<std::vector<std::byte>, 2> films;
  for (auto& film : films) {
    test::Folder folder;
    test::film(test::demo_text("pace = \"fast\"\nduration = 0.5\ndelay = 0.2",
                               "[director]\nmode = \"sweep\"\nwidth = 640\nheight = "
                               "360\n[[output]]\npath = \"film.mkv\"\n"),
               folder.path());
    test::read_film(folder.path() / "film.mkv", [&](const Surface& s, std::int64_t) {
      film.insert(film.end(), s.memory.host, s.memory.host + s.layout.bytes());
    });
  }
  ASSERT_FALSE(films[0].empty());
  EXPECT_TRUE(films[0] == films[1]);
}

TEST(Film, RealTimeShowsEachPictureItsDelayAfterItsCapture) {
  test::Folder folder;
  const auto view = demo_board();
  const auto r = test::film(board_film(view, "duration = 3\ndelay = 1"), folder.path());
  expect_sums(r);
  const auto film = read_stamps(folder.path() / "film.mkv", view);
  EXPECT_EQ(film.unreadable, 0);
  ASSERT_GT(film.stamps.size(), 60u);
  for (std::size_t i = 1; i < film.stamps.size(); ++i) {
    EXPECT_GT(film.stamps[i].frame, film.stamps[i - 1].frame - (r.repeated ? 1 : 0)) << "order";
    if (r.repeated == 0) {
      EXPECT_NEAR(1e-6 * static_cast<double>(film.shown_ns[i] - film.shown_ns[0]),
                  1e-6 * static_cast<double>(film.stamps[i].capture_ns - film.stamps[0].capture_ns),
                  1.0);
    }
  }
  EXPECT_GE(r.slates, 25u) << "the delay fills with slates";
  EXPECT_EQ(r.frame_thread_allocations, 0u);
}

TEST(Film, ViewAndPanoramaAreRecordedAtTheSameTime) {
  test::Folder folder;
  const auto r =
      test::film(test::demo_text("pace = \"fast\"\nduration = 1\ndelay = 0.4",
                                 "[director]\nmode = \"sweep\"\nwidth = 640\nheight = "
                                 "360\n[[output]]\npath = \"view.mp4\"\n"
                                 "[[output]]\npath = \"panorama.mkv\"\npicture = \"panorama\"\n"),
                 folder.path());
  expect_sums(r);
  ASSERT_EQ(r.outputs.size(), 2u);
  for (const auto& output : r.outputs) EXPECT_EQ(output.frames, 30u) << output.path;
  int pictures = 0;
  test::read_film(folder.path() / "panorama.mkv", [&](const Surface& s, std::int64_t) {
    ++pictures;
    EXPECT_EQ(s.layout.width, 950);
    // Grass in the middle, sky above: the right way up.
    const auto at = [&](int x, int y) { return s.chroma()[y / 2 * s.layout.pitch + x / 2 * 2]; };
    EXPECT_LT(at(600, 250), 120) << "Cb of grass";
    EXPECT_GT(at(300, 10), 128) << "Cb of the sky";
  });
  EXPECT_EQ(pictures, 30);
}

TEST(Film, DelayZeroWorks) {
  test::Folder folder;
  const auto r = test::film(board_film(demo_board(), "duration = 1.5\ndelay = 0"), folder.path());
  expect_sums(r);
  EXPECT_GT(r.presented, 30u);
}

TEST(Film, AStitcherThatCannotKeepUpCostsPicturesThatAreAllCounted) {
  test::Folder folder;
  auto text = test::demo_text("duration = 2\ndelay = 0.5",
                              "[sim]\nframes_per_second = 240\n[director]\nmode = \"sweep\"\n"
                              "[[output]]\npath = \"film.mkv\"\npreset = \"ultrafast\"\n");
  const auto r = test::film(text, folder.path());
  expect_sums(r);
  std::uint64_t dropped = r.unpaired + r.drops.at("never_shown") + r.outputs.at(0).dropped;
  for (const auto& [stage, drops] : r.drops) dropped += drops;
  for (const auto& c : r.cameras) dropped += c.gaps;
  EXPECT_GT(dropped, 0u) << "240 pictures a second at 1920x1080 are too many for any test machine";
}

// A peer that takes the connection and then reads nothing until it hangs up.
class DeafPeer {
 public:
  explicit DeafPeer(int seconds) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    const int small = 4096;
    setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    listen(listener_, 1);
    thread_ = std::thread([this, seconds] {
      const int connection = accept(listener_, nullptr, nullptr);
      clock::sleep_until_ns(clock::now_ns() + seconds * clock::kSecond_ns);
      close(connection);
      close(listener_);
    });
  }
  ~DeafPeer() { thread_.join(); }
  int port() const { return port_; }

 private:
  int listener_ = -1, port_ = 0;
  std::thread thread_;
};

TEST(Film, AStalledOutputCostsItsOwnPicturesAndNobodyElses) {
  signal(SIGPIPE, SIG_IGN);
  test::Folder folder;
  DeafPeer peer(7);
  const auto r = test::film(
      test::demo_text(
          "duration = 3\ndelay = 0.5",
          "[director]\nmode = \"sweep\"\nwidth = 1280\nheight = 720\n[[output]]\npath = "
          "\"film.mkv\"\n"
          "preset = \"ultrafast\"\n" +
              fmt::format(
                  "[[output]]\npath = \"tcp://127.0.0.1:{}\"\npreset = \"ultrafast\"\nquality = 1\n"
                  "slate = false\n",
                  peer.port())),
      folder.path());
  EXPECT_GT(r.presented, 80u);
  EXPECT_GT(r.outputs.at(0).frames, 75u) << "the file beside the stalled stream";
  EXPECT_GT(r.outputs.at(1).dropped, 10u) << "the stream that nobody reads";
  for (const auto& c : r.cameras) EXPECT_EQ(c.dropped, 0u) << c.name;
}

TEST(Film, ALossyCameraIsCounted) {
  test::Folder folder;
  auto text = board_film(demo_board(), "pace = \"fast\"\nduration = 2\ndelay = 0.5");
  text.replace(text.find("name = \"right\"\nsource = \"sim\"\n"), 30,
               "name = \"right\"\nsource = \"sim\"\ndrop_every = 10\n");
  const auto r = test::film(text, folder.path());
  expect_sums(r);
  // Pictures 9, 19 … 59 never come; the last leaves no gap, and its partner goes on alone at the end.
  EXPECT_EQ(r.cameras.at(1).captured, 54u);
  EXPECT_EQ(r.cameras.at(1).gaps, 5u);
  EXPECT_EQ(r.cameras.at(0).unpaired + r.cameras.at(1).missing, 6u);
}

// The right camera is pulled out for two seconds. Within one its part shows a slate, the left camera
// never notices, and afterwards both are there.
TEST(Film, ALostCameraLeavesASlateAndComesBack) {
  test::Folder folder;
  auto text = test::demo_text("duration = 7\ndelay = 0.3",
                              "[director]\nmode = \"sweep\"\nwidth = 640\nheight = 360\n"
                              "[[output]]\npath = \"panorama.mkv\"\npicture = \"panorama\"\n"
                              "preset = \"ultrafast\"\n");
  text.replace(text.find("name = \"right\"\nsource = \"sim\"\n"), 30,
               "name = \"right\"\nsource = \"sim\"\nunplug_after = 2\nunplug_for = 2\n");
  const auto r = test::film(text, folder.path());
  EXPECT_EQ(r.cameras.at(0).losses, 0u);
  EXPECT_EQ(r.cameras.at(1).losses, 1u);
  EXPECT_GT(r.cameras.at(0).captured, 200u) << "of 210";
  EXPECT_LT(r.cameras.at(1).captured, 160u);
  EXPECT_EQ(r.frame_thread_allocations, 0u);
  // Grass is not grey: the mean distance of Cb and Cr from 128 in the outer quarters.
  std::vector<std::array<double, 2>> colours;
  std::vector<double> at_s;
  test::read_film(folder.path() / "panorama.mkv", [&](const Surface& s, std::int64_t at_ns) {
    std::array<double, 2> sum{};
    const int w = s.layout.width, h = s.layout.height;
    for (int side = 0; side < 2; ++side)
      for (int y = h / 4; y < h * 7 / 16; ++y)
        for (int x = 0; x < w / 4; ++x)
          sum[side] += std::abs(int(s.chroma()[y * s.layout.pitch + (side ? w - 1 - x : x)]) - 128);
    colours.push_back({sum[0] / (w / 4.0 * h * 3 / 16), sum[1] / (w / 4.0 * h * 3 / 16)});
    at_s.push_back(1e-9 * static_cast<double>(at_ns));
  });
  double first_slate_s = 0, last_slate_s = 0;
  for (std::size_t i = 0; i < colours.size(); ++i) {
    EXPECT_GT(colours[i][0], 5) << "the left camera at " << at_s[i] << " s";
    if (colours[i][1] > 1) continue;
    if (first_slate_s == 0) first_slate_s = at_s[i];
    last_slate_s = at_s[i];
  }
  EXPECT_NEAR(first_slate_s, 2.0, 1.0);
  EXPECT_GT(last_slate_s, 3.8);
  EXPECT_LT(last_slate_s, 6.5) << "back at the third attempt, 3.5 s after the loss";
  EXPECT_GT(colours.back()[1], 5);
}

TEST(Film, ADelayThatNoMemoryHoldsIsRefusedWithSettingsThatFit) {
  test::Folder folder;
  // The demonstration's small cameras, for their ground is rendered first, under a panorama of full size.
  std::ifstream demo(std::string(GANTRY_SOURCE_DIR) + "/firmware/config/rigs/demo.toml");
  std::string rig{std::istreambuf_iterator<char>(demo), {}};
  for (const auto& [small, full] :
       {std::pair{"width = 950", "width = 5700"}, std::pair{"height = 316", "height = 1896"}})
    rig.replace(rig.find(small), std::string(small).size(), full);
  std::ofstream(folder.path() / "rig.toml") << rig;
  auto text = test::demo_text("delay = 60", "[director]\nmode = \"sweep\"\n");
  text.replace(0, text.find('\n'), "rig = \"" + (folder.path() / "rig.toml").string() + "\"");
  try {
    test::film(text, folder.path());
    FAIL() << "60 s of 5700x1896 are 29 GB";
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find("run.delay"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("panorama.width"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace gantry
