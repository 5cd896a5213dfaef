// The truth of the simulated match, and a detector that errs in every way that real ones do.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/eval/sim_match.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "hal/camera/sim_view.hpp"
#include "hal/camera/sim_world.hpp"

namespace gantry {
namespace {

constexpr double kBallDiameter = 2 * SimWorld::kBallRadius;
constexpr double kStill = 0.25;       // metres: a ball that stays within lies still,
constexpr double kStillAfter_s = 3;   // once it has for so long
constexpr double kFieldMargin = 1.5;  // metres around the pitch within which persons count

struct Sight {
  double yaw = 0, pitch = 0, distance = 0;
};

Sight sight_of(const Vector3& point, const Vector3& eye) {
  const Vector3 d = panorama_from_world({point.x - eye.x, point.y - eye.y, point.z - eye.z});
  return {yaw_of(d), pitch_of(d), std::sqrt(d.x * d.x + d.y * d.y + d.z * d.z)};
}

// On and off by chance: `share` of the time on, `mean_s` at a stretch.
class Episode {
 public:
  bool step(SimRandom& random, double share, double mean_s, double dt) {
    began_ = false;
    if (on_ ? random.chance(std::min(1.0, dt / std::max(mean_s, dt)))
            : random.chance(chance_to_begin(share, mean_s, dt)))
      on_ = !on_, began_ = on_;
    return on_;
  }
  bool began() const { return began_; }

 private:
  static double chance_to_begin(double share, double mean_s, double dt) {
    if (share <= 0) return 0;
    if (share >= 1) return 1;
    return std::min(1.0, dt / std::max(mean_s, dt) * share / (1 - share));
  }
  bool on_ = false, began_ = false;
};

// The kinds of false balls, each with a fifth of their rate: single ones anywhere; one that lies on a
// spot of the pitch; one that crosses it (a bird, a bag); a second ball that is played beside the
// pitch; and a white shoe.
class FalseBalls {
 public:
  explicit FalseBalls(SimRandom& random) : random_(random) {}

  template <typename Put>
  void step(const SimState& state, double per_panorama, double dt, Put&& put) {
    const double rate = per_panorama / kKinds, seen = std::max(0.5, rate), share = rate / seen;
    const auto anywhere = [&] {
      return Vector3{random_.uniform(-50, 50), random_.uniform(-33, 33), SimWorld::kBallRadius};
    };
    for (double left = rate; left > 0; left -= 1)
      if (random_.chance(std::min(1.0, left))) put(anywhere());
    if (lies_.step(random_, share, 30, dt)) {
      if (lies_.began()) spot_ = anywhere();
      if (random_.chance(seen)) put(spot_);
    }
    if (crosses_.step(random_, share, 5, dt)) {
      if (crosses_.began()) {
        flier_ = anywhere();
        flier_.z = random_.uniform(0.1, 4);
        const double angle = random_.uniform(0, 2 * std::numbers::pi), v = random_.uniform(2, 12);
        flight_ = {v * std::cos(angle), v * std::sin(angle), 0};
      }
      flier_.x += flight_.x * dt;
      flier_.y += flight_.y * dt;
      if (random_.chance(seen)) put(flier_);
    }
    play_beside(dt);
    if (beside_on_.step(random_, share, 40, dt) && random_.chance(seen)) put(beside_);
    if (shoe_.step(random_, share, 8, dt)) {
      if (shoe_.began()) wearer_ = random_.below(SimState::kReferee);
      const SimPerson& p = state.persons[static_cast<std::size_t>(wearer_)];
      if (random_.chance(seen)) put({p.x + 0.2 * std::sin(p.gait), p.y, 0.1});
    }
  }

 private:
  static constexpr int kKinds = 5;

  // Kicked to and fro along the far or near touch line, with rests.
  void play_beside(double dt) {
    rest_s_ -= dt;
    if (rest_s_ <= 0) {
      goal_x_ = std::clamp(goal_x_ + random_.uniform(-15, 15), -45.0, 45.0);
      if (random_.chance(0.1)) beside_.y = beside_.y > 0 ? -35.5 : 36.5;
      rest_s_ = random_.uniform(2, 10);
    }
    beside_.x += std::clamp(goal_x_ - beside_.x, -9 * dt, 9 * dt);
  }

  SimRandom& random_;
  Episode lies_, crosses_, beside_on_, shoe_;
  Vector3 spot_, flier_, flight_, beside_{20, 36.5, SimWorld::kBallRadius};
  double goal_x_ = 20, rest_s_ = 0;
  int wearer_ = 0;
};

class Filming {
 public:
  Filming(const MatchOptions& options, const PanoramaGeometry& panorama)
      : options_(options),
        faults_(options.faults),
        panorama_(panorama),
        eye_(sim_eye({options.mast_height_m})),
        world_(options.seed),
        random_(options.seed, 0xfa017),
        false_balls_(random_) {
    match_.name = fmt::format("seed {}", options.seed);
    match_.frames_per_second = options.frames_per_second;
    match_.frame_count = static_cast<std::size_t>(options.seconds * options.frames_per_second);
  }

