// The boxes that a detector should find in one simulated picture: every ball and every person.
//
// Taken from what is really drawn, limb by limb. One thread per object; nothing allocates in of().
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "hal/camera/sim_scene.hpp"

namespace gantry {

// Pixel edges (pixel centres are whole numbers) of the whole figure, or of the ball as its movement
// smears it. Not cut at the picture's border.
struct SimObject {
  bool is_ball = false;
  double left = 0, top = 0, right = 0, bottom = 0;
  double diameter = 0;  // pixels, of a ball at rest
  double visible = 0;   // 0…1, share of it that lies within the picture and that nothing hides
};

class SimBoxes {
 public:
  SimBoxes(const SimView& view, const SimLook& look, std::uint64_t seed);

  // What is to be seen of it. Valid until the next call.
  std::span<const SimObject> of(const SimState& state, const SimCast& cast = {});

 private:
  double visible_share(const sim::SimFrame& frame, int actor, int actors,
                       const SimObject& object) const;

  int width_, height_;
  SimScene scene_;
  std::vector<std::byte> memory_;
  std::vector<SimObject> objects_;
};

}  // namespace gantry
