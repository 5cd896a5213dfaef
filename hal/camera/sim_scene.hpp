// From a state of the match to what the kernels draw of it: limbs and shadows in pixels, by tiles.
//
// Works into memory that is given to it; nothing allocates. One thread per object.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "hal/camera/sim_figure.hpp"
#include "hal/camera/sim_view.hpp"

namespace gantry {
namespace sim {
#include "kernels/sim_layout.clh"
}  // namespace sim

// Where the parts of a camera's frame memory lie.
struct SimFrameMemory {
  std::size_t tiles_offset = 0, members_offset = 0, bytes = 0;
  int most_tiles = 0;
  SimFrameMemory(int width, int height);
};

// What a test may leave out; everything is drawn by default.
struct SimCast {
  int hidden_person = -1;
  bool ball = true, props = true;
};

class SimScene {
 public:
  // `matrix` is Y, Cb, Cr (full range) from encoded R, G, B.
  SimScene(const SimView& view, const SimLook& look, const std::array<double, 9>& matrix,
           std::uint64_t seed);

  struct Drawn {
    int tiles = 0, actors = 0;  // actors: farthest first
    std::size_t bytes = 0;      // of the memory, from its start, that the kernels will read
  };
  // Fills actors, limbs, shadows, ball and tiles. The rest of SimFrame is the renderer's.
  Drawn draw(const SimState& state, const SimCast& cast, std::byte* memory);

 private:
  struct Entry {
    SimFigure figure;
    Vector3 middle;
    double distance = 0;
    const SimBall* ball = nullptr;
    int person = -1;
  };

  void set_up_goals();
  void set_up_props(std::uint64_t seed);
  void set_up_clutter(std::uint64_t seed);
  void add_prop(const Vector3& a, const Vector3& b, double ra, double rb, const SimColour& c);
  void gather(const SimState& state, const SimCast& cast);
  void add_figure(const Entry& entry, sim::SimFrame& frame, sim::SimActor& actor);
  void add_shadow(const SimLimb& limb, sim::SimFrame& frame, sim::SimActor& actor);
  void add_ball(const SimBall& ball, sim::SimFrame& frame, sim::SimActor& actor);
  void light(const Vector3& middle, float* out) const;
  std::array<float, 3> colour(const SimColour& c, double distance) const;
  int fill_tiles(const sim::SimFrame& frame, int actors, std::byte* memory);

  SimView view_;
  SimLook look_;
  std::array<double, 9> matrix_;
  Vector3 sun_;
  SimFrameMemory layout_;
  std::array<SimLimb, 16 + SimLook::kMostClutter> props_;
  int prop_count_ = 0;
  std::array<SimBall, 4> spare_balls_;
  std::array<Entry, SIM_MOST_ACTORS> entries_;
  std::array<int, SIM_MOST_ACTORS> order_{};
  int entry_count_ = 0, balls_ = 0, capsules_ = 0, shadows_ = 0;
};

// Towards the sun, unit, world frame.
Vector3 sun_direction(const SimLook& look);

}  // namespace gantry