  Match film() {
    double next_analysis = 0;
    for (std::size_t i = 0; i < match_.frame_count; ++i) {
      const double t = static_cast<double>(i) / options_.frames_per_second;
      for (; next_analysis <= t; next_analysis += 1 / faults_.hertz) analyse(next_analysis);
      world_.at(t, state_);
      match_.truth.push_back(true_ball(t));
    }
    return std::move(match_);
  }

 private:
  TrueBall true_ball(double t) {
    const Vector3& b = state_.ball.position;
    if (std::hypot(b.x - rest_.x, b.y - rest_.y) > kStill) rest_ = b, rest_since_ = t;
    const Sight s = sight_of(b, eye_);
    const bool covered = s.yaw > panorama_.yaw_left && s.yaw < panorama_.yaw_right &&
                         s.pitch < panorama_.pitch_top && s.pitch > panorama_.pitch_bottom;
    return {s.yaw, s.pitch, speed(state_.ball), t - rest_since_ >= kStillAfter_s, covered};
  }

  void analyse(double t) {
    world_.at(t, state_);
    const double dt = 1 / faults_.hertz;
    const std::size_t first = match_.boxes.size();
    const bool missed = missing_.step(random_, faults_.misses, faults_.burst_s, dt);
    if (!missed)
      put_ball(state_.ball.position, 1, 0.45 + 0.5 * std::pow(random_.uniform(), 0.7), t);
    false_balls_.step(state_, faults_.false_balls, dt, [&](const Vector3& at) {
      const double u = random_.uniform();
      put_ball(at, random_.uniform(0.8, 1.4), 0.36 + 0.5 * u * u, t);
    });
    for (const SimPerson& p : state_.persons)
      if (std::abs(p.x) < SimPitch::half_length + kFieldMargin &&
          std::abs(p.y) < SimPitch::half_width + kFieldMargin &&
          !random_.chance(faults_.person_misses))
        put_person(p, t);
    const auto ns = [](double s) { return std::llround(1e9 * s); };
    match_.analyses.push_back(
        {ns(t), ns(t + faults_.latency_s), first, match_.boxes.size() - first});
  }

  double pixels_per_radian() const {
    return panorama_.width / (panorama_.yaw_right - panorama_.yaw_left);
  }

  void put(const Detection& d, double t) {
    const bool blind = faults_.camera_lost && t > options_.seconds * 2 / 3 &&
                       d.x > static_cast<float>(panorama_.width) / 2;
    if (blind || d.x < 0 || d.y < 0 || d.x > static_cast<float>(panorama_.width - 1) ||
        d.y > static_cast<float>(panorama_.height - 1))
      return;
    match_.boxes.push_back(d);
  }

  void put_ball(const Vector3& at, double scale, double confidence, double t) {
    const Sight s = sight_of(at, eye_);
    const double size =
        scale * (1 + 0.12 * random_.normal()) * kBallDiameter / s.distance * pixels_per_radian();
    Detection d{noisy(panorama_.x_of(s.yaw)),
                noisy(panorama_.y_of(s.pitch)),
                static_cast<float>(std::max(3.0, size)),
                static_cast<float>(std::max(3.0, size)),
                static_cast<float>(confidence),
                ObjectClass::ball};
    put(d, t);
  }

  void put_person(const SimPerson& p, double t) {
    const Sight feet = sight_of({p.x, p.y, 0}, eye_), head = sight_of({p.x, p.y, p.height}, eye_);
    const double top = panorama_.y_of(head.pitch), bottom = panorama_.y_of(feet.pitch);
    put({noisy(panorama_.x_of(feet.yaw)), noisy((top + bottom) / 2),
         static_cast<float>(0.5 / feet.distance * pixels_per_radian()),
         static_cast<float>(bottom - top), static_cast<float>(random_.uniform(0.5, 0.95)),
         p.role == SimRole::referee ? ObjectClass::referee : ObjectClass::person},
        t);
  }

  float noisy(double pixels) {
    return static_cast<float>(pixels + faults_.noise_pixels * random_.normal());
  }

  const MatchOptions& options_;
  const DetectorFaults& faults_;
  const PanoramaGeometry& panorama_;
  Vector3 eye_;
  SimWorld world_;
  SimState state_;
  SimRandom random_;
  FalseBalls false_balls_;
  Episode missing_;
  Match match_;
  Vector3 rest_{1e9, 0, 0};
  double rest_since_ = 0;
};

}  // namespace

Match simulate_match(const MatchOptions& options, const PanoramaGeometry& panorama) {
  return Filming(options, panorama).film();
}

}  // namespace gantry
