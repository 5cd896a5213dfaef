// Disks and peers that fail under a running appliance: what is lost, and that it comes back.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <fstream>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "firmware/recordings.hpp"
#include "tests/firmware/filming.hpp"

namespace gantry {
namespace {

namespace fs = std::filesystem;

// A file system of a few megabytes; gone with the test.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& at) : at_(at) {
    fs::create_directories(at);
    mounted_ = mount("gantry", at.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(at_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  bool read_only(bool on) {
    return mount(nullptr, at_.c_str(), nullptr, MS_REMOUNT | (on ? MS_RDONLY : 0), "size=4m") == 0;
  }

 private:
  fs::path at_;
  bool mounted_ = false;
};

std::string filming_to(const std::string& path, const std::string& more,
                       const char* quality = "12") {
  return fmt::format(
      "[director]\nmode = \"sweep\"\nwidth = 640\nheight = 360\n[[output]]\npath = \"{}\"\n"
      "preset = \"ultrafast\"\nquality = {}\n{}",
      path, quality, more);
}

int pictures_in(const fs::path& film) {
  int pictures = 0;
  test::read_film(film, [&](const Surface&, std::int64_t) { ++pictures; });
  return pictures;
}

std::vector<fs::path> films_in(const fs::path& folder) {
  std::vector<fs::path> films;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".mp4") films.push_back(entry.path());
  return films;
}

TEST(DiskFaults, AFullDiskCostsTheOldestRecordingsAndTheFilmGoesOn) {
  test::Folder folder;
  const auto disk_path = folder.path() / "films";
  SmallDisk disk(disk_path);
  if (!disk.mounted()) GTEST_SKIP() << "a disk of our own needs root: " << std::strerror(errno);
  for (const char* name : {"old.mp4", "kept.mp4"}) {
    std::ofstream(disk_path / name) << std::string(1'000'000, 'x');
    fs::last_write_time(disk_path / name,
                        fs::file_time_type::clock::now() - std::chrono::hours(24));
  }
  std::ofstream(disk_path / "kept.mp4.keep");
  std::optional<RecordingsKeeper> keeper(std::in_place,
                                         RecordingsPolicy{disk_path, 1'000'000, ".keep"});
  // About a megabyte a second into three.
  const auto r = test::film(
      test::demo_text("duration = 12\ndelay = 0.3",
                      filming_to("match.mp4", "[recordings]\nfolder = \"films\"\n", "2")),
      folder.path());
  keeper.reset();
  EXPECT_GT(r.presented, 100u);
  EXPECT_FALSE(fs::exists(disk_path / "old.mp4")) << "the oldest went first";
  EXPECT_TRUE(fs::exists(disk_path / "kept.mp4")) << "protected";
  const auto& output = r.outputs.at(0);
  EXPECT_EQ(r.presented, output.frames + output.dropped);
  EXPECT_GT(output.frames, 0u);
  int files = 0;
  for (const auto& film : films_in(disk_path)) {
    if (film.filename() == "kept.mp4") continue;
    EXPECT_GT(pictures_in(film), 0) << film;
    ++files;
  }
  EXPECT_GT(files, 0);
}

TEST(DiskFaults, ADiskThatTurnsReadOnlyAndBackCostsWhatLiesBetween) {
  test::Folder folder;
  const auto disk_path = folder.path() / "films";
  SmallDisk disk(disk_path);
  if (!disk.mounted()) GTEST_SKIP() << "a disk of our own needs root: " << std::strerror(errno);
  ASSERT_TRUE(disk.read_only(true));
  std::jthread meanwhile;
  const auto start = [&] {
    meanwhile = std::jthread([&] {
      clock::sleep_until_ns(clock::now_ns() + 6 * clock::kSecond_ns);
      EXPECT_TRUE(disk.read_only(false));
    });
  };
  const auto r = test::film(
      test::demo_text("duration = 14\ndelay = 0.3",
                      filming_to("match.mp4", "[recordings]\nfolder = \"films\"\n", "28")),
      folder.path(), start);
  EXPECT_GT(r.presented, 100u);
  const auto& output = r.outputs.at(0);
  EXPECT_EQ(r.presented, output.frames + output.dropped);
  EXPECT_GT(output.dropped, 15u) << "while it was read-only";
  EXPECT_GT(output.frames, 60u) << "and then no more";
  EXPECT_EQ(pictures_in(disk_path / "match.mp4"), static_cast<int>(output.frames));
}

// 30 s in the long form, as long as a peer may sleep before the run is given up.
TEST(DiskFaults, AnEncoderThatStallsAndGoesOnCostsItsOwnPicturesAlone) {
  const int stall_s = std::getenv("GANTRY_LONG") ? 30 : 4;
  test::Folder folder;
  const auto pipe = folder.path() / "stream.ts";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = open(pipe.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  std::atomic<bool> done{false};
  std::atomic<std::size_t> received{0};
  std::thread peer([&] {
    for (int waiting = 0; waiting == 0 && !done; ioctl(reader, FIONREAD, &waiting))
      clock::sleep_until_ns(clock::now_ns() + 5 * clock::kMillisecond_ns);
    clock::sleep_until_ns(clock::now_ns() + stall_s * clock::kSecond_ns);
    char part[65536];
    while (!done) {
      const auto n = read(reader, part, sizeof part);
      if (n > 0)
        received += static_cast<std::size_t>(n);
      else
        clock::sleep_until_ns(clock::now_ns() + 5 * clock::kMillisecond_ns);
    }
  });
  const auto r = test::film(
      test::demo_text(fmt::format("duration = {}\ndelay = 0.3", stall_s + 3),
                      filming_to("film.mp4",
                                 "[[output]]\npath = \"stream.ts\"\npreset = \"ultrafast\"\n"
                                 "quality = 1\n")),
      folder.path());
  done = true;
  peer.join();
  close(reader);
  EXPECT_GT(r.outputs.at(0).frames, r.outputs.at(1).frames) << "the file beside it";
  EXPECT_GT(r.outputs.at(1).dropped, 10u) << "the stream, while nobody read it";
  EXPECT_GT(r.outputs.at(1).frames, 30u) << "and after";
  EXPECT_GT(received.load(), 100'000u);
}

}  // namespace
}  // namespace gantry
