// The director that follows play: the ball while it is known, the flow of the players otherwise.
//
// How: for every tenth of a second of the look-ahead, place() says where play is: the ball's place,
// the players' and the home pose's, mixed by how far each is trusted. A planner per axis finds the
// calmest way past these places that keeps play in frame (pipeline/path_planner.hpp); the camera
// takes the first step of it (pipeline/path_motion.hpp). With the next frame it is planned anew.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/path_motion.hpp"
#include "pipeline/path_planner.hpp"
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
  // A place that the view must show.
  struct Hold {
    double yaw, pitch;
    double reach;  // of the view's centre from it: in yaw, and by the aspect in pitch
    double bound;  // weight of what is beyond
  };
  struct Place {
    double yaw, pitch, field_of_view;
    double ball_share, trust;  // trust: in the place, whatever it is made of
    bool lies;                 // the ball, surely
    LastSight last;            // and where else it may be
    Hold hold;
  };
  static constexpr std::size_t kSteps = PathPlanner::kSteps;
  static constexpr std::size_t kColumns = 128, kRows = 32;  // cells of the table of widest views

  Place place_at(std::int64_t instant_ns) const noexcept;
  double share_of(const BallState& ball, std::int64_t instant_ns) const noexcept;
  void bend(BallState& ball, const PlayersState& players, std::int64_t instant_ns) const noexcept;
  double view_of(const BallState& ball) const noexcept;
  Hold hold_of(const Place& place, const BallState& ball) const noexcept;
  double view_to_show(std::size_t step, double yaw, double pitch, double room) const noexcept;
  double widest_at(double yaw, double pitch) const noexcept;
  std::size_t look_ahead(std::int64_t now_ns) noexcept;
  Axes plan(std::size_t steps) noexcept;
  double plan_zoom(std::size_t steps) noexcept;
  void move_to(std::int64_t capture_ns) noexcept;
  void explain(std::int64_t capture_ns) noexcept;

  FollowConfig config_;
  ViewLimits limits_;
  CameraPose home_;
  PanoramaGeometry panorama_;
  Ground ground_;
  PlayWindow window_;
  PathMotion motion_;
  PathPlanner yaw_, pitch_, zoom_;
  std::array<Place, kSteps> places_{};
  std::array<AxisTarget, kSteps> targets_{};
  std::array<std::array<float, kColumns + 1>, kRows + 1> widest_{};
  bool started_ = false;
  std::int64_t last_ns_ = 0;
  Decision decision_;
};

}  // namespace gantry
