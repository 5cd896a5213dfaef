// The detection log: lines that read back, the join of findings and decisions, rotation, full disks.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/detection_log.hpp"

#include <cmath>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "firmware/detection_log_reader.hpp"
#include "firmware/log_writer.hpp"
#include "firmware/thread.hpp"
#include "hal/clock/clock.hpp"
#include "tests/firmware/filming.hpp"

namespace gantry {
namespace {

using detection_log::Reader;

const detection_log::Header kHeader{{5700, 1900, -1.5, 1.5, 0.2, -0.6}, 1920, 1080, 30, 7};

Detections some(std::int64_t capture_ns, std::size_t boxes, unsigned seed = 1) {
  std::mt19937 random(seed);
  const auto value = [&](double most) {
    return static_cast<float>(static_cast<double>(random()) * most / 4294967296.0);
  };
  Detections found;
  found.capture_ns = capture_ns;
  found.panorama = static_cast<std::uint64_t>(capture_ns) / 7;
  found.overflowed = 3;
  for (std::size_t i = 0; i < boxes; ++i)
    found.add({value(5700), value(1900), value(50), value(100), value(1),
               static_cast<ObjectClass>(random() % kObjectClasses)});
  found.areas[found.area_count++] = {0, 0, 1024, 1900};
  found.areas[found.area_count++] = {2048, 10, 5700, 1024};
  return found;
}

Decision decided(std::int64_t capture_ns) {
  Decision d;
  d.capture_ns = d.tracks.capture_ns = capture_ns;
  d.pose = {0.25, -0.125, 1};
  d.aim = {0.5, -0.25, 0.75};
  d.reason = Reason::gap;
  d.ball_share = 0.625;
  d.tracks.ball = {true, true, 0.1, -0.2, 0, 0, 0.003, 0.75};
  d.tracks.person_count = 2;
  d.tracks.persons[0] = {17, true, 0.5f, -0.25f, 0.01f, 0.03f, 0, 0, 0.5f};
  d.tracks.persons[1] = {4'000'000'000u, false, -0.5f, -0.125f, 0.01f, 0.03f, 0, 0, 0.25f};
  return d;
}

void expect_same(const Detections& a, const Detections& b) {
  EXPECT_EQ(a.capture_ns, b.capture_ns);
  EXPECT_EQ(a.panorama, b.panorama);
  EXPECT_EQ(a.overflowed, b.overflowed);
  ASSERT_EQ(a.count, b.count);
  for (std::size_t i = 0; i < a.count; ++i) {
    const Detection &x = a.items[i], &y = b.items[i];
    EXPECT_TRUE(x.x == y.x && x.y == y.y && x.width == y.width && x.height == y.height &&
                x.confidence == y.confidence && x.object == y.object)
        << "box " << i << " is not the same to the bit";
  }
  ASSERT_EQ(a.area_count, b.area_count);
  for (std::size_t i = 0; i < a.area_count; ++i) {
    EXPECT_EQ(a.areas[i].left, b.areas[i].left);
    EXPECT_EQ(a.areas[i].top, b.areas[i].top);
    EXPECT_EQ(a.areas[i].right, b.areas[i].right);
    EXPECT_EQ(a.areas[i].bottom, b.areas[i].bottom);
  }
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class DetectionLogTest : public testing::Test {
 protected:
  test::Folder folder_;
  Signal wake_;
  DetectionLogLink found_{WhenFull::drop_oldest, &wake_};
  DecisionLogLink decided_{WhenFull::drop_oldest, &wake_};
  DetectionLogOptions options_{folder_.path() / "log" / "seen.jsonl",
                               folder_.path() / "log" / "balls.tsv"};

  std::unique_ptr<DetectionLog> open() {
    return std::make_unique<DetectionLog>(options_, kHeader, found_, decided_, wake_);
  }
  void finish(DetectionLog& log) {
    found_.close();
    decided_.close();
    while (log.step()) {
    }
  }
  // Capture instants in the order of the file, negative where nothing was decided.
  std::vector<std::int64_t> written() {
    Reader reader(options_.json);
    auto found = std::make_unique<Detections>();
    std::vector<std::int64_t> instants;
    while (reader.next(*found)) {
      if (reader.decision()) {
        EXPECT_EQ(reader.decision()->capture_ns, found->capture_ns);
      }
      instants.push_back(reader.decision() ? found->capture_ns : -found->capture_ns);
    }
    return instants;
  }
};

TEST_F(DetectionLogTest, WhatIsWrittenReadsBackToTheBit) {
  auto log = open();
  const std::size_t boxes[] = {0, 1, 30, Detections::kCapacity};
  for (int i = 0; i < 4; ++i) {
    found_.push(some(1000 + i, boxes[i], static_cast<unsigned>(i)));
    if (i != 1) decided_.push(decided(1000 + i));
    log->step();
  }
  finish(*log);
  EXPECT_EQ(log->written(), 4u);
  EXPECT_EQ(log->refused(), 0u);

  Reader reader(options_.json);
  const auto& p = reader.header().panorama;
  EXPECT_EQ(p.width, 5700);
  EXPECT_EQ(p.height, 1900);
  EXPECT_NEAR(p.yaw_left, -1.5, 1e-12);
  EXPECT_NEAR(p.yaw_right, 1.5, 1e-12);
  EXPECT_NEAR(p.pitch_top, 0.2, 1e-12);
  EXPECT_NEAR(p.pitch_bottom, -0.6, 1e-12);
  EXPECT_EQ(reader.header().view_width, 1920);
  EXPECT_EQ(reader.header().view_height, 1080);
  EXPECT_EQ(reader.header().frames_per_second, 30);
  EXPECT_EQ(reader.header().delay_s, 7);
  const auto found = std::make_unique<Detections>();
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(reader.next(*found));
    expect_same(*found, some(1000 + i, boxes[i], static_cast<unsigned>(i)));
    ASSERT_EQ(reader.decision().has_value(), i != 1) << i;
  }
  const Decision& d = *reader.decision();
  constexpr double kFine = 1e-5;  // radians; angles have four decimals of a degree
  EXPECT_NEAR(d.pose.yaw, 0.25, kFine);
  EXPECT_NEAR(d.pose.pitch, -0.125, kFine);
  EXPECT_NEAR(d.pose.field_of_view, 1, kFine);
  EXPECT_NEAR(d.aim.field_of_view, 0.75, kFine);
  EXPECT_EQ(d.reason, Reason::gap);
  EXPECT_EQ(d.ball_share, 0.625);
  EXPECT_TRUE(d.tracks.ball.known && d.tracks.ball.interpolated);
  EXPECT_NEAR(d.tracks.ball.pitch, -0.2, kFine);
  EXPECT_NEAR(d.tracks.ball.diameter, 0.003, kFine);
  EXPECT_EQ(d.tracks.ball.confidence, 0.75);
  ASSERT_EQ(d.tracks.person_count, 2u);
  EXPECT_EQ(d.tracks.persons[0].identity, 17u);
  EXPECT_TRUE(d.tracks.persons[0].seen);
  EXPECT_EQ(d.tracks.persons[1].identity, 4'000'000'000u);
  EXPECT_FALSE(d.tracks.persons[1].seen);
  EXPECT_NEAR(d.tracks.persons[1].yaw, -0.5, kFine);
  EXPECT_FALSE(reader.next(*found));
}

TEST_F(DetectionLogTest, BallsStandInTheTwelveColumns) {
  auto log = open();
  Detections found;
  found.capture_ns = 12'345'678'901;
  found.panorama = 370;
  found.add({100.5f, 200.25f, 9, 10, 0.75f, ObjectClass::ball});
  found.add({300, 400, 20, 50, 0.9f, ObjectClass::person});
  found.add({5000, 900, 8, 8, 0.5f, ObjectClass::ball});
  const double wall_s = 1e-9 * static_cast<double>(found.capture_ns + wall_offset_ns());
  found_.push(Detections(found));
  finish(*log);
  const auto lines = lines_of(options_.tsv);
  ASSERT_EQ(lines.size(), 3u) << "names, and a row per ball";
  EXPECT_EQ(lines[0],
            "system_time\tframe_timestamp\tframe_num\tcx\tcy\twidth\theight\tconfidence\t"
            "cx_global\tcy_global\twidth_global\theight_global");
  std::istringstream row(lines[1]);
  std::vector<std::string> columns;
  for (std::string c; std::getline(row, c, '\t');) columns.push_back(c);
  ASSERT_EQ(columns.size(), 12u);
  EXPECT_NEAR(std::stod(columns[0]), wall_s, 1);
  const std::vector<std::string> rest(columns.begin() + 1, columns.end());
  EXPECT_EQ(rest, (std::vector<std::string>{"12.345679", "370", "100.5", "200.25", "9", "10",
                                            "0.75", "100.5", "200.25", "9", "10"}));
}

TEST_F(DetectionLogTest, FindingsWaitForTheirDecision) {
  auto log = open();
  for (int i = 1; i <= 5; ++i) found_.push(some(i, 2));
  log->step();
  EXPECT_EQ(log->written(), 0u);
  decided_.push(decided(1));
  decided_.push(decided(1));  // a frame shown again
  log->step();
  EXPECT_EQ(log->written(), 1u);
  decided_.push(decided(3));  // the second was never shown
  log->step();
  EXPECT_EQ(log->written(), 3u);
  finish(*log);  // nor were the last
  EXPECT_EQ(written(), (std::vector<std::int64_t>{1, -2, 3, -4, -5}));
}

TEST_F(DetectionLogTest, WithoutADelayDecisionsComeFirst) {
  auto log = open();
  for (int i = 1; i <= 4; ++i) decided_.push(decided(i));
  log->step();
  for (int i = 1; i <= 4; i += 2) found_.push(some(i, 1));
  log->step();
  EXPECT_EQ(log->written(), 2u);
  finish(*log);
  EXPECT_EQ(written(), (std::vector<std::int64_t>{1, 3}));
}

TEST_F(DetectionLogTest, MoreThanMayWaitAreWrittenWithoutADecision) {
  options_.waiting = 3;
  auto log = open();
  for (int i = 1; i <= 5; ++i) found_.push(some(i, 1));
  log->step();
  EXPECT_EQ(log->written(), 2u);
  decided_.push(decided(4));
  finish(*log);
  EXPECT_EQ(written(), (std::vector<std::int64_t>{-1, -2, -3, 4, -5}));
}

TEST_F(DetectionLogTest, FilesAreClosedAtTheirSizeAndKept) {
  options_.file_bytes = 20'000;
  options_.files = 3;
  auto log = open();
  for (int i = 1; i <= 200; ++i) {
    found_.push(some(i, 10));
    log->step();
    decided_.push(decided(i));
    log->step();
  }
  finish(*log);
  std::vector<std::int64_t> instants;
  for (const char* name : {"seen.3.jsonl", "seen.2.jsonl", "seen.1.jsonl", "seen.jsonl"}) {
    options_.json = folder_.path() / "log" / name;
    EXPECT_LE(std::filesystem::file_size(options_.json), 21'000u) << name;
    const auto more = written();  // each has a header, and whole lines
    ASSERT_FALSE(more.empty()) << name;
    instants.insert(instants.end(), more.begin(), more.end());
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "log" / "seen.4.jsonl"));
  EXPECT_EQ(instants.back(), 200);
  for (std::size_t i = 1; i < instants.size(); ++i) EXPECT_EQ(instants[i], instants[i - 1] + 1);
}

TEST_F(DetectionLogTest, AnEarlierRunsFileIsKept) {
  for (int run = 1; run <= 2; ++run) {
    Signal wake;
    DetectionLogLink found(WhenFull::drop_oldest, &wake);
    DecisionLogLink decisions(WhenFull::drop_oldest, &wake);
    DetectionLog log(options_, kHeader, found, decisions, wake);
    found.push(some(run, 1));
    found.close(), decisions.close();
    while (log.step()) {
    }
  }
  EXPECT_EQ(written(), std::vector<std::int64_t>{-2});
  options_.json = folder_.path() / "log" / "seen.1.jsonl";
  EXPECT_EQ(written(), std::vector<std::int64_t>{-1});
}

TEST_F(DetectionLogTest, AFullDiskIsCountedAndStopsNobody) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  options_.json = "/dev/full";
  auto log = open();
  for (int i = 1; i <= 300; ++i) {
    found_.push(some(i, 30));
    decided_.push(decided(i));
    log->step();
  }
  finish(*log);
  EXPECT_GT(log->refused(), 0u);
  EXPECT_EQ(log->written() + log->refused(), 300u);
  EXPECT_GT(lines_of(options_.tsv).size(), 300u) << "the other file is whole";
}

TEST_F(DetectionLogTest, APlaceThatCannotBeWrittenIsNamed) {
  options_.tsv = "/proc/no/such/place.tsv";
  try {
    open();
    FAIL() << "opened in /proc";
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find("/proc/no/such/place.tsv"), std::string::npos) << e.what();
  }
}

TEST_F(DetectionLogTest, AWriterThatStallsCostsLinesAndNoTime) {
  const auto start_ns = clock::now_ns();
  for (int i = 1; i <= 2000; ++i) {  // nobody takes anything out
    found_.push(some(i, 1));
    decided_.push(decided(i));
  }
  EXPECT_LT(clock::now_ns() - start_ns, 2 * clock::kSecond_ns);
  auto log = open();
  finish(*log);
  EXPECT_EQ(log->written() + found_.dropped(), 2000u);
  EXPECT_EQ(log->written(), DetectionLogLink::capacity());
}

TEST_F(DetectionLogTest, ItsThreadEndsWithItsSources) {
  auto log = open();
  Thread thread({.name = "detection log", .role = ThreadRole::io}, [&](Thread&) {
    while (log->step()) {
    }
  });
  std::thread finder([&] {
    for (int i = 1; i <= 500; ++i) {
      found_.push(some(i, 20));
      clock::sleep_until_ns(clock::now_ns() + 200'000);
    }
    found_.close();
  });
  std::thread decider([&] {
    for (int i = 1; i <= 500; ++i) {
      decided_.push(decided(i));
      clock::sleep_until_ns(clock::now_ns() + 200'000);
    }
    decided_.close();
  });
  finder.join(), decider.join();
  thread.join();
  EXPECT_EQ(log->written() + found_.dropped(), 500u);
  EXPECT_EQ(written().size(), log->written());
}

std::string refusal(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text;
  const auto found = std::make_unique<Detections>();
  try {
    Reader reader(file);
    int lines = 0;
    while (reader.next(*found)) ++lines;
    return "read " + std::to_string(lines);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
}

TEST_F(DetectionLogTest, TheReaderNamesWhatIsNotALog) {
  auto log = open();
  found_.push(some(7, 2));
  decided_.push(decided(7));
  finish(*log);
  const auto lines = lines_of(options_.json);
  ASSERT_EQ(lines.size(), 2u);
  const std::string head = lines[0] + "\n", line = lines[1] + "\n";
  const auto file = folder_.path() / "bad.jsonl";
  const auto with = [&](std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  EXPECT_EQ(refusal(file, head + line + line), "read 2");
  EXPECT_EQ(refusal(file, head + line + line.substr(0, line.size() / 2)), "read 1")
      << "a writer that was killed";
  EXPECT_EQ(refusal(file, head), "read 0");
  for (const auto& [text, number] : std::vector<std::pair<std::string, std::string>>{
           {"", ":1:"},
           {line, ":1:"},
           {"{\"log\":\"another\"}\n", ":1:"},
           {with(head, "\"version\":1", "\"version\":2"), ":1:"},
           {with(head, "\"yaw\":[", "\"yaw\":[[],"), ":1:"},
           {head + "\n" + line, ":2:"},
           {head + line + "not json\n" + line, ":3:"},
           {head + with(line, "\"x\":", "\"x\":\"y\",\"was\":") + line, ":2:"},
           {head + with(line, "\"capture_ns\":", "\"captured\":") + line, ":2:"},
           {head + with(line, "\"reason\":\"gap\"", "\"reason\":\"whim\"") + line, ":2:"},
           {head + with(line, "\"looked_at\":[", "\"looked_at\":[[1],") + line, ":2:"},
           {head + std::string(100'000, '[') + "\n", ":2:"}}) {
    const std::string what = refusal(file, text);
    EXPECT_NE(what.find("bad.jsonl" + number), std::string::npos) << what;
  }
  EXPECT_THROW(Reader(folder_.path() / "missing.jsonl"), std::runtime_error);
}

TEST_F(DetectionLogTest, NumbersThatAreNoneStayReadable) {
  auto log = open();
  Detections found = some(1, 1);
  found.items[0].width = std::nanf("");
  Decision d = decided(1);
  d.pose.yaw = INFINITY;
  found_.push(std::move(found));
  decided_.push(std::move(d));
  finish(*log);
  Reader reader(options_.json);
  const auto read = std::make_unique<Detections>();
  ASSERT_TRUE(reader.next(*read));
  EXPECT_TRUE(std::isnan(read->items[0].width));
  EXPECT_TRUE(std::isnan(reader.decision()->pose.yaw));
}

}  // namespace
}  // namespace gantry
