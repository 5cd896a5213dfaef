// Buckets and percentiles of Latency.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/latency.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gantry {

std::size_t Latency::bucket(std::int64_t duration_ns) noexcept {
  constexpr std::int64_t kLeast = std::int64_t{1} << kFirstOctave;
  constexpr std::int64_t kMost = (std::int64_t{1} << (kLastOctave + 1)) - 1;
  const auto value = static_cast<std::uint64_t>(std::clamp(duration_ns, kLeast, kMost));
  const int octave = 63 - std::countl_zero(value);
  const std::uint64_t step = value >> (octave - kStepBits) & ((1u << kStepBits) - 1);
  return static_cast<std::size_t>((octave - kFirstOctave) << kStepBits) + step;
}

std::int64_t Latency::middle(std::size_t bucket) noexcept {
  const auto octave = static_cast<int>(bucket >> kStepBits) + kFirstOctave;
  const auto step = static_cast<std::int64_t>(bucket & ((1u << kStepBits) - 1));
  const std::int64_t width = std::int64_t{1} << (octave - kStepBits);
  return (std::int64_t{1} << octave) + step * width + width / 2;
}

void Latency::add(std::int64_t duration_ns) noexcept {
  // One writer: load and store, no read-modify-write.
  std::atomic<std::uint64_t>& count = counts_[bucket(duration_ns)];
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (duration_ns > max_ns_.load(std::memory_order_relaxed))
    max_ns_.store(duration_ns, std::memory_order_relaxed);
}

Latency::Summary Latency::summary() const noexcept {
  std::array<std::uint64_t, kBuckets> counts;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kBuckets; ++i)
    total += counts[i] = counts_[i].load(std::memory_order_relaxed);
  Summary result{.count = total};
  result.max_ns = max_ns_.load(std::memory_order_relaxed);
  // The smallest duration that this share of all is not above.
  const auto percentile = [&](double share) -> std::int64_t {
    if (total == 0) return 0;
    const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total)));
    std::uint64_t below = 0;
    std::size_t i = 0;
    while (i + 1 < kBuckets && (below += counts[i]) < rank) ++i;
    return std::min(middle(i), result.max_ns);
  };
  result.p50_ns = percentile(0.50);
  result.p95_ns = percentile(0.95);
  result.p99_ns = percentile(0.99);
  return result;
}

}  // namespace gantry
