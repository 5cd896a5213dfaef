// Films the same matches with our director and with the replaced system's rules.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "firmware/eval/review.hpp"
#include "firmware/rig_file.hpp"
#include "tests/firmware/eval/reference_director.hpp"
#include "tests/paths.hpp"

namespace gantry {

// Seeds 101 to 400 and 10001 to 12300 were looked at while the numbers were chosen; others never.
inline constexpr std::uint64_t kProofSeeds = 2001;

struct EvalFixture {
  PanoramaGeometry panorama =
      read_rig_file(GANTRY_SOURCE_DIR "/firmware/config/rigs/parity-5700x1900.toml").rig.panorama;
  ViewLimits limits{panorama, 1920, 1080};
  DirectorConfig config = [] {
    DirectorConfig c;
    c.kind = DirectorConfig::Kind::follow;
    return c;
  }();
  double delay_s = 7;

  Review ours(const Match& match) const {
    const auto director = make_director(config, panorama, limits);
    return review(match, film(*director, match, delay_s), limits);
  }
  Review reference(const Match& match) const {
    ReferenceDirector director(panorama, limits);
    return review(match, film(director, match, delay_s), limits);
  }
};

// The totals of both over `count` matches, printed side by side.
struct Comparison {
  Review ours, reference;
};
inline Comparison compare(const EvalFixture& fixture, MatchOptions options, int count) {
  std::vector<Review> ours, reference;
  for (int i = 0; i < count; ++i, ++options.seed) {
    const Match match = simulate_match(options, fixture.panorama);
    ours.push_back(fixture.ours(match));
    reference.push_back(fixture.reference(match));
  }
  const Comparison c{total(ours, "ours"), total(reference, "reference's rules")};
  print_heading(stdout);
  print(c.ours, stdout);
  print(c.reference, stdout);
  return c;
}

}  // namespace gantry
