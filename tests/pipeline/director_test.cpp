// Directors on synthetic play: what stays in frame, how smoothly, and what bad input does.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/director.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;
constexpr double kFrames = 30;  // per second
const PanoramaGeometry kPanorama{1140, 380, radians(-90), radians(90), radians(27), radians(-27)};

struct Direction {
  double yaw, pitch;
};
using Path = std::function<Direction(double)>;

// The detector's view of a ball and of players around a point.
struct Play {
  Path ball;
  Path players = [](double) { return Direction{0, radians(-4)}; };
  double rate = 6, misses = 0.3, jitter_pixels = 3;
  double blind_from = 1e9, blind_to = 1e9;  // no ball is seen in between
  double false_balls = 0;                   // chance per panorama
  bool with_players = true;
};

Detections detect(const Play& play, double t, std::mt19937& random) {
  std::uniform_real_distribution<double> u(0, 1);
  std::normal_distribution<double> noise(0, play.jitter_pixels);
  Detections d;
  d.capture_ns = std::llround(t * 1e9);
  const auto put = [&](Direction at, ObjectClass object, double confidence) {
    d.add({static_cast<float>(kPanorama.x_of(at.yaw) + noise(random)),
           static_cast<float>(kPanorama.y_of(at.pitch) + noise(random)), 6, 6,
           static_cast<float>(confidence), object});
  };
  const bool seen = u(random) >= play.misses, blind = t >= play.blind_from && t < play.blind_to;
  if (seen && !blind) put(play.ball(t), ObjectClass::ball, 0.5 + 0.4 * u(random));
  if (u(random) < play.false_balls)
    put({radians(80 * (2 * u(random) - 1)), radians(-8 * u(random))}, ObjectClass::ball,
        0.4 + 0.5 * u(random));
  for (int i = 0; play.with_players && i < 12; ++i) {
    const Direction c = play.players(t);
    put({c.yaw + radians(18) * (u(random) - 0.5), c.pitch + radians(4) * (u(random) - 0.5)},
        ObjectClass::person, 0.8);
  }
  return d;
}

struct Film {
  std::vector<CameraPose> poses;
  std::vector<Direction> truth;
};

// Shows every frame `delay` after its capture, with the detections known by then.
Film film(Director& director, const Play& play, double duration, double delay, unsigned seed = 1) {
  std::mt19937 random(seed);
  Film f;
  double next = 0;
  for (int i = 0; i < duration * kFrames; ++i) {
    const double shown = i / kFrames;
    for (; next <= shown + delay && next <= duration; next += 1 / play.rate)
      director.observe(detect(play, next, random));
    f.poses.push_back(director.decide(std::llround(shown * 1e9)).pose);
    f.truth.push_back(play.ball(shown));
  }
  return f;
}

bool in_frame(const CameraPose& pose, Direction at) {
  const Vector3 d =
      apply(camera_from_panorama({pose.yaw, pose.pitch, 0}), direction_of(at.yaw, at.pitch));
  const double t = std::tan(pose.field_of_view / 2);
  return d.z > 0 && std::abs(d.x) < t * d.z && std::abs(d.y) < t * d.z * 9 / 16;
}

double share_in_frame(const Film& f) {
  double inside = 0;
  for (std::size_t i = 0; i < f.poses.size(); ++i) inside += in_frame(f.poses[i], f.truth[i]);
  return inside / static_cast<double>(f.poses.size());
}

// A picture of a film's yaw over time, for the eye: GANTRY_PLOT names its folder.
void plot(const char* name, const Film& f) {
  const char* folder = std::getenv("GANTRY_PLOT");
  if (!folder) return;
  const int width = static_cast<int>(f.poses.size()), height = 400;
  std::vector<unsigned char> picture(static_cast<std::size_t>(width) * height * 3, 255);
  const auto dot = [&](int x, double yaw, int r, int g, int b) {
    const int y = static_cast<int>(height / 2 - yaw / radians(90) * height / 2);
    if (y < 0 || y >= height) return;
    unsigned char* p = &picture[(static_cast<std::size_t>(y) * width + x) * 3];
    p[0] = static_cast<unsigned char>(r), p[1] = static_cast<unsigned char>(g),
    p[2] = static_cast<unsigned char>(b);
  };
  for (int x = 0; x < width; ++x) {
    const CameraPose& p = f.poses[static_cast<std::size_t>(x)];
    dot(x, p.yaw - p.field_of_view / 2, 160, 160, 255);
    dot(x, p.yaw + p.field_of_view / 2, 160, 160, 255);
    dot(x, f.truth[static_cast<std::size_t>(x)].yaw, 220, 0, 0);
    dot(x, p.yaw, 0, 0, 0);
  }
  std::FILE* file = std::fopen((std::string(folder) + "/" + name + ".ppm").c_str(), "wb");
  if (!file) return;
  std::fprintf(file, "P6\n%d %d\n255\n", width, height);
  std::fwrite(picture.data(), 1, picture.size(), file);
  std::fclose(file);
}

