// Vertical blanks at whole multiples of the refresh interval.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/null_display.hpp"

#include <algorithm>
#include <utility>

#include "hal/clock/clock.hpp"

namespace gantry {

Status NullDisplay::open() noexcept {
  open_ = true;
  return Status::ok;
}

void NullDisplay::close() noexcept {
  open_ = has_prepared_ = false;
  shown_ = {}, queued_ = {}, prepared_ = {};
  blank_ns_ = 0;
}

Status NullDisplay::prepare(ScreenPicture&& picture) noexcept {
  prepared_ = std::move(picture);
  has_prepared_ = open_;
  return open_ ? Status::ok : Status::lost;
}

Status NullDisplay::prepare_slate(std::string_view) noexcept {
  return prepare({});
}

Status NullDisplay::flip() noexcept {
  if (!open_) return Status::lost;
  if (blank_ns_ || !has_prepared_) return Status::again;
  const auto interval_ns = mode_.interval_ns();
  blank_ns_ = (clock::now_ns() / interval_ns + 1) * interval_ns;
  queued_ = std::exchange(prepared_, {});
  has_prepared_ = false;
  return Status::ok;
}

Status NullDisplay::wait_flip(std::int64_t deadline_ns, Flip& flip) noexcept {
  if (!open_) return Status::lost;
  if (!blank_ns_) return Status::again;
  clock::sleep_until_ns(std::min(deadline_ns, blank_ns_));
  if (clock::now_ns() < blank_ns_) return Status::again;
  flip.instant_ns = std::exchange(blank_ns_, 0);
  shown_ = std::exchange(queued_, {});
  return Status::ok;
}

}  // namespace gantry
