// A screen that nobody sees: its vertical blanks are the clock's. For tests and measurements.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/display/display.hpp"

namespace gantry {

class NullDisplay final : public Display {
 public:
  explicit NullDisplay(const DisplayMode& mode = {1920, 1080, 60}) : mode_(mode) {}

  Status open() noexcept override;
  void close() noexcept override;
  std::string_view description() const noexcept override { return "null"; }
  DisplayMode mode() const noexcept override { return mode_; }
  Status prepare(ScreenPicture&& picture) noexcept override;
  Status prepare_slate(std::string_view text) noexcept override;
  Status flip() noexcept override;
  Status wait_flip(std::int64_t deadline_ns, Flip& flip) noexcept override;
  Status watch() noexcept override { return open_ ? Status::ok : Status::again; }
  std::string_view problem() const noexcept override { return "closed"; }

 private:
  DisplayMode mode_;
  bool open_ = false, has_prepared_ = false;
  ScreenPicture shown_, queued_, prepared_;
  std::int64_t blank_ns_ = 0;  // at which the queued picture comes; 0: none is queued
};

}  // namespace gantry