Direction runs(double t) {
  return {radians(35 * std::sin(t * 0.5) + 8 * std::sin(t * 1.7)),
          radians(-4 + 2 * std::sin(t * 0.9))};
}
Direction strolls(double t) {
  return {radians(30 * std::sin(t * 0.4)), radians(-4)};
}
// Passes at up to 35 m/s: the ball goes on for a second, then lies still for two.
Direction passes(double t) {
  const double k = std::floor(t / 3), s = std::min(1.0, (t - 3 * k) / 1.0);
  const auto spot = [](double n) { return 20 * std::sin(n * 2.4) * std::cos(n); };
  return {radians(spot(k) + s * (spot(k + 1) - spot(k))), radians(-5)};
}
Direction still(double) {
  return {radians(25), radians(-3)};
}

class DirectorTest : public testing::Test {
 protected:
  const ViewLimits limits_{kPanorama, 1920, 1080};
  DirectorConfig follow_ = [] {
    DirectorConfig c;
    c.kind = DirectorConfig::Kind::follow;
    return c;
  }();
  std::unique_ptr<Director> follow() const { return make_director(follow_, kPanorama, limits_); }

  void expect_within_limits(const Film& f, const MotionLimits& m) const {
    const auto axes = [](const CameraPose& p) {
      return std::array{p.yaw, p.pitch, p.field_of_view};
    };
    const std::array limits{m.yaw, m.pitch, m.field_of_view};
    std::array<double, 3> speed{}, acceleration{};
    for (std::size_t i = 0; i < f.poses.size(); ++i) {
      ASSERT_TRUE(limits_.fits(f.poses[i])) << i;
      if (i == 0) continue;
      for (std::size_t a = 0; a < 3; ++a) {
        const double v = (axes(f.poses[i])[a] - axes(f.poses[i - 1])[a]) * kFrames;
        ASSERT_LE(std::abs(v), limits[a].speed * (1 + 1e-6)) << "axis " << a << " frame " << i;
        const double w = (v - speed[a]) * kFrames;
        ASSERT_LE(std::abs(w), limits[a].acceleration * (1 + 1e-5) + 1e-8)
            << "axis " << a << " frame " << i;
        ASSERT_LE(std::abs(w - acceleration[a]) * kFrames, limits[a].jerk * (1 + 1e-4) + 1e-6)
            << "axis " << a << " frame " << i;
        speed[a] = v, acceleration[a] = w;
      }
    }
  }
};

TEST_F(DirectorTest, FollowKeepsTheBallInFrameThroughMissesAndJitter) {
  for (const auto& [name, path] :
       {std::pair<const char*, Path>{"runs", runs}, {"passes", passes}, {"still", still}})
    for (const double delay : {7.0, 2.0}) {
      const auto director = follow();
      const Film f = film(*director, {path}, 60, delay);
      EXPECT_GE(share_in_frame(f), 0.99) << name << " delay " << delay;
      expect_within_limits(f, follow_.motion);
      if (delay == 7.0) plot(name, f);
    }
}

TEST_F(DirectorTest, FollowWithoutDelayStillKeepsAQuietBall) {
  const auto director = follow();
  const Film f = film(*director, {strolls}, 60, 0);
  EXPECT_GE(share_in_frame(f), 0.95);
  expect_within_limits(f, follow_.motion);
  plot("causal", f);
}

// The ball, or what is taken for it, jumps from end to end: limits hold all the same.
TEST_F(DirectorTest, LimitsHoldWhateverIsSeen) {
  Play wild{[](double t) {
    return Direction{radians(85) * (std::fmod(t, 8) < 4 ? 1 : -1), radians(20 * std::sin(t))};
  }};
  wild.players = [](double t) {
    return Direction{radians(70 * std::sin(t * 3)), radians(15 * std::cos(t * 2))};
  };
  wild.false_balls = 0.5;
  for (const double delay : {7.0, 0.5, 0.0}) {
    const auto director = follow();
    const Film f = film(*director, wild, 60, delay);
    expect_within_limits(f, follow_.motion);
    if (delay == 7.0) plot("wild", f);
  }
}

TEST_F(DirectorTest, SingleFalseBallsAreNotFollowed) {
  Play play{runs};
  play.false_balls = 0.3;
  const auto director = follow();
  const Film f = film(*director, play, 60, 7);
  EXPECT_GE(share_in_frame(f), 0.98);
  plot("false_balls", f);
}

