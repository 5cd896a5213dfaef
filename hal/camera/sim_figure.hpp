// A person of the simulated match as round-ended limbs in the world, dressed.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>

#include "hal/camera/lens.hpp"
#include "hal/camera/sim_look.hpp"
#include "hal/camera/sim_world.hpp"

namespace gantry {

struct SimLimb {
  Vector3 a, b;             // ends, metres, world frame
  double ra = 0, rb = 0;    // radii, metres
  SimColour first, second;  // `second` from `split` of the length on, or as the pattern says
  float split = 2;
  int pattern = 0;
  bool casts = true;  // a shadow of its own worth drawing
};

struct SimFigure {
  static constexpr int kMost = 16;
  std::array<SimLimb, kMost> limbs;
  int count = 0;
};

// `number` varies skin and hair, and the clothes where they are the person's own.
SimFigure figure_of(const SimPerson& person, int number, const SimLook& look);

}  // namespace gantry
