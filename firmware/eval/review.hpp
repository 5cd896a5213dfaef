// How well a director filmed a match: what was in frame, how calmly, and what it was taken in by.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "firmware/eval/sim_match.hpp"
#include "pipeline/director.hpp"

namespace gantry {

// What was decided for each frame of a match.
struct FilmedFrame {
  CameraPose pose;
  Reason reason = Reason::nothing;
  bool claims_ball = false;  // says that the ball is at …, by a confidence of one half
  double ball_yaw = 0, ball_pitch = 0, confidence = 0;
  bool interpolated = false;
};
using Film = std::vector<FilmedFrame>;

// Shows every frame `delay_s` after its capture with the detections that are known by then.
Film film(Director& director, const Match& match, double delay_s);

// Angles in degrees, for people. Of the framing only the time counts in which the ball is within the
// panorama: near the mast it can be below it.
struct Review {
  std::string name;
  double seconds = 0;
  double in_frame = 0, in_centre = 0;             // shares of the time, of the true ball
  double offset_rms = 0, offset_p95 = 0;          // of the true ball from the centre of the view
  double speed_std = 0, speed_p95 = 0;            // angular speed of the view's centre, °/s
  double true_speed_std = 0, true_speed_p95 = 0;  // of the truth's own smoothed path
  double acceleration_std = 0, acceleration_p95 = 0, acceleration_most = 0;  // °/s²
  int spikes = 0;                                                            // of the acceleration
  double reversals = 0;  // of the pan, per second
  double true_reversals = 0;
  double without_play_s = 0;  // ball out of frame for more than a second: the time beyond
  double zooms = 0;           // turns of the zoom, per minute
  double longest_loss_s = 0;
  int false_follows = 0;  // a false ball taken for the ball for more than a second
  int still_left = 0;     // a ball that lies still left the frame
};

Review review(const Match& match, const Film& film, const ViewLimits& limits);
// Whether the ball is in the view of this aspect (height / width).
bool in_view(const CameraPose& pose, const TrueBall& ball, double aspect);
// Shares and rates averaged over time, squares by their sums, events added, extremes kept.
Review total(const std::vector<Review>& reviews, std::string name);

// What the camera followed, for matches whose truth is not known: shares of the time by reason, and
// how calmly it moved.
void print_followed(const Review& review, const Film& film, std::FILE* out);
void print_heading(std::FILE* out);
void print(const Review& review, std::FILE* out);

}  // namespace gantry