// Twelve seconds without a ball: to the players, and back, without a jump in place, speed or zoom.
TEST_F(DirectorTest, HandsOverToThePlayersAndBack) {
  Play play{still};
  play.players = [](double) { return Direction{radians(-20), radians(-4)}; };
  play.blind_from = 20, play.blind_to = 32;
  const auto director = follow();
  const Film f = film(*director, play, 60, 7);
  const auto at = [&](double t) { return f.poses[static_cast<std::size_t>(t * kFrames)]; };
  EXPECT_NEAR(at(15).yaw, radians(25), radians(1));
  EXPECT_NEAR(at(26).yaw, radians(-20), radians(3));
  EXPECT_NEAR(at(45).yaw, radians(25), radians(1));
  EXPECT_NEAR(at(19).yaw, radians(25), radians(1.5)) << "left a ball that was still seen";
  EXPECT_TRUE(in_frame(at(32), still(32))) << "was not there when the ball came back";
  EXPECT_NEAR(at(36).yaw, radians(25), radians(1.5));
  expect_within_limits(f, follow_.motion);
  plot("hand_over", f);
}

TEST_F(DirectorTest, WithoutDetectionsTheCameraRestsInTheMiddle) {
  for (const bool empty_ones : {false, true}) {
    const auto director = follow();
    for (int i = 0; i < 300; ++i) {
      if (empty_ones) {
        Detections none;
        none.capture_ns = i * kSecond_ns / 30;
        director->observe(none);
      }
      const CameraPose p = director->decide(i * kSecond_ns / 30).pose;
      ASSERT_NEAR(p.yaw, limits_.home().yaw, 1e-9);
      ASSERT_NEAR(p.pitch, limits_.home().pitch, 1e-9);
      ASSERT_EQ(p.field_of_view, follow_.follow.wide);
    }
  }
}

TEST_F(DirectorTest, DetectionsThatStopLeadBackToTheMiddle) {
  Play play{[](double) { return Direction{radians(50), 0}; }};
  play.with_players = false;
  play.blind_from = 20;
  const auto director = follow();
  const Film f = film(*director, play, 60, 7);
  EXPECT_NEAR(f.poses[15 * 30].yaw, radians(50), radians(1));
  EXPECT_NEAR(f.poses.back().yaw, 0, radians(0.5));
  expect_within_limits(f, follow_.motion);
}

TEST_F(DirectorTest, TheSameInputGivesTheSamePathToTheBit) {
  const auto a = follow(), b = follow();
  Play play{passes};
  play.false_balls = 0.3;
  const Film f = film(*a, play, 30, 7), g = film(*b, play, 30, 7);
  for (std::size_t i = 0; i < f.poses.size(); ++i) {
    ASSERT_EQ(f.poses[i].yaw, g.poses[i].yaw);
    ASSERT_EQ(f.poses[i].pitch, g.poses[i].pitch);
    ASSERT_EQ(f.poses[i].field_of_view, g.poses[i].field_of_view);
  }
}

// Stamps that repeat, swap, jump and run backwards: poses stay finite, fitting and smooth in what is
// shown; a repeated frame gets the same pose.
TEST_F(DirectorTest, TimeStampsThatRepeatOrRunBackwardsDoNoHarm) {
  const auto director = follow();
  std::mt19937 random(3);
  const Play play{runs};
  CameraPose last = director->decide(0).pose;
  double inside = 0;
  for (int i = 1; i < 1800; ++i) {
    const double t = i / kFrames + 7;
    if (i % 5 == 0) {
      const Detections d = detect(play, t, random);
      director->observe(d);
      if (i % 10 == 0) director->observe(d);
      if (i % 15 == 0) director->observe(detect(play, t - 0.1, random));
      Detections odd = d;
      const std::int64_t stamps[] = {INT64_MIN, INT64_MAX, 0, -5, d.capture_ns + 3600 * kSecond_ns};
      odd.capture_ns = stamps[i / 5 % 5];
      odd.count = 0;
      if (i % 25 == 0) director->observe(odd);
    }
    const std::int64_t shown = std::llround(i / kFrames * 1e9);
    const CameraPose p = director->decide(shown).pose;
    ASSERT_TRUE(limits_.fits(p));
    ASSERT_LE(std::abs(p.yaw - last.yaw), follow_.motion.yaw.speed / kFrames * 1.001);
    const CameraPose again = director->decide(shown).pose,
                     back = director->decide(shown - kSecond_ns / 2).pose;
    ASSERT_EQ(again.yaw, p.yaw);
    ASSERT_EQ(back.yaw, p.yaw);
    if (i >= 300) inside += in_frame(p, runs(i / kFrames));  // detections begin after seven seconds
    last = p;
  }
  EXPECT_GT(inside / 1500, 0.95);
  // The clock starts again: the film goes on.
  for (int i = 0; i < 300; ++i) {
    const CameraPose p =
        director->decide(-3600 * kSecond_ns + std::llround(i / kFrames * 1e9)).pose;
    ASSERT_TRUE(limits_.fits(p));
    ASSERT_LE(std::abs(p.yaw - last.yaw), follow_.motion.yaw.speed / kFrames * 1.001);
    last = p;
  }
  for (const std::int64_t t : {INT64_MAX, INT64_MIN, std::int64_t{0}})
    EXPECT_TRUE(limits_.fits(director->decide(t).pose));
}

