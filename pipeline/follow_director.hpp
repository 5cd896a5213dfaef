// The first director that follows play: the ball while it is known, the players' middle otherwise.
//
// How: at some instants around that of the frame shown the place of play is the ball's, the players'
// and the home pose's, mixed by how far each is trusted, so that no hand-over jumps. Their average,
// weighted towards the frame shown, is the aim: it looks ahead as far as detections are known. The
// view is as wide as the ball's way over that time, its speed, or the players' spread ask for. Then the
// camera moves there within its limits.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/camera_motion.hpp"
#include "pipeline/play_window.hpp"

namespace gantry {

class FollowDirector final : public Director {
 public:
  FollowDirector(const FollowConfig& config, const MotionLimits& motion,
                 const PanoramaGeometry& panorama, const ViewLimits& limits);
  void observe(const Detections& found) noexcept override;
  // An instant that is not after the last one gets the last pose again.
  const Decision& decide(std::int64_t capture_ns) noexcept override;

 private:
  struct Place {
    double yaw, pitch, ball_trust, players_trust, spread;
  };
  Place place_at(std::int64_t instant_ns) const noexcept;
  const CameraPose& move_to(std::int64_t capture_ns) noexcept;
  CameraPose aim_at(std::int64_t instant_ns) const noexcept;

  FollowConfig config_;
  ViewLimits limits_;
  CameraPose home_;
  PlayWindow window_;
  CameraMotion motion_;
  bool started_ = false;
  std::int64_t last_ns_ = 0;
  Decision decision_;
};

}  // namespace gantry
