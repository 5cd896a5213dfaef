// Nothing is lost in silence: every picture of a run is in one of the report's counts.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include "firmware/run_report.hpp"

namespace gantry::test {

inline void expect_sums(const RunReport& r) {
  for (const auto& c : r.cameras)
    EXPECT_EQ(c.captured, r.paired + c.unpaired - c.missing + c.dropped) << c.name;
  EXPECT_EQ(r.paired, r.stitched + r.drops.at("panorama_surfaces") + r.drops.at("stitch") +
                          r.drops.at("pair_link"));
  EXPECT_EQ(r.stitched, r.asked_frames + r.drops.at("never_shown") + r.drops.at("ring"));
  EXPECT_EQ(r.asked_frames + r.repeated + r.asked_slates,
            r.presented + r.slates + r.drops.at("render_link") + r.drops.at("view_surfaces") +
                r.drops.at("render") + r.drops.at("present_link"));
  for (const auto& o : r.outputs) EXPECT_EQ(r.presented, o.frames + o.dropped) << o.path;
  if (const auto& d = r.display) {
    EXPECT_EQ(r.presented + r.slates, d->presented + d->superseded + d->unseen);
  }
}

}  // namespace gantry::test
