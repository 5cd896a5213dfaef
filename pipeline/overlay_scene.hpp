// What the overlay shows: the ball, seen or interpolated, the players, the camera's frame and aim,
// and lines of text with the time, the delay, and why the camera looks where it does.
//
//   red       the ball where it is seen, with the confidence in it; yellow: between two sights
//   cyan      players, with their identities; pale: not seen at this instant
//   white     the frame of the virtual camera, on the panorama
//   magenta   where play is, before it was smoothed and limited: a cross
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>

#include "pipeline/decision.hpp"
#include "pipeline/overlay_list.hpp"

namespace gantry {

struct OverlaySceneConfig {
  PanoramaGeometry panorama;
  int view_width = 0, view_height = 0;  // of the virtual camera
  ColourMatrix matrix = ColourMatrix::bt709;
  ColourRange range = ColourRange::limited;
  double delay_s = 0;
  // What to add to CLOCK_MONOTONIC to get UTC; none: times count from the first picture.
  std::optional<std::int64_t> wall_offset_ns;
};

class OverlayScene {
 public:
  explicit OverlayScene(const OverlaySceneConfig& config);

  // One thread at a time, no allocation; `list` is emptied first. ---

  // Over the panorama, brought to the size of the list.
  void on_panorama(const Decision& decision, OverlayList& list) noexcept;
  // Over a view from this pose, of the list's size.
  void on_view(const Decision& decision, const CameraPose& pose, OverlayList& list) noexcept;

 private:
  template <typename Place>
  void draw_play(const Decision& decision, const Place& place, OverlayList& list) const noexcept;
  template <typename Place>
  void draw_camera(const Decision& decision, const Place& place, OverlayList& list) const noexcept;
  void draw_text(const Decision& decision, OverlayList& list) noexcept;

  OverlaySceneConfig config_;
  Ink red_, yellow_, cyan_, white_, magenta_, black_;
  std::optional<std::int64_t> first_ns_;
};

}  // namespace gantry
