// Which device, connector, mode and CRTC a configuration means on this machine.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "hal/display/card.hpp"
#include "hal/display/display.hpp"

namespace gantry::kms {

struct FoundScreen {
  std::unique_ptr<Card> card;
  Connector connector;
  drmModeModeInfo mode{};
  std::uint32_t crtc = 0, crtc_bit = 0;
};

// The first device that fits, with this process as its DRM master. Throws std::runtime_error naming
// what there is instead.
FoundScreen find_screen(const DisplayConfig& config);

// The size of the screen that find_screen() would find; where there is none yet, that of the mode that
// is configured, or 3840x2160.
DisplayMode expected_size(const DisplayConfig& config);

// The mode that a configuration means: "preferred", "1920x1080" (the quickest of that size that is
// not above 60 Hz, else the slowest), "1920x1080@60". Throws with the list of modes.
drmModeModeInfo choose_mode(const std::string& wanted, const Connector& connector);

}  // namespace gantry::kms
