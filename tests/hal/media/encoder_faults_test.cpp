// The encoder, whatever happens to the disk or to the process.
// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <random>
#include <thread>

#include <spawn.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/hal/media/encoding.hpp"

extern char** environ;

namespace gantry {
namespace {

using namespace test;

TEST(LibavEncoder, ADiskThatIsFullFromTheStartIsToldAtOnceAndNothingIsLeft) {
  Scratch scratch;
  fs::create_symlink("/dev/full", scratch.path() / "full.mp4");
  try {
    LibavEncoder encoder(config_for(scratch / "full.mp4"));
    FAIL() << "was taken";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("No space left on device"), std::string::npos) << e.what();
  }
}

// Writes until the disk refuses; the file then must hold, playable, all but the last second.
void expect_kept_up_to_the_failure(const std::string& path, const char* cause) {
  auto config = config_for(path);
  config.quality = 1;
  HostPool surfaces(160, 96, 1);
  LibavEncoder encoder(config);
  log_lines();
  int n = 0;
  while (n < 20'000 && write_picture(encoder, surfaces, n) == Status::ok) ++n;
  ASSERT_LT(n, 20'000);
  EXPECT_EQ(write_picture(encoder, surfaces, n + 1), Status::lost);
  EXPECT_EQ(encoder.finish(), Status::lost);
  const auto lines = log_lines();
  EXPECT_EQ(lines.size(), 1u) << "one line for one cause";
  EXPECT_EQ(lines_with(lines, path), 1);
  EXPECT_EQ(lines_with(lines, cause), 1) << lines.front();
  EXPECT_EQ(surfaces.pool.available(), 1u);
  if (!fs::exists(path)) return;
  const auto clip = decode_clip(path);
  EXPECT_EQ(clip.errors, 0) << "cut back to whole pieces";
  EXPECT_EQ(clip.frames.size(), encoder.report().frames);
  EXPECT_EQ(fs::file_size(path), encoder.report().bytes);
  EXPECT_GE(static_cast<double>(clip.frames.size()), n - 1.2 * kRate);
  for (std::size_t i = 0; i < clip.frames.size(); ++i)
    ASSERT_EQ(clip.frames[i].number, static_cast<int>(i));
}

TEST(LibavEncoder, AFullDiskEndsTheOutputAndKeepsItPlayable) {
  Scratch scratch;
  const auto mount_point = scratch / "disk";
  fs::create_directories(mount_point);
  if (mount("gantry", mount_point.c_str(), "tmpfs", 0, "size=400k") != 0)
    GTEST_SKIP() << "a file system of our own needs root: " << std::strerror(errno);
  for (const char* extension : {".mp4", ".mkv"}) {
    const auto path = mount_point + "/out" + extension;
    expect_kept_up_to_the_failure(path, "No space left on device");
    fs::remove(path);
  }
  umount(mount_point.c_str());
}

TEST(LibavEncoder, AFileThatMayNotGrowEndsTheOutputAndKeepsItPlayable) {
  Scratch scratch;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{300'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  for (const char* extension : {".mp4", ".mkv", ".ts"})
    expect_kept_up_to_the_failure(scratch / "out" + extension, "File too large");
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
}

TEST(LibavEncoder, AFolderThatIsDeletedIsNoticed) {
  Scratch scratch;
  fs::create_directories(scratch / "usb");
  std::atomic<bool> gone{false};
  std::thread other([&] {
    while (!fs::exists(scratch / "usb/out.mp4")) std::this_thread::yield();
    fs::remove_all(scratch / "usb");
    gone = true;
  });
  expect_kept_up_to_the_failure(scratch / "usb/out.mp4", "the file was deleted");
  other.join();
  EXPECT_TRUE(gone);
}

TEST(LibavEncoder, AFileThatIsLostIsContinuedUnderTheNextNumber) {
  Scratch scratch;
  HostPool surfaces(160, 96, 1);
  write_bytes(scratch / "match-1.mp4", std::vector<char>(10));
  LibavEncoder encoder(config_for(scratch / "match.mp4"));
  for (int n = 0; n < 40; ++n) ASSERT_EQ(write_picture(encoder, surfaces, n), Status::ok);
  fs::remove(scratch.path() / "match.mp4");
  int n = 40;
  while (n < 1000 && write_picture(encoder, surfaces, n) == Status::ok) ++n;
  ASSERT_LT(n, 1000) << "a deleted file is noticed";
  const auto before = encoder.frames_written();
  ASSERT_EQ(encoder.reopen(), Status::ok);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(write_picture(encoder, surfaces, n + i), Status::ok);
  EXPECT_EQ(encoder.finish(), Status::ok);
  EXPECT_EQ(fs::file_size(scratch.path() / "match-1.mp4"), 10u) << "not ours";
  EXPECT_EQ(decode_clip(scratch / "match-2.mp4").frames.size(), 50u);
  EXPECT_EQ(encoder.report().frames, before + 50);
  EXPECT_EQ(encoder.report().path, scratch / "match.mp4");
}

TEST(LibavEncoder, ADiskThatIsNotThereAtTheStartIsTriedAgain) {
  Scratch scratch;
  HostPool surfaces(160, 96, 1);
  auto config = config_for(scratch / "disk/match.mp4");
  config.open_later = true;
  log_lines();
  LibavEncoder encoder(config);
  EXPECT_FALSE(encoder.open());
  EXPECT_EQ(write_picture(encoder, surfaces, 0), Status::lost);
  EXPECT_EQ(encoder.reopen(), Status::lost);
  EXPECT_EQ(lines_with(log_lines(), "tried again"), 1) << "one line for one cause";
  fs::create_directory(scratch.path() / "disk");
  ASSERT_EQ(encoder.reopen(), Status::ok);
  for (int n = 0; n < 20; ++n) ASSERT_EQ(write_picture(encoder, surfaces, n), Status::ok);
  EXPECT_EQ(encoder.finish(), Status::ok);
  EXPECT_EQ(decode_clip(scratch / "disk/match.mp4").frames.size(), 20u);
}

TEST(LibavEncoder, ARecordingThatExistsIsKeptWhereThatIsAskedFor) {
  Scratch scratch;
  HostPool surfaces(160, 96, 1);
  for (const bool keep : {true, true, false}) {
    auto config = config_for(scratch / "match.mp4");
    config.keep_existing = keep;
    LibavEncoder encoder(config);
    for (int n = 0; n < (keep ? 10 : 20); ++n) write_picture(encoder, surfaces, n);
    EXPECT_EQ(encoder.finish(), Status::ok);
  }
  EXPECT_EQ(decode_clip(scratch / "match.mp4").frames.size(), 20u) << "overwritten";
  EXPECT_EQ(decode_clip(scratch / "match-1.mp4").frames.size(), 10u);
  EXPECT_FALSE(fs::exists(scratch.path() / "match-2.mp4"));
}

// --- sudden death: this program starts itself again and kills the copy ---------------------------

TEST(DISABLED_EncoderChild, EncodesUntilItIsKilled) {
  const char* path = std::getenv("GANTRY_CHILD_OUTPUT");
  ASSERT_NE(path, nullptr);
  HostPool surfaces(160, 96, 1);
  LibavEncoder encoder(config_for(path));
  std::ofstream progress(std::string(path) + ".progress", std::ios::binary);
  for (int n = 0; n < 30'000; ++n) {
    write_picture(encoder, surfaces, n);
    progress.put('x').flush();
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  }
}

pid_t start_child(const std::string& output) {
  std::string program = fs::read_symlink("/proc/self/exe"),
              filter = "--gtest_filter=*EncoderChild*", all = "--gtest_also_run_disabled_tests",
              brief = "--gtest_brief=1", variable = "GANTRY_CHILD_OUTPUT=" + output;
  std::vector<char*> arguments{program.data(), filter.data(), all.data(), brief.data(), nullptr};
  std::vector<char*> environment{variable.data()};
  for (char** e = environ; *e; ++e) environment.push_back(*e);
  environment.push_back(nullptr);
  pid_t child = 0;
  posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environment.data());
  return child;
}

TEST(LibavEncoder, AKilledProcessLeavesFilesThatPlayUpToTheLastSecond) {
  const int kills = is_long_run() ? 50 : 6;
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  int longest_loss = 0, empty = 0;
  for (int i = 0; i < kills; ++i) {
    Scratch scratch;
    const std::string extension = i % 2 ? ".mkv" : ".mp4", path = scratch / "out" + extension;
    const pid_t child = start_child(path);
    ASSERT_GT(child, 0);
    for (int wait = 0; !fs::exists(path + ".progress") && wait < 5000; ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 1'200'000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto given = static_cast<int>(fs::file_size(path + ".progress"));
    DecodedClip clip;
    try {
      clip = decode_clip(path);
    } catch (const std::runtime_error& e) {
      EXPECT_LT(given, kRate) << e.what() << ": only what the encoder still held may be missing";
    }
    const auto kept = static_cast<int>(clip.frames.size());
    for (int n = 0; n < kept; ++n) ASSERT_EQ(clip.frames[n].number, n) << path;
    longest_loss = std::max(longest_loss, given - kept);
    empty += kept == 0;
    EXPECT_LE(given - kept, 1.2 * kRate) << extension << ", seed " << seed;
  }
  std::printf("%d kills: at most %.2f s lost, %d files still without a picture\n", kills,
              longest_loss / kRate, empty);
}

}  // namespace
}  // namespace gantry
