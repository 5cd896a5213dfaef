// The picture that is shown while there is nothing else: one line of text on a dark ground.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <string_view>

#include "pipeline/frames.hpp"

namespace gantry {

class Slate {
 public:
  // Set-up.
  explicit Slate(gpu::Device& device, ColourRange range = ColourRange::limited);

  // A line of text, centred, as large as fits. Letters of either case, digits and . , : - / are drawn,
  // anything else is a space. Submission thread, no allocation of ours, does not wait. The surface
  // needs host bytes (Access::upload or download): `lost` without. Fills `out` but for its instants and
  // its number.
  Status render(std::string_view text, SurfaceRef output, ViewFrame& out) noexcept;

  // The same into the host's bytes alone. Any thread.
  void draw(const Surface& surface, std::string_view text) const noexcept;

  using Text = std::array<char, 64>;
  // "filling, 5 s of 7", seconds rounded up; "no signal" at 0. Written into `text`.
  static std::string_view waiting_text(double seconds, double delay_s, Text& text) noexcept;

 private:
  cl::CommandQueue queue_;
  std::uint8_t ground_, ink_;  // luma
};

}  // namespace gantry
