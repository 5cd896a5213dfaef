// Scenes for training and testing a detector: any camera, light, floor, crowd of people and balls.
//
// A scene is one camera somewhere around a pitch. In half of them it films a simulated match from
// beside the touch line; in the others its moments are people and balls put at random where it looks.
// Everything follows from the seed.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/camera/sim_random.hpp"
#include "hal/camera/sim_scene.hpp"

namespace gantry {

struct SimTrainingScene {
  std::uint64_t seed = 0;
  Rig rig;  // one camera
  SimMast mast;
  SimLook look;
  double focus_x = 0, focus_y = 0, reach = 0;  // where people are, metres
  bool match = false;
  double since_kick_off_s = 0;  // of a match: its first moment

  SimTrainingScene(std::uint64_t scene_seed, int width, int height);

 private:
  double stand_anywhere(SimRandom& random, int width);
  double stand_at_a_match(SimRandom& random);
};

struct SimMoment {
  SimState state;
  SimCast cast;
};
// Moment `number` of the scene, as `view` (of its rig) sees it.
SimMoment training_moment(const SimTrainingScene& scene, const SimView& view, std::uint64_t number);

}  // namespace gantry
