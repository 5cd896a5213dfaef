// The director's promises, on matches that it was not tuned on, beside the replaced system's rules.
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/firmware/eval/eval_fixture.hpp"

namespace gantry {
namespace {

// In every row that has a better.
void expect_better(const Review& ours, const Review& reference) {
  EXPECT_GT(ours.in_frame, reference.in_frame);
  EXPECT_GT(ours.in_centre, reference.in_centre);
  EXPECT_LT(ours.offset_rms, reference.offset_rms);
  EXPECT_LT(ours.offset_p95, reference.offset_p95);
  EXPECT_LT(ours.speed_std, reference.speed_std);
  EXPECT_LT(ours.speed_p95, reference.speed_p95);
  EXPECT_LT(ours.acceleration_std, reference.acceleration_std);
  EXPECT_LT(ours.acceleration_p95, reference.acceleration_p95);
  EXPECT_LT(ours.acceleration_most, reference.acceleration_most);
  EXPECT_LT(ours.spikes, reference.spikes);
  EXPECT_LT(ours.reversals, reference.reversals);
  EXPECT_LT(ours.zooms, reference.zooms);
  EXPECT_LT(ours.without_play_s, reference.without_play_s);
  EXPECT_LT(ours.longest_loss_s, reference.longest_loss_s);
  EXPECT_LT(ours.false_follows, reference.false_follows);
  EXPECT_LE(ours.still_left, reference.still_left);
}

bool long_form() {
  return std::getenv("GANTRY_LONG") != nullptr;
}

// 6 analyses a second, 30 % misses in bursts, 0.3 false balls per panorama: the defaults. Prints the
// rows of both; GANTRY_LONG=1: of twenty matches instead of four.
TEST(EvalDirector, KeepsItsPromisesOnUnseenMatches) {
  const EvalFixture fixture;
  MatchOptions options;
  options.seed = kProofSeeds;
  options.seconds = 120;
  const auto [ours, reference] = compare(fixture, options, long_form() ? 20 : 4);
  EXPECT_GE(ours.in_frame, 0.97);
  EXPECT_LE(ours.offset_rms, 4);
  EXPECT_LE(ours.speed_std, 1.1 * ours.true_speed_std);
  EXPECT_LE(ours.speed_p95, 1.1 * ours.true_speed_p95);
  EXPECT_LE(ours.reversals, 0.3);
  EXPECT_EQ(ours.spikes, 0);
  EXPECT_EQ(ours.false_follows, 0);
  EXPECT_EQ(ours.still_left, 0);
  expect_better(ours, reference);
}

// Matches of the tuning on which it once held a false ball for the ball: the ball crosses the pitch
// beside something that lies there (107), and passes through one (260).
TEST(EvalDirector, FalseBallsThatMisledItDoSoNoMore) {
  const EvalFixture fixture;
  MatchOptions options;
  options.seconds = 120;
  for (const std::uint64_t seed : {107, 260}) {
    options.seed = seed;
    const Review r = fixture.ours(simulate_match(options, fixture.panorama));
    EXPECT_GE(r.in_frame, 0.99) << seed;
    EXPECT_LE(r.offset_rms, 4) << seed;
  }
}

// Matches looked at on which a false ball was followed for more than a second: it took over where the
// ball was not seen, farther away than the ball could have got (330, 11239); it lay where the ball
// passed (11113); a ball that lay was thought to come back from where it went then (10445).
TEST(EvalDirector, FalseBallsThatItFollowedItFollowsNoMore) {
  const EvalFixture fixture;
  MatchOptions options;
  options.seconds = 120;
  for (const std::uint64_t seed : {330, 10445, 11113, 11239}) {
    options.seed = seed;
    EXPECT_EQ(fixture.ours(simulate_match(options, fixture.panorama)).false_follows, 0) << seed;
  }
}

// And on which a still ball left the view: not seen for seconds before it was played far away (307,
// 10061, 10409), or beside the mast, where the view rose for what came then (347, 11002).
TEST(EvalDirector, StillBallsThatItLeftItKeeps) {
  const EvalFixture fixture;
  MatchOptions options;
  options.seconds = 120;
  for (const std::uint64_t seed : {307, 347, 10061, 10409, 11002}) {
    options.seed = seed;
    EXPECT_EQ(fixture.ours(simulate_match(options, fixture.panorama)).still_left, 0) << seed;
  }
}

// Every fault at its worst: less is kept in frame, but the camera stays calm.
TEST(EvalDirector, StaysCalmWhateverTheDetectorDoes) {
  const EvalFixture fixture;
  MatchOptions options;
  options.seed = kProofSeeds + 100;
  options.seconds = 60;
  for (const double hertz : {2.0, 30.0})
    for (const double misses : {0.0, 0.6})
      for (const double false_balls : {0.0, 3.0}) {
        options.faults.hertz = hertz, options.faults.misses = misses;
        options.faults.false_balls = false_balls;
        options.faults.camera_lost = misses > 0;
        const Review r = fixture.ours(simulate_match(options, fixture.panorama));
        print(r, stdout);
        EXPECT_LE(r.reversals, 0.4) << hertz << " Hz, misses " << misses;
        if (misses == 0 && false_balls == 0) {
          EXPECT_GE(r.in_frame, hertz < 3 ? 0.95 : 0.98);
        }
        ++options.seed;
      }
}

TEST(EvalDirector, TheSameSeedIsTheSameFilmToTheBit) {
  const EvalFixture fixture;
  MatchOptions options;
  options.seconds = 30;
  const auto film_it = [&] {
    const auto director = make_director(fixture.config, fixture.panorama, fixture.limits);
    return film(*director, simulate_match(options, fixture.panorama), 7);
  };
  const Film a = film_it(), b = film_it();
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].pose.yaw, b[i].pose.yaw) << i;
    ASSERT_EQ(a[i].pose.pitch, b[i].pose.pitch) << i;
    ASSERT_EQ(a[i].pose.field_of_view, b[i].pose.field_of_view) << i;
  }
}

// The measures themselves: a camera that follows the truth exactly is seen to, one that rests too.
TEST(EvalDirector, TheMeasuresKnowAGoodFilmFromABadOne) {
  const EvalFixture fixture;
  MatchOptions options;
  options.seconds = 30;
  const Match match = simulate_match(options, fixture.panorama);
  Film exact(match.frames()), still(match.frames());
  for (std::size_t i = 0; i < match.frames(); ++i) {
    exact[i].pose = {match.truth[i].yaw, match.truth[i].pitch, radians(40)};
    still[i].pose = {match.truth[0].yaw + radians(90), match.truth[0].pitch, radians(40)};
    still[i].claims_ball = true;
    still[i].ball_yaw = match.truth[i].yaw + radians(20);
  }
  const Review good = review(match, exact, fixture.limits),
               bad = review(match, still, fixture.limits);
  EXPECT_EQ(good.in_frame, 1);
  EXPECT_NEAR(good.offset_rms, 0, 1e-6);
  EXPECT_EQ(good.false_follows, 0);
  EXPECT_LT(bad.in_frame, 0.3);
  EXPECT_GT(bad.without_play_s, 5);
  EXPECT_EQ(bad.false_follows, 1);
  EXPECT_EQ(bad.speed_p95, 0);
}

}  // namespace
}  // namespace gantry
