// The output clock: says which panorama is shown next, and when.
//
// Time is cut into slots, one per capture interval. A slot follows the camera's own clock: the next
// panorama captured between half an interval and one and a half after the last slot gives the next
// slot its instant, so that it is presented exactly `delay` after its capture whatever the jitter,
// phase or drift of the camera. Where there is none, the slot lies one interval on, and shows the
// last panorama again, or the slate if there was none yet. The instants of the slots only grow.
//
// The numbers add up: every panorama that reached the ring was presented, late or skipped, or is
// still to come; every slot was a slate, presented, late or repeated.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "pipeline/delay_ring.hpp"

namespace gantry {

struct PacerOptions {
  std::int64_t interval_ns = 0;  // between captures, above 0
  std::int64_t delay_ns = 0;     // from capture to presentation, not below 0
  // A slot is decided this long before it is presented: the time to draw and deliver it.
  std::int64_t lead_ns = 0;
  // How long past the decision an awaited panorama may still come before its slot is given up; 0:
  // one interval. Where the delay is shorter than the pipeline's latency, give the latency.
  std::int64_t slack_ns = 0;
  // False: as fast as possible. Time is then that of the newest panorama, and nothing is late.
  bool real_time = true;
};

// Panoramas that a ring must be able to hold for this; add those that can come at once, from the
// queue in front of it. Same errors as Pacer.
std::size_t ring_capacity(const PacerOptions& options);

struct Presentation {
  enum class Kind : std::uint8_t {
    wait,    // nothing is due: come again at wake_ns, or when a panorama arrives or the stream ends
    slate,   // nothing to show yet
    frame,   // a panorama, for the first time
    repeat,  // the last panorama again: the one for this slot is missing
    end,     // the stream has ended and all of it was shown
  };
  Kind kind = Kind::wait;
  bool late = false;                 // a frame that is shown after its own interval
  std::int64_t capture_ns = 0;       // frame, repeat: the panorama to show, it is in the ring
  std::int64_t presentation_ns = 0;  // slot + delay; for a frame in time, capture + delay
  std::int64_t wake_ns = INT64_MAX;  // wait alone
};

class Pacer {
 public:
  // Set-up. Throws std::invalid_argument.
  explicit Pacer(const PacerOptions& options);

  // The pacing thread, no allocation, no wait. The decision about the next slot, if it is due at
  // `now_ns` (CLOCK_MONOTONIC; not looked at unless real_time); call it until it answers wait or
  // end. `ended`: the ring will get no more panoramas; what is in it is still presented.
  Presentation next(const DelayRing& ring, std::int64_t now_ns, bool ended) noexcept;

  // Capture instant of the last panorama shown: older ones may be evicted. INT64_MIN before the
  // first.
  std::int64_t shown_ns() const noexcept { return shown_ns_; }

  struct Counts {
    std::uint64_t slates = 0;
    std::uint64_t presented = 0;  // panoramas shown in their interval
    std::uint64_t late = 0;       // panoramas shown after it
    std::uint64_t repeated = 0;   // slots that showed an earlier panorama again
    std::uint64_t skipped = 0;    // panoramas never shown: their slot had gone to another
  };
  const Counts& counts() const noexcept { return counts_; }
  std::int64_t delay_ns() const noexcept { return options_.delay_ns; }

 private:
  void start(const DelayRing& ring, std::int64_t now_ns) noexcept;
  Presentation show(const PanoramaFrame& frame, std::int64_t slot_ns, bool late) noexcept;
  Presentation show_again(std::int64_t slot_ns) noexcept;

  PacerOptions options_;
  Counts counts_;
  bool started_ = false;
  std::int64_t slot_ns_ = 0;           // the last slot, as a capture instant
  std::int64_t shown_ns_ = INT64_MIN;  // and the panorama that it showed
};

}  // namespace gantry
