// Slots of the output clock.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/pacer.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

PacerOptions checked(PacerOptions options) {
  if (options.interval_ns <= 0)
    throw std::invalid_argument(
        fmt::format("capture interval of {} ns: must be above 0", options.interval_ns));
  if (options.delay_ns < 0 || options.lead_ns < 0 || options.slack_ns < 0)
    throw std::invalid_argument(
        fmt::format("delay {} ns, lead {} ns, slack {} ns: none may be below 0", options.delay_ns,
                    options.lead_ns, options.slack_ns));
  if (options.slack_ns == 0) options.slack_ns = options.interval_ns;
  return options;
}

}  // namespace

std::size_t ring_capacity(const PacerOptions& wanted) {
  const PacerOptions options = checked(wanted);
  // One that is shown, one that arrives, and two for jitter at either end.
  return static_cast<std::size_t>((options.delay_ns + options.slack_ns) / options.interval_ns) + 4;
}

Pacer::Pacer(const PacerOptions& options) : options_(checked(options)) {}

// Lays the slot before the first: so that the first is decided now, or, where a panorama is known,
// lies on its grid.
void Pacer::start(const DelayRing& ring, std::int64_t now_ns) noexcept {
  const std::int64_t interval = options_.interval_ns;
  const std::int64_t due = now_ns + options_.lead_ns - options_.delay_ns;
  std::int64_t first = due - options_.slack_ns;
  if (!ring.empty()) {
    const std::int64_t captured = ring.oldest().capture_ns;
    const std::int64_t from = options_.real_time ? due : captured - options_.delay_ns;
    first = captured - std::max<std::int64_t>(0, captured - from) / interval * interval;
  }
  slot_ns_ = first - interval;
  started_ = true;
}

Presentation Pacer::next(const DelayRing& ring, std::int64_t now_ns, bool ended) noexcept {
  if (!started_) {
    if (ring.empty() && ended) return {.kind = Presentation::Kind::end};
    if (ring.empty() && !options_.real_time) return {};
    start(ring, now_ns);
  }
  const std::int64_t interval = options_.interval_ns;
  const std::size_t unseen = ring.first_after(shown_ns_);
  // What lies before the next slot came too late for its own one, or too soon after the last.
  const std::size_t candidate = std::max(unseen, ring.first_after(slot_ns_ + interval / 2));
  const std::size_t stragglers = candidate - unseen;
  const bool known = candidate < ring.size();
  if (!known && ended && stragglers == 0) return {.kind = Presentation::Kind::end};
  if (!known && !ended && !options_.real_time) return {};

  const bool in_window = known && ring[candidate].capture_ns <= slot_ns_ + interval + interval / 2;
  const std::int64_t slot = in_window ? ring[candidate].capture_ns : slot_ns_ + interval;
  const std::int64_t decision = slot + options_.delay_ns - options_.lead_ns;
  const bool awaited = !known && !ended;
  const std::int64_t now = options_.real_time ? now_ns
                           : ended            ? INT64_MAX
                                              : ring.newest().capture_ns;
  if (const std::int64_t wake = decision + (awaited ? options_.slack_ns : 0); now < wake)
    return {.wake_ns = options_.real_time ? wake : INT64_MAX};

  slot_ns_ = slot;
  if (in_window) {
    counts_.skipped += stragglers;
    const bool overdue =
        options_.real_time && now > decision + std::max(interval, options_.slack_ns);
    return show(ring[candidate], slot, overdue);
  }
  if (stragglers != 0) {
    counts_.skipped += stragglers - 1;
    return show(ring[candidate - 1], slot, true);
  }
  return show_again(slot);
}

Presentation Pacer::show(const PanoramaFrame& frame, std::int64_t slot_ns, bool late) noexcept {
  ++(late ? counts_.late : counts_.presented);
  shown_ns_ = frame.capture_ns;
  return {.kind = Presentation::Kind::frame,
          .late = late,
          .capture_ns = frame.capture_ns,
          .presentation_ns = slot_ns + options_.delay_ns};
}

Presentation Pacer::show_again(std::int64_t slot_ns) noexcept {
  const std::int64_t presentation = slot_ns + options_.delay_ns;
  if (shown_ns_ == INT64_MIN) {
    ++counts_.slates;
    return {.kind = Presentation::Kind::slate, .presentation_ns = presentation};
  }
  ++counts_.repeated;
  return {
      .kind = Presentation::Kind::repeat, .capture_ns = shown_ns_, .presentation_ns = presentation};
}

}  // namespace gantry
