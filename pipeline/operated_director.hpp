// The director that an operator may overrule: one of the others, or a hand.
//
// How: as long as nobody steers, the decisions of the chosen director are passed on as they are.
// While a hand steers, and afterwards until the camera has caught up with the director, it moves
// within the limits of motion from where it is and as it moves: no hand-over jumps.
// The director that is overruled keeps deciding, so that it knows play when it is asked again.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <memory>

#include "pipeline/control.hpp"
#include "pipeline/path_motion.hpp"

namespace gantry {

class OperatedDirector final : public Director {
 public:
  // Set-up. `hand_back_s`: after the last command to steer, unless it says otherwise; 0: never.
  // The queues must outlive it. Throws as make_director() does.
  OperatedDirector(const DirectorConfig& config, const PanoramaGeometry& panorama,
                   const ViewLimits& limits, double hand_back_s, ControlCommands& commands,
                   ControlStatuses& statuses);

  void observe(const Detections& found) noexcept override;
  // Time goes by the frames: a hand-back comes with the first one captured after it.
  const Decision& decide(std::int64_t capture_ns) noexcept override;

 private:
  enum class Hand { off, steers, leaves };

  Director& director() noexcept { return *directors_[static_cast<std::size_t>(kind_)]; }
  void obey(const ControlCommand& command, std::int64_t capture_ns) noexcept;
  void take_over() noexcept;
  void steer(double seconds) noexcept;
  void give_back(double seconds) noexcept;
  void tell() noexcept;

  ViewLimits limits_;
  double hand_back_s_;
  ControlCommands& commands_;
  ControlStatuses& statuses_;
  std::array<std::unique_ptr<Director>, 3> directors_;  // by DirectorConfig::Kind
  DirectorConfig::Kind kind_;
  Hand hand_ = Hand::off;
  PathMotion motion_;
  CameraPose target_;                      // of the hand
  std::int64_t hand_back_ns_ = INT64_MAX;  // as a capture instant
  bool started_ = false;
  Decision decision_;
  std::array<AxisState, 3> directed_{};  // the director's last pose, and how it moves
};

}  // namespace gantry
