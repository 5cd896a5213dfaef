// A picture of a film's path against the truth: yaw over time, a row per minute.
//
// Grey band: what the view shows. Black: its centre. Red: the true ball, where it is out of frame;
// green where it is in frame. Blue: where the director says that the ball is. Dots: the balls found.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "firmware/eval/review.hpp"

namespace gantry {

// Writes a PNG. Throws std::runtime_error naming the file.
void plot(const std::filesystem::path& file, const Match& match, const Film& film,
          const PanoramaGeometry& panorama, double aspect);

}  // namespace gantry
