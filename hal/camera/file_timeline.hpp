// Turns a file's time stamps, which may lack, jump back or start anywhere, into instants that grow.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace gantry {

class FileTimeline {
 public:
  static constexpr std::int64_t kNoStamp = INT64_MIN;
  // A longer gap than this is no pause of the camera but a broken stamp.
  static constexpr std::int64_t kLargestGap_ns = 10'000'000'000;

  // `interval_ns`: between two pictures, used where stamps do not tell.
  explicit FileTimeline(std::int64_t interval_ns) : interval_ns_(interval_ns) {}

  // The instant of the next picture, nanoseconds after the first; each is greater than the last.
  std::int64_t place(std::int64_t stamp_ns) noexcept {
    const std::int64_t expected = last_ns_ == kNoStamp ? 0 : last_ns_ + interval_ns_;
    std::int64_t instant = expected;
    if (stamp_ns != kNoStamp) {
      if (!anchored_) {
        shift_ns_ = expected - stamp_ns;
        anchored_ = true;
      }
      instant = stamp_ns + shift_ns_;
      if (last_ns_ != kNoStamp && (instant <= last_ns_ || instant > last_ns_ + kLargestGap_ns)) {
        shift_ns_ = expected - stamp_ns;
        instant = expected;
        ++jumps_;
      }
    }
    last_ns_ = instant;
    return instant;
  }
  // The file begins again: its first stamp follows the last one by one interval.
  void continue_from_start() noexcept { anchored_ = false; }

  std::int64_t last_ns() const { return last_ns_ == kNoStamp ? 0 : last_ns_; }
  // Stamps that went back, stood still or leapt, and were replaced.
  std::uint64_t jumps() const { return jumps_; }

 private:
  std::int64_t interval_ns_;
  std::int64_t last_ns_ = kNoStamp;
  std::int64_t shift_ns_ = 0;
  bool anchored_ = false;
  std::uint64_t jumps_ = 0;
};

}  // namespace gantry
