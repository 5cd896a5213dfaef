// Pairing by capture instant.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/pairer.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace gantry {
namespace {

// The slowest rate: a panorama needs a picture of each camera.
double agreed_rate(std::span<const Pairer::Camera> cameras) {
  if (cameras.empty() || cameras.size() > Rig::kMostCameras)
    throw std::invalid_argument(
        fmt::format("{} cameras: one to {} can be paired", cameras.size(), Rig::kMostCameras));
  for (const Pairer::Camera& camera : cameras)
    if (!std::isfinite(camera.frames_per_second) || camera.frames_per_second <= 0)
      throw std::invalid_argument(
          fmt::format("camera \"{}\": {} frames per second, must be above 0", camera.name,
                      camera.frames_per_second));
  const auto by_rate = [](const Pairer::Camera& a, const Pairer::Camera& b) {
    return a.frames_per_second < b.frames_per_second;
  };
  const auto [slow, fast] = std::minmax_element(cameras.begin(), cameras.end(), by_rate);
  if (fast->frames_per_second - slow->frames_per_second > Pairer::kMostRateDifference)
    throw std::invalid_argument(fmt::format(
        "cameras \"{}\" at {:.3f} and \"{}\" at {:.3f} frames per second: they may differ by {} at "
        "most; set both to {:.3f}, or convert the faster recording to that rate",
        slow->name, slow->frames_per_second, fast->name, fast->frames_per_second,
        Pairer::kMostRateDifference, slow->frames_per_second));
  return slow->frames_per_second;
}

}  // namespace

Pairer::Pairer(std::span<const Camera> cameras, const PairerOptions& options)
    : options_(options),
      count_(cameras.size()),
      interval_ns_(std::llround(1e9 / agreed_rate(cameras))) {
  constexpr int kMostWait = kDepth - 4;  // so that a line never fills up before the wait is over
  if (options.most_wait_frames < 0 || options.most_wait_frames > kMostWait)
    throw std::invalid_argument(fmt::format("most_wait_frames {}: 0 to {} is possible",
                                            options.most_wait_frames, kMostWait));
}

CameraFrame Pairer::Line::take() noexcept {
  CameraFrame frame = std::move(frames[first]);
  first = (first + 1) % kDepth;
  --count;
  return frame;
}

void Pairer::drop(Line& line) noexcept {
  line.take();
  ++line.counts.unpaired;
}

bool Pairer::offer(std::size_t camera, CameraFrame&& frame) noexcept {
  Line& line = lines_[camera];
  if (line.count == kDepth) return false;
  line.gaps.see(frame.sequence);
  ++line.counts.offered;
  line.ended = line.absent = false;
  // Not later than its forerunner, or its pair went on without it.
  if (frame.capture_ns <= line.newest_ns || frame.capture_ns < line.gone_before_ns) {
    ++line.counts.unpaired;
    frame = {};
    return true;
  }
  line.newest_ns = frame.capture_ns;
  line.frames[(line.first + line.count++) % kDepth] = std::move(frame);
  return true;
}

Pairer::Heads Pairer::look() const noexcept {
  Heads heads;
  for (std::size_t i = 0; i < count_; ++i) {
    const Line& line = lines_[i];
    if (line.count == 0) {
      heads.complete = false;
      heads.awaited |= !line.ended && !line.absent;
      continue;
    }
    heads.any = true;
    const std::int64_t captured = line.head().capture_ns;
    if (captured < heads.earliest_ns) {
      heads.earliest = i;
      heads.earliest_ns = captured;
    }
    heads.latest_ns = std::max(heads.latest_ns, captured);
  }
  return heads;
}

bool Pairer::waited_enough(const Heads& heads) const noexcept {
  if (options_.most_wait_frames == 0) return false;
  const std::int64_t patience = options_.most_wait_frames * interval_ns_ - interval_ns_ / 2;
  return std::ranges::any_of(lines(), [&](const Line& line) {
    return line.count == kDepth ||
           (line.count != 0 && line.newest_ns - heads.earliest_ns > patience);
  });
}

bool Pairer::next(FramePair& out) noexcept {
  for (;;) {
    const Heads heads = look();
    if (!heads.any) return false;
    if (heads.latest_ns - heads.earliest_ns > interval_ns_ / 2) {
      drop(lines_[heads.earliest]);
      continue;
    }
    if (!heads.complete) {
      if (heads.awaited && !waited_enough(heads)) return false;
      if (!options_.allow_missing) {
        drop(lines_[heads.earliest]);
        continue;
      }
    }
    emit(out, heads);
    return true;
  }
}

void Pairer::emit(FramePair& out, const Heads& heads) noexcept {
  out = {};
  out.number = pairs_++;
  bool first = true;
  for (std::size_t i = 0; i < count_; ++i) {
    Line& line = lines_[i];
    if (line.count == 0) {
      line.absent = true;
      line.gone_before_ns = heads.earliest_ns + interval_ns_ / 2;
      ++line.counts.missing;
      continue;
    }
    out.cameras[i] = line.take();
    ++line.counts.paired;
    if (std::exchange(first, false)) out.capture_ns = out.cameras[i].capture_ns;
  }
}

bool Pairer::finished() const noexcept {
  const auto over = [](const Line& line) { return line.ended && line.count == 0; };
  return options_.allow_missing ? std::ranges::all_of(lines(), over)
                                : std::ranges::any_of(lines(), over);
}

Pairer::Counts Pairer::counts(std::size_t camera) const noexcept {
  Counts counts = lines_[camera].counts;
  counts.gaps = lines_[camera].gaps.missing();
  return counts;
}

}  // namespace gantry
