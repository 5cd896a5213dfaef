// Health: who is well, who is not, and what is said of them.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/health.hpp"

#include <gtest/gtest.h>

#include "hal/log/log.hpp"

namespace gantry {
namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;

std::vector<std::string> log_lines() {
  std::vector<std::string> lines;
  log::Record record;
  while (log::take(record)) lines.emplace_back(record.view());
  return lines;
}

// Two parts with an allowance of 3 s, looked at every half a second.
class Checked : public testing::Test {
 protected:
  Checked() {
    log_lines();
    health_.add("stitch", 3 * kSecond_ns, [this] { return stitch_; });
    health_.add("encode 0", 3 * kSecond_ns, [this] { return encode_; });
  }
  // Looks for so long while both work; answers what the last look said.
  bool pass(double seconds, bool stitch_works, bool encode_works) {
    bool well = true;
    for (int i = 0; i < static_cast<int>(seconds * 2); ++i) {
      now_ns_ += kSecond_ns / 2;
      stitch_.progress += stitch_works;
      encode_.progress += encode_works;
      well = health_.check(now_ns_);
    }
    return well;
  }
  Health health_;
  Health::Sign stitch_, encode_;
  std::int64_t now_ns_ = 0;
};

TEST_F(Checked, WhoProgressesIsWell) {
  EXPECT_TRUE(pass(20, true, true));
  EXPECT_TRUE(health_.stalled().empty());
  EXPECT_TRUE(log_lines().empty());
}

TEST_F(Checked, WhoDoesNotIsNamedOnceAfterItsAllowance) {
  EXPECT_TRUE(pass(2, true, true));
  EXPECT_TRUE(pass(3, true, false)) << "within its allowance";
  EXPECT_FALSE(pass(10, true, false));
  EXPECT_EQ(health_.stalled(), "encode 0");
  const auto lines = log_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], "health: encode 0 has made no progress for 3.5 s");
  EXPECT_FALSE(pass(10, false, false));
  EXPECT_EQ(health_.stalled(), "stitch, encode 0");
}

TEST_F(Checked, AFirstStepMayTakeAsLongAsADriverCompiles) {
  EXPECT_TRUE(pass(55, true, false));
  EXPECT_TRUE(pass(1, true, true));
  EXPECT_FALSE(pass(5, true, false)) << "later steps may not";
  log_lines();
  Health health;
  health.add("view", 3 * kSecond_ns, [] { return Health::Sign{}; });
  bool well = true;
  for (int second = 0; second <= 62; ++second) well = health.check(second * kSecond_ns);
  EXPECT_FALSE(well) << "but not for ever";
  EXPECT_EQ(log_lines(), std::vector<std::string>{"health: view has made no progress for 61.0 s"});
}

TEST_F(Checked, WhoHasNothingToDoIsWell) {
  EXPECT_TRUE(pass(1, true, true));
  encode_.idle = true;
  EXPECT_TRUE(pass(60, true, false));
  encode_.idle = false;
  EXPECT_TRUE(pass(3, true, false)) << "its time begins when there is work";
  EXPECT_FALSE(pass(1, true, false));
}

TEST_F(Checked, WhoProgressesAgainIsWellAgainAndThatIsSaid) {
  pass(1, true, true);
  EXPECT_FALSE(pass(5, true, false));
  log_lines();
  EXPECT_TRUE(pass(1, true, true));
  EXPECT_EQ(log_lines(), std::vector<std::string>{"health: encode 0 is well again after 5.5 s"});
}

TEST_F(Checked, APartThatCountsBackwardsHasProgressed) {
  encode_.progress = 1000;
  pass(1, true, true);
  encode_.progress = 3;  // made anew
  EXPECT_TRUE(pass(3, true, false));
}

// The process was stopped for an hour: nobody could progress, and nobody is to blame.
TEST_F(Checked, APauseOfTheCheckItselfIsNobodysFault) {
  EXPECT_TRUE(pass(2, true, true));
  now_ns_ += 3600 * kSecond_ns;
  EXPECT_TRUE(health_.check(now_ns_));
  EXPECT_TRUE(pass(3, true, false));
  EXPECT_FALSE(pass(1, true, false)) << "the allowance counts from the end of the pause";
}

}  // namespace
}  // namespace gantry
