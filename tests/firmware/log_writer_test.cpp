// LogWriter and the ring behind it: lines arrive whole, in order, with their time; losses are counted.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/log_writer.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hal/clock/clock.hpp"

namespace {
std::atomic<int> syncs_of_logs{0};
}

// The writer's calls come here first.
extern "C" int fdatasync(int fd) {
  char path[4096] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (readlink(link.c_str(), path, sizeof path - 1) > 0 && std::string(path).ends_with(".log"))
    ++syncs_of_logs;
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

namespace gantry {
namespace {

// Digits become #.
std::string shape_of(std::string text) {
  for (char& c : text)
    if (std::isdigit(static_cast<unsigned char>(c))) c = '#';
  return text;
}

class LogWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("gantry_log_" + std::to_string(getpid()));
    log::Record left_over;
    while (log::take(left_over)) {
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  LogOptions options() const { return {.file = folder_ / "logs" / "gantry.log"}; }
  std::vector<std::string> lines(const std::string& file = "gantry.log") const {
    std::ifstream in(folder_ / "logs" / file);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  std::filesystem::path folder_;
};

TEST_F(LogWriterTest, HasLinesOnTheDiskASecondLaterAndLeavesItAloneThen) {
  syncs_of_logs = 0;
  LogWriter writer(options());
  const auto synced = [](int times, double within_s) {
    const auto until = clock::now_ns() + std::llround(within_s * 1e9);
    while (syncs_of_logs < times && clock::now_ns() < until)
      clock::sleep_until_ns(clock::now_ns() + 10 * clock::kMillisecond_ns);
    return syncs_of_logs == times;
  };
  log::info("first");
  EXPECT_TRUE(synced(1, 5));
  for (int i = 0; i < 50; ++i) log::info("more");
  EXPECT_TRUE(synced(2, 5));
  EXPECT_FALSE(synced(3, 2.5)) << "nothing was written since";
}

TEST_F(LogWriterTest, WritesEachLineOnceWithItsTimeAndLevel) {
  {
    LogWriter writer(options());
    log::info("camera {} opened at {:.2f} frames per second", "left", 29.97);
    log::warning("second");
    log::error("third");
    log::event(log::Level::debug, "not wanted");
  }
  const auto all = lines();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(shape_of(all[0].substr(0, 24)), "####-##-##T##:##:##.###Z") << all[0];
  EXPECT_EQ(all[0].substr(24), " I camera left opened at 29.97 frames per second");
  EXPECT_NE(all[1].find("Z W second"), std::string::npos) << all[1];
  EXPECT_NE(all[2].find("Z E third"), std::string::npos) << all[2];
}

TEST_F(LogWriterTest, TimeIsUtcOfTheEventNotOfTheWriting) {
  const std::time_t before = std::time(nullptr);
  {
    log::info("early");
    clock::sleep_until_ns(clock::now_ns() + 1'100 * clock::kMillisecond_ns);
    log::info("later");
    LogWriter writer(options());
  }
  const auto all = lines();
  ASSERT_EQ(all.size(), 2u);
  std::tm utc{};
  ASSERT_NE(strptime(all[0].c_str(), "%Y-%m-%dT%H:%M:%S", &utc), nullptr);
  const std::time_t early = timegm(&utc);
  EXPECT_GE(early, before - 1);
  EXPECT_LE(early, before + 1);
  ASSERT_NE(strptime(all[1].c_str(), "%Y-%m-%dT%H:%M:%S", &utc), nullptr);
  EXPECT_GE(timegm(&utc), early + 1);
}

TEST_F(LogWriterTest, LinesThatFoundTheRingFullAreReported) {
  const std::uint64_t dropped_before = log::dropped();
  {
    LogWriter writer(options());
    while (writer.thread().progress() == 0) std::this_thread::yield();  // sleeps for 100 ms now
    for (int i = 0; i < 2000; ++i) log::info("line {}", i);
  }
  const std::uint64_t dropped = log::dropped() - dropped_before;
  const auto all = lines();
  ASSERT_GT(dropped, 0u);
  ASSERT_EQ(all.size(), 2000 - dropped + 1);
  EXPECT_NE(all.back().find(std::to_string(dropped) + " log lines were lost"), std::string::npos)
      << all.back();
  EXPECT_NE(all.front().find("line 0"), std::string::npos);
}

TEST_F(LogWriterTest, RotatesBySizeAndKeepsSoMany) {
  LogOptions small = options();
  small.file_bytes = 4096;
  small.files = 2;
  {
    LogWriter writer(small);
    for (int i = 0; i < 300; ++i) {
      log::info("a line of about a hundred bytes, number {:05}, that fills the file soon enough",
                i);
      if (i % 100 == 99) clock::sleep_until_ns(clock::now_ns() + 120 * clock::kMillisecond_ns);
    }
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "logs")) {
    EXPECT_LE(entry.file_size(), 4096u) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 3u);
  EXPECT_NE(lines().back().find("00299"), std::string::npos);
  EXPECT_FALSE(lines("gantry.1.log").empty());
}

TEST_F(LogWriterTest, NamesTheFileThatCannotBeWritten) {
  LogOptions wrong = options();
  wrong.file = "/proc/no/such/gantry.log";
  try {
    LogWriter writer(wrong);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("/proc/no/such/gantry.log"), std::string::npos)
        << error.what();
  }
}

TEST_F(LogWriterTest, AFullDiskEndsNothing) {
  LogOptions full = options();
  full.file = "/dev/full";
  full.file_bytes = SIZE_MAX;
  LogWriter writer(full);
  log::info("{}", std::string(300, 'x'));
  for (int i = 0; i < 50 && writer.failures() == 0; ++i)
    clock::sleep_until_ns(clock::now_ns() + 20 * clock::kMillisecond_ns);
  EXPECT_GE(writer.failures(), 1u);
  EXPECT_FALSE(writer.thread().ended());
}

TEST_F(LogWriterTest, ManyThreadsLoseNoLineAndTearNone) {
  constexpr int kThreads = 4, kLines = 100;  // fits the ring
  {
    LogWriter writer(options());
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([t] {
        for (int i = 0; i < kLines; ++i) log::info("thread {} line {:03} end", t, i);
      });
    for (std::thread& thread : threads) thread.join();
  }
  std::vector<int> next(kThreads, 0);
  const auto all = lines();
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kThreads * kLines));
  for (const std::string& line : all) {
    int thread = -1, number = -1, end = 0;
    ASSERT_EQ(
        std::sscanf(line.c_str() + 24, " I thread %1d line %3d end%n", &thread, &number, &end), 2)
        << line;
    ASSERT_EQ(line.size(), static_cast<std::size_t>(24 + end)) << line;
    ASSERT_TRUE(thread >= 0 && thread < kThreads) << line;
    EXPECT_EQ(number, next[static_cast<std::size_t>(thread)]++) << line;
  }
}

TEST(Log, LongLinesAreCut) {
  log::Record record;
  while (log::take(record)) {
  }
  log::info("{}", std::string(1000, 'y'));
  ASSERT_TRUE(log::take(record));
  EXPECT_EQ(record.view(), std::string(log::Record::kTextBytes, 'y'));
  EXPECT_FALSE(log::take(record));
}

TEST(OncePer, LetsOneThroughPerPeriodAndCountsTheRest) {
  log::OncePer cause(1000);
  std::uint64_t repeats = 99;
  EXPECT_TRUE(cause.admit(5, repeats));
  EXPECT_EQ(repeats, 0u);
  for (int i = 6; i < 1005; ++i) EXPECT_FALSE(cause.admit(i, repeats));
  EXPECT_TRUE(cause.admit(1005, repeats)) << "a cause that lasts must be heard again";
  EXPECT_EQ(repeats, 999u);
  EXPECT_FALSE(cause.admit(1006, repeats));
  EXPECT_TRUE(cause.admit(5000, repeats));
  EXPECT_EQ(repeats, 1u);
}

}  // namespace
}  // namespace gantry
