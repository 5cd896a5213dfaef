// A display: shows pictures on a screen, one at each vertical blank at most, and says when.
//
// One thread of its own calls it (the constructor may be called by another). Nothing here throws
// after the constructor, and a frame thread never waits for it: who has pictures pushes them into a
// link that gives up the oldest.
//
//   closed ── open() ok ──> open ── prepare(), flip(), wait_flip() ──> open
//      └────── lost, the cause in problem() <──────────────────────────┘
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "hal/memory/surface.hpp"

namespace gantry {

enum class ScreenLayout {
  camera,               // the virtual camera fills the screen
  camera_and_panorama,  // the virtual camera, and the panorama below it
};

struct DisplayConfig {
  std::string device = "auto";     // a node (/dev/dri/card1) or a driver's name; auto: the first
                                   // device with a connected connector
  std::string connector = "auto";  // for example HDMI-A-1; auto: the first that is connected
  std::string mode = "preferred";  // or 1920x1080, or 1920x1080@60
  ScreenLayout layout = ScreenLayout::camera;
};

struct DisplayMode {
  int width = 0, height = 0;
  double refresh_hz = 0;
  std::int64_t interval_ns() const { return std::llround(1e9 / refresh_hz); }
};

// What a screen shows; the display holds the surfaces until they are off the screen. The bytes are
// complete when it gets them.
struct ScreenPicture {
  SurfaceRef view;
  SurfaceRef panorama;  // empty: none
};

// A picture that has come to the screen.
struct Flip {
  std::int64_t instant_ns = 0;  // CLOCK_MONOTONIC, the kernel's time stamp of the vertical blank
};

class Display {
 public:
  virtual ~Display() = default;

  // Takes the screen and sets its mode. ok, or lost with the cause in problem().
  virtual Status open() noexcept = 0;
  virtual void close() noexcept = 0;
  // Of the open screen: for example "vkms Virtual-1, NV12 planes".
  virtual std::string_view description() const noexcept = 0;
  virtual DisplayMode mode() const noexcept = 0;

  // Makes a picture ready to be shown; may wait for the device. A picture that was prepared and not
  // shown is let go. ok, lost, or device_lost where the kernel that converts it is refused.
  virtual Status prepare(ScreenPicture&& picture) noexcept = 0;
  // The same for a line of text, drawn by the CPU: works where no kernel does.
  virtual Status prepare_slate(std::string_view text) noexcept = 0;
  // Hands the prepared picture to the screen, which takes it at its next vertical blank. One at a
  // time: `again` while the last has not come to the screen. Does not wait.
  virtual Status flip() noexcept = 0;
  // Waits until the last flip() is on the screen. `again`: not by the deadline (CLOCK_MONOTONIC), or
  // there was none.
  virtual Status wait_flip(std::int64_t deadline_ns, Flip& flip) noexcept = 0;
  // Looks whether the screen is still there, cheaply: a few times a second. Open: ok, or lost.
  // Closed: ok if something was plugged since the last call, so that open() is worth a try; else
  // again.
  virtual Status watch() noexcept = 0;
  // Why the last call answered lost: one line, for the log.
  virtual std::string_view problem() const noexcept = 0;
};

}  // namespace gantry
