// Recordings: names that may not leave the folder, and who goes when the disk is full.
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include "firmware/recordings.hpp"
#include "tests/firmware/filming.hpp"

namespace gantry {
namespace {

namespace fs = std::filesystem;

TEST(Confined, NamesStayInsideOfTheFolder) {
  for (const char* name : {"match.mp4", "a/b.mp4", "a//b.mp4", "spiel 1 äöü.mkv", "a/x/../b.ts"}) {
    const auto path = confined("/data/recordings", name);
    EXPECT_EQ(path.string().find("/data/recordings/"), 0u) << name;
    EXPECT_EQ(path.string().find(".."), std::string::npos) << name;
  }
  for (const std::string& name :
       {std::string(""), std::string("."), std::string(".."), std::string("../x.mp4"),
        std::string("a/../../x.mp4"), std::string("/etc/passwd"), std::string(".hidden.mp4"),
        std::string("a/.b/c.mp4"), std::string("a/"), std::string("x\0y", 3)}) {
    EXPECT_THROW(confined("/data/recordings", name), std::runtime_error) << name;
  }
}

// Files of 10 bytes on a disk of 100; older ones have lower numbers.
class Disk : public testing::Test {
 protected:
  fs::path make(const std::string& name, int hours_ago) {
    const auto file = folder_.path() / name;
    std::ofstream(file) << "0123456789";
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(hours_ago));
    return file;
  }
  std::int64_t free() const {
    std::int64_t used = 0;
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      used += static_cast<std::int64_t>(entry.file_size());
    return 100 - used;
  }
  std::vector<std::string> make_room(std::int64_t keep_free) {
    std::vector<std::string> names;
    for (const auto& file : gantry::make_room(
             {folder_.path(), keep_free, ".keep"}, [this] { return free(); }, enough_))
      names.push_back(file.filename());
    return names;
  }
  test::Folder folder_;
  bool enough_ = false;
};
using Names = std::vector<std::string>;

TEST_F(Disk, TheOldestGoFirstAndNoMoreThanNeeded) {
  make("c.mp4", 1), make("a.mkv", 3), make("b.ts", 2);
  EXPECT_EQ(make_room(70), Names{});
  EXPECT_TRUE(enough_);
  EXPECT_EQ(make_room(85), (Names{"a.mkv", "b.ts"}));
  EXPECT_TRUE(enough_);
  EXPECT_TRUE(fs::exists(folder_.path() / "c.mp4"));
}

TEST_F(Disk, ProtectedOnesOthersFilesAndLinksStay) {
  make("a.mp4", 9);
  std::ofstream(folder_.path() / "a.mp4.keep");
  make("notes.txt", 9);
  fs::create_directory(folder_.path() / "older.mp4");
  make("b.mp4", 1);
  const auto elsewhere = folder_.path() / "elsewhere.dat";
  std::ofstream(elsewhere) << "0";
  fs::create_symlink(elsewhere, folder_.path() / "link.mp4");
  bool enough = true;
  const auto removed = gantry::make_room(
      {folder_.path(), 1'000, ".keep"}, [] { return std::int64_t{0}; }, enough);
  EXPECT_FALSE(enough);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].filename(), "b.mp4");
  EXPECT_TRUE(fs::exists(elsewhere));
}

TEST_F(Disk, ARecordingThatIsBeingWrittenStays) {
  const auto file = make("a.mp4", 9);
  make("b.mp4", 1);
  const int writer = open(file.c_str(), O_WRONLY);
  flock(writer, LOCK_SH);
  EXPECT_EQ(make_room(95), Names{"b.mp4"});
  EXPECT_FALSE(enough_);
  close(writer);
  EXPECT_EQ(make_room(95), Names{"a.mp4"});
}

TEST(Recordings, AFilmOfTheRunIsNeitherOverwrittenNorRemoved) {
  test::Folder folder;
  const auto text =
      test::demo_text("pace = \"fast\"\nduration = 0.3\ndelay = 0.1",
                      "[director]\nmode = \"sweep\"\nwidth = 640\nheight = 360\n[[output]]\npath = "
                      "\"match.mp4\"\n[recordings]\nfolder = \"films\"\n");
  fs::create_directory(folder.path() / "films");
  for (int i = 0; i < 2; ++i) test::film(text, folder.path());
  EXPECT_TRUE(fs::exists(folder.path() / "films/match.mp4"));
  EXPECT_TRUE(fs::exists(folder.path() / "films/match-1.mp4"));
  auto outside = text;
  outside.replace(outside.find("match.mp4"), 9, "../../m.mp4");
  EXPECT_THROW(parse_config(outside, folder.path() / "film.toml"), std::runtime_error);
}

}  // namespace
}  // namespace gantry
