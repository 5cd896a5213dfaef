// The simulated match: who is where, and what the ball does, as a function of a seed and of time.
//
// A fixed step of 1/120 s; the same seed gives the same match on the same machine. The state has a
// fixed size; nothing allocates. One thread per object. World frame: see sim_view.hpp.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "hal/camera/sim_ball.hpp"
#include "hal/camera/sim_random.hpp"

namespace gantry {

enum class SimRole : std::uint8_t { player, keeper, referee, assistant, staff };

struct SimPerson {
  SimRole role = SimRole::player;
  int team = -1;          // 0 and 1; -1: neither
  double x = 0, y = 0;    // metres
  double vx = 0, vy = 0;  // metres per second
  double heading = 0;     // radians from +x towards +y: where the body faces
  double gait = 0;        // radians, one turn per two steps
  double kick = 0;        // 1 at the touch, falling to 0
  double hands = 0;       // 0 arms swing, 1 hold something in front, 2 overhead
  double height = 1.8;    // metres
  // Poses that the match does not know and training pictures show.
  double bend = 0;      // radians, of the upper body forward
  double crouch = 0;    // 0 stands … 1 squats
  double spread = 0;    // radians, of the arms sideways
  bool fallen = false;  // lies on the ground
  double build = 1;     // of the width of body and limbs
};

enum class SimPlay : std::uint8_t { open, fetching, carrying, waiting };
enum class SimRestart : std::uint8_t {
  none,
  kick_off,
  throw_in,
  corner,
  goal_kick,
  free_kick,
  hands
};

struct SimEvents {
  int kick_offs = 0, throw_ins = 0, corners = 0, goal_kicks = 0, free_kicks = 0, goals = 0;
  int passes = 0, lobs = 0, shots = 0, saves = 0, tackles = 0, bounces = 0;
};

struct SimState {
  static constexpr int kPersons = 32;
  static constexpr int kReferee = 22;
  double time = 0;  // seconds since kick-off
  std::array<SimPerson, kPersons> persons;
  int person_count = kPersons;  // all in the match; training pictures show any number
  SimBall ball;
  std::array<SimBall, 7> more_balls;  // none in the match; training pictures show several
  int more_ball_count = 0;
  int owner = -1;  // who has the ball
  SimPlay play = SimPlay::waiting;
  SimRestart restart = SimRestart::kick_off;
  SimEvents events;
};

class SimWorld {
 public:
  static constexpr double kStep = 1.0 / 120;
  static constexpr double kFastest = 8.6;       // m/s, of a person
  static constexpr double kAcceleration = 5.5;  // m/s²
  static constexpr double kBallRadius = 0.11;

  explicit SimWorld(std::uint64_t seed);

  // The state at `time` >= 0, between two steps linearly. Times must not fall.
  void at(double time, SimState& out);

 private:
  struct Wish {  // where someone wants to be, and how fast at most
    double x = 0, y = 0, speed = 0;
  };

  void step();
  void set_up_persons();
  // sim_tactics.cpp: wishes of all
  void assign_roles();
  void wish_all();
  Wish slot_of(int i) const;
  Wish defend(int i, Wish slot) const;
  Wish keep_goal(int i) const;
  Wish officiate(int i) const;
  Wish chase(int i) const;
  double direction_of(int team) const { return team == 0 ? 1 : -1; }
  int nearest(int team, double x, double y, int except, bool outfield) const;
  double pressure(int i) const;
  // sim_play.cpp: what is done with the ball
  void open_play();
  void dribble(int i);
  void decide(int i);
  void pass(int i);
  void lob(int i);
  void shoot(int i);
  void kick(int i, const Vector3& velocity);
  void touch_bodies();
  void meet(int i);
  void contest();
  void watch_lines();
  void begin_restart(SimRestart kind, double x, double y, int team);
  void restart_step();
  void hold_ball(const SimPerson& p, double height);
  void take_restart();

  void move(int i);

  SimRandom random_;
  SimState state_, before_;
  std::array<Wish, SimState::kPersons> wish_;
  std::array<double, SimState::kPersons>
      cooldown_{};                             // seconds until the ball may be touched again
  std::array<Wish, SimState::kPersons> home_;  // staff: where they belong
  std::array<int, 2> chaser_{-1, -1}, second_{-1, -1};
  int last_touch_team_ = 0;
  int receiver_ = -1;
  double decide_at_ = 0, stuck_ = 0;
  double lines_from_ = 0;  // a throw starts outside: the lines count from then on
  std::int64_t steps_ = 0;
  // The restart under way.
  int taker_ = -1;
  int restart_team_ = 0;
  double spot_x_ = 0, spot_y_ = 0, ready_at_ = 0;
};

}  // namespace gantry
