// Shows views on a display beside the outputs: the newest at each vertical blank, and never holds
// anybody up.
//
// A view comes before it is due and goes to the vertical blank nearest to its instant: it is handed to
// the screen half a refresh interval before. What is overtaken by a newer view that is due as well is
// counted, not queued. A display that is lost is tried again after 0.5 s … 30 s (hal/recovery.hpp), at
// once when something is plugged; views that come meanwhile are counted. Without views it says so on
// the screen itself.
//
// The numbers add up: every view given to the link was shown, superseded, unseen, or dropped by the
// link.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "hal/display/display.hpp"
#include "hal/recovery.hpp"
#include "pipeline/stages/links.hpp"
#include "pipeline/telemetry.hpp"

namespace gantry {

class DisplayStage {
 public:
  // Set-up: opens the display and shows that the appliance starts. Where that fails it is tried again
  // later; with `required`, throws std::runtime_error instead. `wake` is the link's signal. `on_time`:
  // views have instants of the clock; otherwise each is shown at once (files, fast).
  DisplayStage(DisplayLink& in, Signal& wake, Display& display, bool required, bool on_time,
               Telemetry& telemetry);

  // One view, or a look at the screen. False when no more will come; the screen is closed then. The
  // display's own thread, a submission thread: conversion is a kernel.
  bool step() noexcept;

 private:
  // A picture between flip() and the screen.
  struct Flight {
    enum class Kind : std::uint8_t { none, view, slate, own };  // own: text of this stage's
    Kind kind = Kind::none;
    std::int64_t due_ns = 0, handed_ns = 0;
  };

  void try_open(std::int64_t now_ns) noexcept;
  void keep_watch(std::int64_t now_ns) noexcept;
  void lose(std::string_view problem) noexcept;
  void show(ViewFrame view) noexcept;
  bool prepare(const ViewFrame& view) noexcept;
  void say(std::int64_t now_ns) noexcept;
  void flip(Flight::Kind kind, std::int64_t due_ns) noexcept;
  void collect(std::int64_t deadline_ns) noexcept;
  void account(const Flip& flip) noexcept;
  std::int64_t hand_over_ns(const ViewFrame& view) const noexcept;

  DisplayLink& in_;
  Signal& wake_;
  Display& display_;
  const bool on_time_;
  DisplayTelemetry& telemetry_;
  FirstInstants& first_;
  Recovery recovery_{Recovery::State::closed};
  bool away_ = true;  // no screen
  std::string said_;  // the problem logged last
  ViewFrame ahead_;   // taken from the link, not due yet
  Flight flight_;
  std::int64_t interval_ns_ = 0;  // of the screen
  std::int64_t last_flip_ns_ = 0, last_view_ns_ = 0, said_ns_ = 0;
};

}  // namespace gantry
