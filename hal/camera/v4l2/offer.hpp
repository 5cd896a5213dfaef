// What a device offers, and the choice among it. Set-up.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hal/camera/v4l2/device.hpp"

namespace gantry::v4l2 {

// From `low` to `high` where the device is free in between, else both are the same.
struct Rates {
  double low = 0, high = 0;  // frames per second
};
struct Sizes {
  int width = 0, height = 0;  // the largest, where a whole span is offered
  int least_width = 0, least_height = 0;
  int step_width = 1, step_height = 1;
  std::vector<Rates> rates;  // at the size that was asked for where there is a span; empty: any

  bool has(int w, int h) const;
  bool has_rate(double rate) const;
  double best_rate() const;  // 0: any
};
struct Offer {
  std::uint32_t fourcc = 0;
  std::string description;
  std::vector<Sizes> sizes;  // empty: any; the device decides when it is asked
};

struct Wanted {
  int width = 0, height = 0;  // luma pixels
  double frames_per_second = 0;
  std::uint32_t fourcc = 0;  // 0: the best of pixel_formats()
};

std::vector<Offer> list_offers(const Device& device, int width, int height);

// The format to ask for. Throws std::runtime_error saying, in one line, what is offered instead.
std::uint32_t choose(std::span<const Offer> offers, const Wanted& wanted);

// "640x480 at 5, 10, 25; 1280x720 at 5, 10", for messages and the doctor.
std::string text_of(const Offer& offer);

}  // namespace gantry::v4l2
