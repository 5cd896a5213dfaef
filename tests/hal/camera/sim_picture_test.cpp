// The simulated picture against the truth about it, and its camera's electronics against formulas.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <random>

#include "tests/hal/camera/sim_fixture.hpp"

namespace gantry {
namespace {

using namespace simtest;

SimRendererConfig moving_parts(std::size_t camera) {
  SimRendererConfig c;
  c.camera = camera;
  c.black_background = true;
  return c;
}

const SimCast kBallAlone{-1, true, false};

struct Blob {
  double x = 0, y = 0, weight = 0;
};

Blob blob_of(const Picture& p) {
  Blob b;
  for (int y = 0; y < p.layout.height; ++y)
    for (int x = 0; x < p.layout.width; ++x) {
      const double w = p.luma(x, y) - 16;
      b.x += w * x, b.y += w * y, b.weight += w;
    }
  b.x /= b.weight, b.y /= b.weight;
  return b;
}

TEST(SimPicture, IsTheSameForTheSameSeedOnly) {
  const Rig r = rig(320, 180);
  SimRendererConfig config, other;
  other.seed = 2;
  SimRenderer one(device(), r, plain_look(), config), again(device(), r, plain_look(), config),
      differs(device(), r, plain_look(), other);
  const FrameStamp stamp{0, 400, 0}, next{0, 401, 0};
  const auto a = render(one, state_at(13.3), stamp), b = render(again, state_at(13.3), stamp);
  EXPECT_EQ(a.bytes, b.bytes);
  EXPECT_NE(a.bytes, render(differs, state_at(13.3), stamp).bytes);
  EXPECT_NE(a.bytes, render(one, state_at(13.3), next).bytes)
      << "noise must change from frame to frame";
  EXPECT_NE(a.bytes, render(one, state_at(14.3), stamp).bytes);
}

TEST(SimPicture, ShowsTheBallWhereTheTruthSaysAndAsLarge) {
  const Rig r = rig();
  SimLook look = flat_look();
  look.ball = {1, 1, 1};
  SimTruth truth(r, look, 5);
  SimTruthFrame t;
  std::mt19937 random(5);
  std::uniform_real_distribution<double> along(-50, 50), across(-30, 34), up(0.11, 4), v(-18, 18);
  for (std::size_t camera = 0; camera < 2; ++camera) {
    SimRenderer renderer(device(), r, look, moving_parts(camera));
    int seen = 0;
    for (int i = 0; i < 60; ++i) {
      SimState s = deserted();
      s.ball.position = {along(random), across(random), up(random)};
      if (i % 2) s.ball.velocity = {v(random), v(random), 0};
      truth.of(s, 0, 0, t);
      const SimSpot& spot = t.ball.cameras[camera];
      if (!spot.seen || spot.x < 6 || spot.x > 633 || spot.y > 353) continue;
      ++seen;
      const Blob b = blob_of(render(renderer, s, {}, kBallAlone));
      const double slack = 0.1 + 0.02 * spot.diameter;  // light from above moves it up a little
      EXPECT_NEAR(b.x, spot.x, slack) << i;
      EXPECT_NEAR(b.y, spot.y, slack) << i;
      // Full white is 219 steps; the light on a ball averages √0.8 of it.
      const double area = b.weight / (219 * std::sqrt(0.8));
      EXPECT_NEAR(std::sqrt(4 * area / std::numbers::pi), spot.diameter,
                  0.05 * spot.diameter + 0.03)
          << i;
    }
    EXPECT_GE(seen, 20);
  }
}

TEST(SimPicture, BothCamerasSeeOneWorld) {
  const Rig r = rig();
  SimLook look = flat_look();
  look.ball = {1, 1, 1};
  SimRenderer left(device(), r, look, moving_parts(0)), right(device(), r, look, moving_parts(1));
  for (double x : {-1.5, 0.0, 1.5}) {
    SimState s = deserted();
    s.ball.position = {x, -10, 1};
    const Blob a = blob_of(render(left, s, {}, kBallAlone)),
               b = blob_of(render(right, s, {}, kBallAlone));
    const auto da = left.view().direction({a.x, a.y}), db = right.view().direction({b.x, b.y});
    ASSERT_TRUE(da && db);
    const double angle =
        std::sqrt((da->x - db->x) * (da->x - db->x) + (da->y - db->y) * (da->y - db->y) +
                  (da->z - db->z) * (da->z - db->z));
    EXPECT_LT(angle * left.view().lens().fx, 0.25) << "in pixels";
  }
}

// What a person's being there changes lies within the box, and reaches its edges.
TEST(SimPicture, BoxesFitTheFigures) {
  const Rig r = rig();
  const SimLook look = flat_look();
  SimTruth truth(r, look, 5);
  const SimState s = state_at(42);
  SimTruthFrame t;
  truth.of(s, 0, 0, t);
  SimRenderer renderer(device(), r, look, moving_parts(0));
  const Picture all = render(renderer, s, {}, {-1, false, false});
  int judged = 0;
  for (const SimTruthPerson& p : t.persons) {
    const SimBox& box = p.cameras[0];
    if (!box.seen || p.visible < 0.99 || box.left < 0 || box.right > 639) continue;
    ++judged;
    const Picture without = render(renderer, s, {}, {p.id, false, false});
    int left = 9999, top = 9999, right = -1, bottom = -1;
    for (int y = 0; y < all.layout.height; ++y)
      for (int x = 0; x < all.layout.width; ++x)
        if (std::abs(all.luma(x, y) - without.luma(x, y)) > 12)
          left = std::min(left, x), right = std::max(right, x), top = std::min(top, y),
          bottom = std::max(bottom, y);
    ASSERT_LE(left, right) << p.id;
    EXPECT_NEAR(left, box.left, 1.6) << p.id;
    EXPECT_NEAR(right, box.right, 1.6) << p.id;
    EXPECT_NEAR(top, box.top, 1.6) << p.id;
    EXPECT_NEAR(bottom, box.bottom, 1.6) << p.id;
  }
  EXPECT_GE(judged, 6);
}

// The middle of a painted line, found in the picture, lies where the law of the game puts it.
TEST(SimPicture, LinesLieWhereTheLensPutsThem) {
  const Rig r = rig();
  SimLook look = flat_look();
  look.wear = 0;
  SimRendererConfig config;
  SimRenderer renderer(device(), r, look, config);
  const Picture p = render(renderer, deserted(), {}, {-1, false, false});
  struct Mark {
    Vector3 at, across;
  };
  const double side =
      -SimPitch::half_width + 0.06;  // lines belong to the field: inside of its edge
  const std::vector<Mark> marks{{{-4, side, 0}, {0, 1, 0}},  {{-10, side, 0}, {0, 1, 0}},
                                {{-18, side, 0}, {0, 1, 0}}, {{0, -22, 0}, {1, 0, 0}},
                                {{0, -15, 0}, {1, 0, 0}},    {{-9.15, 0, 0}, {1, 0, 0}},
                                {{-25, side, 0}, {0, 1, 0}}};
  for (const Mark& m : marks) {
    double sum = 0, moment = 0, base = 1e9;
    const auto shifted = [&](double d) {
      return *renderer.view().project({m.at.x + d * m.across.x, m.at.y + d * m.across.y, 0});
    };
    constexpr double kReach = 0.8, kStep = 0.02;  // metres
    std::vector<double> profile;
    for (double d = -kReach; d <= kReach + 1e-9; d += kStep) {
      const Pixel at = shifted(d);
      profile.push_back(p.bilinear(at.x, at.y));
      base = std::min(base, profile.back());
    }
    const double peak = *std::ranges::max_element(profile), floor = 0.5 * (base + peak);
    EXPECT_GT(peak - base, 25) << m.at.x << ' ' << m.at.y;
    for (std::size_t i = 0; i < profile.size(); ++i) {
      const double w = std::max(0.0, profile[i] - floor),
                   d = -kReach + kStep * static_cast<double>(i);
      sum += w, moment += w * d;
    }
    const Pixel found = shifted(moment / sum), want = shifted(0);
    EXPECT_LT(std::hypot(found.x - want.x, found.y - want.y), 0.35) << m.at.x << ' ' << m.at.y;
  }
}

// Exposure and white balance are gains on linear light; linear light is the square of R'G'B'.
TEST(SimPicture, ExposureAndWhiteBalanceFollowTheFormula) {
  for (const ColourRange range : {ColourRange::limited, ColourRange::full}) {
    Rig r = rig(320, 180);
    r.range = range;
    const bool full = range == ColourRange::full;
    const SimLook plain = flat_look();
    SimLook other = plain;
    other.exposure[0] = 0.7f;
    other.warmth[0] = 1.15f;
    SimRendererConfig config;
    SimRenderer a(device(), r, plain, config), b(device(), r, other, config);
    const Picture p = render(a, deserted()), q = render(b, deserted());
    const double ys = full ? 255 : 219, cs = full ? 255 : 224, y0 = full ? 0 : 16;
    double worst = 0;
    for (int y = 2; y < 178; y += 2)
      for (int x = 2; x < 318; x += 2) {
        // A 2×2 block shares its chroma, so compare its mean luma.
        const auto mean = [&](const Picture& pic) {
          return 0.25 * (pic.luma(x, y) + pic.luma(x + 1, y) + pic.luma(x, y + 1) +
                         pic.luma(x + 1, y + 1));
        };
        const double luma = (mean(p) - y0) / ys, cb = (p.cb(x, y) - 128) / cs,
                     cr = (p.cr(x, y) - 128) / cs;
        const double red = luma + 1.5748 * cr, blue = luma + 1.8556 * cb;
        const double green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152;
        const double r2 = red * std::sqrt(0.7 * 1.15), g2 = green * std::sqrt(0.7),
                     b2 = blue * std::sqrt(0.7 / 1.15);
        const double want = 0.2126 * r2 + 0.7152 * g2 + 0.0722 * b2;
        worst = std::max(worst, std::abs(y0 + ys * want - mean(q)));
        worst = std::max(worst, std::abs(128 + cs * (b2 - want) / 1.8556 - q.cb(x, y)));
        worst = std::max(worst, std::abs(128 + cs * (r2 - want) / 1.5748 - q.cr(x, y)));
      }
    EXPECT_LT(worst, 2.2) << "output steps, with the rounding of both pictures in it";
  }
}

TEST(SimPicture, NoiseIsWhiteAndAsStrongAsConfigured) {
  const Rig r = rig(320, 180);
  SimLook look = flat_look();
  SimRenderer clean(device(), r, look, moving_parts(0));
  look.noise = 4;
  look.ball = {1, 1, 1};
  SimRendererConfig config;
  SimRenderer noisy(device(), r, look, config);
  look.noise = 0;
  SimRenderer quiet(device(), r, look, config);
  const Picture a = render(noisy, deserted(), {0, 5, 0}), b = render(quiet, deserted(), {0, 5, 0});
  double sum = 0, squares = 0, beside = 0, below = 0;
  int count = 0;
  const auto d = [&](int x, int y) { return static_cast<double>(a.luma(x, y) - b.luma(x, y)); };
  for (int y = 0; y < 178; ++y)
    for (int x = 0; x < 318; ++x, ++count) {
      sum += d(x, y), squares += d(x, y) * d(x, y);
      beside += d(x, y) * d(x + 1, y), below += d(x, y) * d(x, y + 1);
    }
  EXPECT_NEAR(sum / count, 0, 0.1);
  EXPECT_NEAR(std::sqrt(squares / count), 4, 0.15);
  EXPECT_NEAR(beside / squares, 0, 0.02);
  EXPECT_NEAR(below / squares, 0, 0.02);
}

// Kernels write every byte of every row, whatever was there before.
TEST(SimPicture, FillsSizesThatAreNoMultipleOfItsTiles) {
  const Rig r = rig(326, 182);
  SimRendererConfig config;
  SimLook look = plain_look();
  SimRenderer renderer(device(), r, look, config);
  const SimState s = state_at(5);
  const Picture a = render(renderer, s), b = render(renderer, s);
  EXPECT_EQ(a.bytes, b.bytes);
  for (int x = 0; x < 326; ++x) EXPECT_GT(a.luma(x, 181), 20) << "grass down to the last row";
}

}  // namespace
}  // namespace gantry
