// The links between the stages: what they carry, how deep they are, and why.
//
// A link gives up its oldest item when live, and waits when files are filmed fast (see link.hpp).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/decision.hpp"
#include "pipeline/delay_ring.hpp"
#include "pipeline/detections.hpp"
#include "pipeline/frames.hpp"
#include "pipeline/link.hpp"

namespace gantry {

// What the pacing thread asks the renderer and the debug recording for.
struct RenderJob {
  PanoramaFrame panorama;            // empty surface: a slate
  Decision decision;                 // where to look, and why
  std::int64_t capture_ns = 0;       // of the moment shown
  std::int64_t presentation_ns = 0;  // when it is due
  std::uint64_t number = 0;
  // For the slate's text: until the first picture is shown, 0: no signal; and the delay.
  double slate_s = 0, delay_s = 0;
};

using CaptureLink = Link<CameraFrame, 4>;       // a camera is at most three pictures ahead
using PairLink = Link<FramePair, 2>;            // the stitcher takes one at a time
using RingLink = Link<PanoramaFrame, 8>;        // the pacer wakes at each
using AnalysisLink = Link<PanoramaFrame, 1>;    // the latest wins
using CompletionLink = Link<PanoramaFrame, 8>;  // watched for their end on the device
using DetectionsLink = Link<Detections, 4>;
using DetectionLogLink = Link<Detections, 8>;  // the writer may hiccup for as many analyses
using DecisionLogLink = Link<Decision, 32>;
using RenderLink = Link<RenderJob, 4>;
using DebugLink = Link<RenderJob, 2>;  // each holds a panorama that the ring may have given up
using PresentLink = Link<ViewFrame, 4>;
using OutputLink = Link<ViewFrame, 12>;  // an encoder may hiccup for 0.4 s
using PanoramaOutputLink = Link<PanoramaFrame, 12>;

using DisplayLink = Link<ViewFrame, 2>;  // the newest matters; the display looks one ahead

// For an output: without the panorama.
inline ViewFrame share(const ViewFrame& f) {
  return {f.surface.share(), f.ready, f.capture_ns, f.presentation_ns,
          f.number,          f.pose,  f.slate,      {}};
}

}  // namespace gantry
