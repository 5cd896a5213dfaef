// The pacing thread: owns the delay ring, asks the director where to look, and says what is drawn
// when. A frame thread: nothing is allocated.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>

#include "pipeline/delay_ring.hpp"
#include "pipeline/director.hpp"
#include "pipeline/pacer.hpp"
#include "pipeline/stages/links.hpp"

namespace gantry {

// How far the detector has come; panoramas are held back behind it when files are filmed fast, so
// that the same files give the same film.
struct AnalysisProgress {
  std::atomic<std::int64_t> passed_ns{INT64_MIN};  // capture instant of the last one looked at
};

// Who is told of every frame shown.
struct DecisionReaders {
  RenderLink* render = nullptr;
  DebugLink* debug = nullptr;      // null: no debug recording
  DecisionLogLink* log = nullptr;  // null: no detection log
};

class PaceStage {
 public:
  // `wake` is rung by both links and, with `behind`, by the analysis. `live`: the clock decides;
  // otherwise panoramas come into the ring as their places get free. `behind`: null when live or
  // without a detector.
  PaceStage(RingLink& panoramas, DetectionsLink& detections, Signal& wake, DelayRing& ring,
            Pacer& pacer, Director& director, DecisionReaders readers, bool live,
            const AnalysisProgress* behind)
      : panoramas_(panoramas),
        detections_(detections),
        wake_(wake),
        ring_(ring),
        pacer_(pacer),
        director_(director),
        readers_(readers),
        live_(live),
        behind_(behind) {}

  // One decision, or sleeps until one is due. False when all was shown.
  bool step() noexcept;
  // Shows nothing more: the next step is the last. Any thread.
  void abandon() noexcept;

  // The panorama shown last; after the end of the thread.
  const PanoramaFrame* last() const { return ring_.empty() ? nullptr : &ring_.newest(); }

 private:
  void take_detections() noexcept;
  bool take_panorama() noexcept;
  bool ended() const noexcept { return panoramas_.finished() && !held_.surface; }
  bool analysed(const PanoramaFrame& frame) const noexcept;
  void close() noexcept;
  void ask_for(const Presentation& presentation) noexcept;

  RingLink& panoramas_;
  DetectionsLink& detections_;
  Signal& wake_;
  DelayRing& ring_;
  Pacer& pacer_;
  Director& director_;
  DecisionReaders readers_;
  bool live_;
  const AnalysisProgress* behind_;
  PanoramaFrame held_;  // behind the analysis
  Detections found_;
  std::uint64_t number_ = 0;
  std::int64_t first_slate_ns_ = 0;
  std::atomic<bool> abandoned_{false};
};

}  // namespace gantry