TEST_F(DirectorTest, DetectionsThatAreNoNumbersAndFullOnesDoNoHarm) {
  const auto director = follow();
  for (int i = 0; i < 600; ++i) {
    Detections d;
    d.capture_ns = std::llround((i / kFrames + 7) * 1e9);
    for (std::size_t k = 0; k < Detections::kCapacity; ++k)
      d.add({k % 3 == 0 ? NAN : static_cast<float>(k * 997 % 1140),
             k % 5 == 0 ? INFINITY : static_cast<float>(k % 380), 5, 5, k % 7 == 0 ? NAN : 0.9f,
             k % 2 ? ObjectClass::ball : ObjectClass::person});
    director->observe(d);
    const CameraPose p = director->decide(std::llround(i / kFrames * 1e9)).pose;
    ASSERT_TRUE(limits_.fits(p));
  }
}

TEST_F(DirectorTest, SweepGoesFromEndToEndAndTurnsSmoothly) {
  DirectorConfig c;
  c.kind = DirectorConfig::Kind::sweep;
  const auto director = make_director(c, kPanorama, limits_);
  Film f;
  double left = 0, right = 0;
  for (int i = 0; i < 60 * kFrames; ++i) {
    f.poses.push_back(director->decide(5 * kSecond_ns + std::llround(i / kFrames * 1e9)).pose);
    left = std::min(left, f.poses.back().yaw);
    right = std::max(right, f.poses.back().yaw);
  }
  EXPECT_NEAR(f.poses.front().yaw, 0, 1e-6);
  EXPECT_GT(f.poses[15].yaw, 0);
  EXPECT_NEAR(left, limits_.clamp({-6, 0, c.sweep.field_of_view}).yaw, 1e-3);
  EXPECT_NEAR(right, limits_.clamp({6, 0, c.sweep.field_of_view}).yaw, 1e-3);
  MotionLimits m;
  m.yaw = {c.sweep.speed * 1.0001, c.sweep.acceleration * 1.001};
  // The first step starts in full motion, so the film is looked at from there.
  for (std::size_t i = 2; i < f.poses.size(); ++i) {
    const double v = (f.poses[i].yaw - f.poses[i - 1].yaw) * kFrames,
                 w = (f.poses[i - 1].yaw - f.poses[i - 2].yaw) * kFrames;
    ASSERT_LE(std::abs(v), m.yaw.speed);
    ASSERT_LE(std::abs(v - w) * kFrames, m.yaw.acceleration);
    ASSERT_TRUE(limits_.fits(f.poses[i]));
  }
}

TEST_F(DirectorTest, FixedLooksWhereItIsToldWithinTheLimits) {
  DirectorConfig c;
  c.kind = DirectorConfig::Kind::fixed;
  c.fixed = {0.3, -0.05, 1.0};
  EXPECT_EQ(make_director(c, kPanorama, limits_)->decide(1).pose.yaw, 0.3);
  c.fixed = {3, 1, 1.0};
  EXPECT_TRUE(limits_.fits(make_director(c, kPanorama, limits_)->decide(1).pose));
}

TEST_F(DirectorTest, NumbersOutOfRangeAreNamed) {
  const auto refused = [&](auto&& change, const char* name) {
    DirectorConfig c;
    change(c);
    try {
      make_director(c, kPanorama, limits_);
      ADD_FAILURE() << name << " was taken";
    } catch (const std::invalid_argument& e) {
      EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << e.what();
    }
  };
  refused([](DirectorConfig& c) { c.sweep.speed = 0; }, "sweep.speed");
  refused([](DirectorConfig& c) { c.motion.yaw.acceleration = NAN; }, "motion.yaw");
  refused([](DirectorConfig& c) { c.follow.wide = c.follow.narrow - 0.1; }, "follow.wide");
  refused([](DirectorConfig& c) { c.fixed.field_of_view = radians(120); }, "fixed.field_of_view");
}

}  // namespace
}  // namespace gantry
