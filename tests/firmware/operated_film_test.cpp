// A film with all that an operator sees and says: overlay, debug recording, detection log, control.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "firmware/detection_log_reader.hpp"
#include "tests/firmware/filming.hpp"
#include "tests/pipeline/marker_network.hpp"

namespace gantry {
namespace {

// A view, a debug recording and both logs, of what a network of painted markers makes of the match.
class OperatedFilm : public testing::Test {
 protected:
  test::Folder folder_;

  void SetUp() override {
    const auto plan = MarkerNetwork::file(4, 3, 0, "{0: 'ball', 1: 'person'}");
    std::ofstream(folder_.path() / "markers.plan", std::ios::binary)
        .write(reinterpret_cast<const char*>(plan.data()),
               static_cast<std::streamsize>(plan.size()));
  }
  std::string text(const std::string& run_keys, const std::string& more = {}) const {
    return test::demo_text(
        run_keys,
        "[sim]\nseed = 4\n[director]\nmode = \"sweep\"\nwidth = 640\nheight = 360\n"
        "[detector]\nenabled = true\nplan = \"markers.plan\"\n[detector.tiles]\nper_analysis = 6\n"
        "seen_every = 0.5\n[detector.ball]\nconfidence = 0.01\nwidth = [0.1, 500]\nheight = [0.1, "
        "500]\naspect = [0.001, 1000]\n"
        "[overlay]\nview = true\n"
        "[detection_log]\nfile = \"seen.jsonl\"\ntsv = \"balls.tsv\"\n"
        "[[output]]\npath = \"view.mkv\"\npreset = \"ultrafast\"\nquality = 10\n"
        "[[output]]\npath = \"debug.mkv\"\npicture = \"debug\"\nwidth = 474\npreset = "
        "\"ultrafast\"\n"
        "quality = 10\n" +
            more);
  }
  struct Logged {
    std::size_t lines = 0, decided = 0, boxes = 0;
    double leftmost = 10, rightmost = -10;  // yaw of the camera
  };
  Logged read_log() const {
    detection_log::Reader reader(folder_.path() / "seen.jsonl");
    EXPECT_EQ(reader.header().panorama.width, 950);
    EXPECT_EQ(reader.header().view_width, 640);
    const auto found = std::make_unique<Detections>();
    Logged logged;
    std::int64_t last_ns = INT64_MIN;
    while (reader.next(*found)) {
      EXPECT_GT(found->capture_ns, last_ns) << "in their order";
      last_ns = found->capture_ns;
      ++logged.lines;
      logged.boxes += found->count;
      if (const auto& d = reader.decision()) {
        ++logged.decided;
        logged.leftmost = std::min(logged.leftmost, d->pose.yaw);
        logged.rightmost = std::max(logged.rightmost, d->pose.yaw);
      }
    }
    return logged;
  }
  // The text's ground is dark and its letters are light, in the top left corner of every picture.
  int pictures_with_text(const char* name, int width, int height) const {
    int pictures = 0;
    test::read_film(folder_.path() / name, [&](const Surface& s, std::int64_t) {
      EXPECT_EQ(s.layout.width, width);
      EXPECT_EQ(s.layout.height, height);
      int dark = 0, light = 0;
      for (int y = 4; y < 12; ++y)
        for (int x = 4; x < 150; ++x) {
          const int luma = s.luma()[y * s.layout.pitch + x];
          dark += luma < 110;
          light += luma > 150;
        }
      pictures += dark > 600 && light > 150;
    });
    return pictures;
  }
};

// PoCL keeps a shared object for each kernel and size of launch that it has compiled; it looks once
// where to.
class FilmWithAnEmptyCache : public OperatedFilm {
 protected:
  const std::filesystem::path cache_ = folder_.path() / "pocl";
  FilmWithAnEmptyCache() { setenv("POCL_CACHE_DIR", cache_.c_str(), 1); }
  // "view_luma/1-1-1-goffs0-smallgrid": each kernel and size.
  std::set<std::string> compiled() const {
    std::set<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(cache_, none))
      if (entry.path().extension() == ".so") {
        const auto size = entry.path().parent_path();
        names.insert((size.parent_path().filename() / size.filename()).string());
      }
    return names;
  }
};

TEST_F(FilmWithAnEmptyCache, EveryKernelIsCompiledBeforeIt) {
  const Config config =
      parse_config(text("duration = 1\ndelay = 0.4"), folder_.path() / "film.toml");
  Appliance appliance(config);
  const auto before = compiled();
  if (before.empty()) GTEST_SKIP() << "the driver does not show what it compiles";
  appliance.start();
  while (!appliance.ended()) clock::sleep_until_ns(clock::now_ns() + 20 * clock::kMillisecond_ns);
  appliance.finish();
  EXPECT_GT(appliance.report().presented, 0u);
  EXPECT_EQ(compiled(), before);
}

TEST_F(OperatedFilm, FastEverythingIsThereOnceForEachFrame) {
  const auto r = test::film(text("pace = \"fast\"\nduration = 1\ndelay = 0.4"), folder_.path());
  EXPECT_EQ(r.presented, 30u);
  ASSERT_EQ(r.outputs.size(), 2u);
  for (const auto& o : r.outputs) EXPECT_EQ(o.frames, 30u) << o.path;
  for (const auto& [stage, drops] : r.drops) EXPECT_EQ(drops, 0u) << stage;
  EXPECT_EQ(r.frame_thread_allocations, 0u);
  EXPECT_EQ(pictures_with_text("view.mkv", 640, 360), 30);
  EXPECT_EQ(pictures_with_text("debug.mkv", 474, 158), 30);

  EXPECT_EQ(r.analysed, 30u);
  EXPECT_EQ(r.detections_logged.value(), 30u);
  const Logged logged = read_log();
  EXPECT_EQ(logged.lines, 30u);
  EXPECT_EQ(logged.decided, 30u);
  EXPECT_GT(logged.boxes, 0u);
  std::ifstream tsv(folder_.path() / "balls.tsv");
  std::size_t rows = 0;
  for (std::string row; std::getline(tsv, row); ++rows)
    EXPECT_EQ(std::ranges::count(row, '\t'), 11) << row;
  EXPECT_GT(rows, 1u);

  const auto& tiles = r.tiles.value();
  EXPECT_GT(tiles.planned, 6u);
  EXPECT_LT(tiles.analysed, 30 * tiles.planned) << "a part of them each time";
  EXPECT_LE(tiles.longest_unseen_s, 0.5);
}

// What an operator's program does, while the film runs.
class Operator {
 public:
  explicit Operator(const std::filesystem::path& path) : path_(path) {}
  std::string ask(const std::string& line) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    std::string answer;
    if (connect(s, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      const std::string bytes = line + "\n";
      send(s, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      for (char c = 0; recv(s, &c, 1, 0) == 1 && c != '\n';) answer += c;
    }
    close(s);
    return answer;
  }
  bool wait_for(const std::string& part, double seconds) const {
    const auto end_ns = clock::now_ns() + static_cast<std::int64_t>(seconds * 1e9);
    while (clock::now_ns() < end_ns) {
      if (ask("status").find(part) != std::string::npos) return true;
      clock::sleep_until_ns(clock::now_ns() + 20 * clock::kMillisecond_ns);
    }
    return false;
  }

 private:
  std::filesystem::path path_;
};

TEST_F(OperatedFilm, AnOperatorSteersWhileItFilms) {
  const auto socket = folder_.path() / "control";
  std::atomic<bool> manual = false, handed_back = false, fixed = false;
  std::thread person([&] {
    const Operator o(socket);
    if (!o.wait_for("\"director\":\"sweep\"", 10)) return;
    manual = o.ask("pan -25 zoom 40 for 1") == "ok" && o.wait_for("\"director\":\"manual\"", 5);
    handed_back = o.wait_for("\"director\":\"sweep\"", 5);
    fixed = o.ask("director fixed") == "ok" && o.wait_for("\"director\":\"fixed\"", 5);
    o.ask("rubbish");
  });
  const auto r = test::film(text("duration = 5\ndelay = 0.5",
                                 "[director.fixed]\nyaw = 10\n[director.sweep]\nspeed = 5\n"
                                 "[control]\nsocket = \"control\"\n"),
                            folder_.path());
  person.join();
  EXPECT_TRUE(manual);
  EXPECT_TRUE(handed_back);
  EXPECT_TRUE(fixed);
  EXPECT_FALSE(std::filesystem::exists(socket)) << "it goes with the film";
  EXPECT_GT(r.presented, 60u);
  EXPECT_EQ(r.frame_thread_allocations, 0u);
  const Logged logged = read_log();
  EXPECT_GT(logged.decided, 10u);
  EXPECT_EQ(logged.lines, r.detections_logged.value());
  EXPECT_EQ(r.analysed, r.detections_logged.value() + r.drops.at("detection_log"));
}

}  // namespace
}  // namespace gantry
