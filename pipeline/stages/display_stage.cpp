// The display's loop.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/display_stage.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

constexpr std::int64_t kLookEvery_ns = 250 * clock::kMillisecond_ns;
constexpr std::int64_t kSilence_ns = clock::kSecond_ns;          // without a view until it is said
constexpr std::int64_t kLongestFlip_ns = 2 * clock::kSecond_ns;  // until a screen counts as lost

}  // namespace

DisplayStage::DisplayStage(DisplayLink& in, Signal& wake, Display& display, bool required,
                           bool on_time, Telemetry& telemetry)
    : in_(in),
      wake_(wake),
      display_(display),
      on_time_(on_time),
      telemetry_(telemetry.display),
      first_(telemetry.first) {
  const auto now_ns = clock::now_ns();
  try_open(now_ns);
  if (away_ && required) throw std::runtime_error(fmt::format("display: {}", display_.problem()));
  if (!away_ && display_.prepare_slate("gantry is starting") == Status::ok)
    flip(Flight::Kind::own, 0);
}

bool DisplayStage::step() noexcept {
  const auto epoch = wake_.epoch();
  const auto now_ns = clock::now_ns();
  keep_watch(now_ns);
  ViewFrame view = std::exchange(ahead_, {});
  if (view.surface || in_.pop(view)) {
    last_view_ns_ = now_ns;
    if (away_)
      telemetry_.unseen.add();
    else
      show(std::move(view));
    return true;
  }
  if (in_.finished()) {
    collect(now_ns + kLongestFlip_ns);
    display_.close();
    return false;
  }
  collect(now_ns);
  if (!away_ && now_ns > std::max(last_view_ns_, said_ns_) + kSilence_ns) say(now_ns);
  wake_.wait(epoch, now_ns + kLookEvery_ns);
  return true;
}

void DisplayStage::keep_watch(std::int64_t now_ns) noexcept {
  const Status seen = display_.watch();
  if (!away_ && seen == Status::lost) lose(display_.problem());
  if (away_ && seen == Status::ok) recovery_.close();  // something was plugged: now
  if (away_) try_open(now_ns);
}

void DisplayStage::try_open(std::int64_t now_ns) noexcept {
  if (!recovery_.due(now_ns)) return;
  if (display_.open() != Status::ok) {
    lose(display_.problem());
    return;
  }
  away_ = false;
  interval_ns_ = display_.mode().interval_ns();
  last_flip_ns_ = 0;
  said_.clear();
  log::info("display: {}", display_.description());
}

// One line for a cause, however often it is met.
void DisplayStage::lose(std::string_view problem) noexcept {
  if (!away_) telemetry_.losses.add();
  if (said_ != problem) {
    log::warning("display: {}; all else goes on, and it is tried again", problem);
    said_ = problem;
  }
  if (flight_.kind == Flight::Kind::view || flight_.kind == Flight::Kind::slate)
    telemetry_.unseen.add();
  flight_ = {};
  away_ = true;
  display_.close();
  recovery_.failed(clock::now_ns());
}

std::int64_t DisplayStage::hand_over_ns(const ViewFrame& view) const noexcept {
  return on_time_ ? view.presentation_ns - interval_ns_ / 2 : 0;
}

void DisplayStage::show(ViewFrame view) noexcept {
  bool prepared = prepare(view);
  if (prepared) clock::sleep_until_ns(hand_over_ns(view));
  collect(clock::now_ns() + kLongestFlip_ns);
  while (prepared && in_.pop(ahead_)) {  // a newer one that is due too goes before it
    if (hand_over_ns(ahead_) > clock::now_ns()) break;
    telemetry_.superseded.add();
    view = std::exchange(ahead_, {});
    prepared = prepare(view);
  }
  if (!prepared || away_)
    telemetry_.unseen.add();
  else
    flip(view.slate ? Flight::Kind::slate : Flight::Kind::view, view.presentation_ns);
}

bool DisplayStage::prepare(const ViewFrame& view) noexcept {
  const Status status = display_.prepare({view.surface.share(), view.panorama.share()});
  if (status != Status::ok)
    lose(status == Status::device_lost ? "the OpenCL device refuses to convert pictures"
                                       : display_.problem());
  return status == Status::ok;
}

void DisplayStage::say(std::int64_t now_ns) noexcept {
  std::array<char, 48> text;
  const auto end =
      fmt::format_to_n(text.data(), text.size(), "no picture for {} s",
                       last_view_ns_ ? (now_ns - last_view_ns_) / clock::kSecond_ns : 0);
  const std::string_view line(text.data(), std::min<std::size_t>(end.size, text.size()));
  said_ns_ = now_ns;
  if (display_.prepare_slate(last_view_ns_ ? line : "gantry is starting") == Status::ok)
    flip(Flight::Kind::own, 0);
}

void DisplayStage::flip(Flight::Kind kind, std::int64_t due_ns) noexcept {
  const Status status = display_.flip();
  if (status == Status::ok)
    flight_ = {kind, due_ns, clock::now_ns()};
  else if (kind != Flight::Kind::own)
    telemetry_.unseen.add();
  if (status == Status::lost) lose(display_.problem());
}

// Takes the last flip's time, once it is there.
void DisplayStage::collect(std::int64_t deadline_ns) noexcept {
  if (flight_.kind == Flight::Kind::none) return;
  Flip flip;
  const Status status = display_.wait_flip(deadline_ns, flip);
  if (status == Status::ok)
    account(flip);
  else if (status == Status::lost)
    lose(display_.problem());
  else if (clock::now_ns() > flight_.handed_ns + kLongestFlip_ns)
    lose("no vertical blank comes");
}

void DisplayStage::account(const Flip& flip) noexcept {
  if (recovery_.works()) log::info("display: is back");
  const Flight flight = std::exchange(flight_, {});
  if (last_flip_ns_) {
    const double intervals = static_cast<double>(flip.instant_ns - last_flip_ns_) /
                             static_cast<double>(std::max<std::int64_t>(interval_ns_, 1));
    telemetry_.repeated.add(static_cast<std::uint64_t>(std::max(std::lround(intervals) - 1L, 0L)));
  }
  last_flip_ns_ = flip.instant_ns;
  if (flight.kind == Flight::Kind::own) return;
  telemetry_.shown.add();
  (flight.kind == Flight::Kind::slate ? first_.screen_slate : first_.screen_view)
      .mark(flip.instant_ns);
  if (!on_time_) return;
  const auto error_ns = std::abs(flip.instant_ns - flight.due_ns);
  telemetry_.error.add(error_ns);
  if (error_ns > interval_ns_) telemetry_.missed.add();
}

}  // namespace gantry
