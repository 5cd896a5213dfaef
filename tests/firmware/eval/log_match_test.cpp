// A detection log filmed again: the same camera path as of the match that it was written from.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/eval/log_match.hpp"

#include <cstdio>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/firmware/eval/eval_fixture.hpp"

namespace gantry {
namespace {

constexpr std::int64_t kBooted_ns = 1'234'567'890'123;  // no log begins at 0

class LogMatch : public testing::Test {
 protected:
  std::filesystem::path file_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("log-match-{}.jsonl", getpid());
  const EvalFixture fixture_;
  void TearDown() override { std::filesystem::remove(file_); }

  void write(std::string_view text) { std::ofstream(file_) << text; }
  std::string header(double frames_per_second = 30) const {
    fmt::memory_buffer out;
    detection_log::put_header(out, {fixture_.panorama, 1920, 1080, frames_per_second, 7});
    return fmt::to_string(out);
  }
  static std::string line(const Detections& found) {
    fmt::memory_buffer out;
    detection_log::put_found(out, found);
    detection_log::put_end(out);
    return fmt::to_string(out);
  }
  std::string refusal() const {
    try {
      read_match(file_, 0.15);
      return "it was read";
    } catch (const std::runtime_error& e) {
      return e.what();
    }
  }
};

TEST_F(LogMatch, IsFilmedAsTheMatchThatItWasWrittenFrom) {
  MatchOptions options;
  options.seconds = 40;
  const Match match = simulate_match(options, fixture_.panorama);
  std::string text = header();
  for (std::size_t n = 0; n < match.analyses.size(); ++n) {
    const Match::Analysis& a = match.analyses[n];
    Detections found;
    found.capture_ns = kBooted_ns + a.capture_ns;
    found.panorama = n;
    for (std::size_t k = 0; k < a.count; ++k) found.add(match.boxes[a.first + k]);
    text += line(found);
  }
  write(text);
  const LoggedMatch logged = read_match(file_, options.faults.latency_s);
  ASSERT_EQ(logged.match.analyses.size(), match.analyses.size());
  EXPECT_EQ(logged.match.boxes.size(), match.boxes.size());
  EXPECT_EQ(logged.header.panorama.width, fixture_.panorama.width);
  const auto film_it = [&](const Match& m, const PanoramaGeometry& panorama) {
    return film(*make_director(fixture_.config, panorama, fixture_.limits), m, 7);
  };
  const Film before = film_it(match, fixture_.panorama),
             again = film_it(logged.match, logged.header.panorama);
  ASSERT_GT(again.size(), 39u * 30);
  for (std::size_t i = 0; i < again.size(); ++i) {
    ASSERT_NEAR(again[i].pose.yaw, before[i].pose.yaw, 1e-6) << i;
    ASSERT_NEAR(again[i].pose.pitch, before[i].pose.pitch, 1e-6) << i;
    ASSERT_NEAR(again[i].pose.field_of_view, before[i].pose.field_of_view, 1e-6) << i;
  }
}

TEST_F(LogMatch, WhatIsNoMatchIsNamed) {
  write(header());
  EXPECT_NE(refusal().find("no panorama was analysed"), std::string::npos) << refusal();
  write(header(0));
  EXPECT_NE(refusal().find("frames_per_second"), std::string::npos) << refusal();
  Detections found;
  found.capture_ns = kBooted_ns;
  const std::string first = line(found);
  found.capture_ns = INT64_MAX;
  write(header() + first + line(found));
  EXPECT_NE(refusal().find("a day at most"), std::string::npos) << refusal();
  found.capture_ns = kBooted_ns - 2'000'000'000;  // a step back is the director's to judge
  write(header() + first + line(found));
  EXPECT_EQ(read_match(file_, 0.15).match.analyses.size(), 2u);
}

}  // namespace
}  // namespace gantry
