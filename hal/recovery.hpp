// The life of something that may fail and come back: a camera, a display, an output.
//
//   closed ── due() ──▶ opening ── works() ──▶ running ── failed() ──▶ lost
//                          │  ▲                                         │
//                  failed()│  └──────────────── due() ──────────────────┤
//                          ▼                                            │
//                      backing_off ─────────────────────────────────────┘
//
// Pure: the instant of every event is passed in. The wait before an attempt is 0.5 s, doubles with
// each that fails, and ends at 30 s; the first thing that works (a picture, a packet; opening alone
// does not count) sets it back.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>

namespace gantry {

class Recovery {
 public:
  enum class State : std::uint8_t {
    closed,       // not tried yet
    opening,      // an attempt is under way, or has not shown yet that it works
    running,      // works
    lost,         // failed while it worked; the next attempt comes after the shortest wait
    backing_off,  // an attempt failed; the next one comes after twice the wait
  };
  static constexpr std::int64_t kShortestWait_ns = 500'000'000;
  static constexpr std::int64_t kLongestWait_ns = 30'000'000'000;

  // Starts in `running` for what set-up has opened, in `closed` for what is still to be opened.
  explicit constexpr Recovery(State state = State::running) noexcept : state_(state) {}

  constexpr State state() const noexcept { return state_; }
  constexpr bool waits() const noexcept {
    return state_ == State::lost || state_ == State::backing_off;
  }

  // Whether to try now; if so an attempt has begun.
  constexpr bool due(std::int64_t now_ns) noexcept {
    if (state_ != State::closed && !(waits() && now_ns >= retry_ns_)) return false;
    state_ = State::opening;
    return true;
  }
  // When the next attempt is due, CLOCK_MONOTONIC; while waits().
  constexpr std::int64_t retry_ns() const noexcept { return retry_ns_; }

  // Something came through. True if it had been away: the line for the log.
  constexpr bool works() noexcept {
    const bool returned = failures_ != 0;
    state_ = State::running;
    wait_ns_ = kShortestWait_ns;
    failures_ = 0;
    return returned;
  }
  // It failed, working or at an attempt. True at the first time since it worked: the line for the
  // log.
  constexpr bool failed(std::int64_t now_ns) noexcept {
    state_ = state_ == State::running ? State::lost : State::backing_off;
    retry_ns_ = now_ns + wait_ns_;
    wait_ns_ = std::min(2 * wait_ns_, kLongestWait_ns);
    return failures_++ == 0;
  }
  constexpr void close() noexcept { *this = Recovery(State::closed); }
  // Failures since it worked last.
  constexpr std::uint64_t failures() const noexcept { return failures_; }

 private:
  State state_;
  std::int64_t wait_ns_ = kShortestWait_ns, retry_ns_ = 0;
  std::uint64_t failures_ = 0;
};

constexpr const char* name_of(Recovery::State state) noexcept {
  constexpr const char* names[] = {"closed", "opening", "running", "lost", "backing off"};
  return names[static_cast<int>(state)];
}

}  // namespace gantry
