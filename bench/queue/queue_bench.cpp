// Queue: items per millisecond, the round trip of one item, and how long a sleeping consumer takes to wake.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>

#include <pthread.h>

#include "hal/clock/clock.hpp"
#include "pipeline/latency.hpp"
#include "pipeline/queue.hpp"

namespace {

using namespace gantry;

constexpr int kRepetitions = 7;
constexpr std::uint64_t kItems = 3'000'000, kTrips = 50'000;
constexpr std::size_t kSlots = 4096;
constexpr std::size_t kNeverFull = std::size_t{1} << 22;  // as in rigtorp's own measurement

template <std::size_t slots>
using Newest = Queue<std::uint64_t, slots, Policy::drop_newest>;
using Oldest = Queue<std::uint64_t, kSlots, Policy::drop_oldest>;

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set,
                         &set);  // where it is refused, it runs anywhere
}

// Items given to push() per millisecond, until the last one has arrived. A refused item is tried again.
template <typename Q>
double items_per_ms() {
  const auto queue = std::make_unique<Q>();
  std::thread consumer([&] {
    pin(1);
    std::uint64_t value = 0;
    while (value != kItems) queue->pop(value);
  });
  pin(0);
  const std::int64_t start = clock::now_ns();
  for (std::uint64_t i = 1; i <= kItems; ++i)
    while (!queue->push(std::uint64_t{i})) {
    }
  consumer.join();
  return static_cast<double>(kItems) * 1e6 / static_cast<double>(clock::now_ns() - start);
}

// There and back again through two queues, both sides polling.
template <typename Q>
double round_trip_ns() {
  const auto there = std::make_unique<Q>(), back = std::make_unique<Q>();
  std::thread echo([&] {
    pin(1);
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < kTrips; ++i) {
      while (!there->pop(value)) {
      }
      back->push(std::uint64_t{value});
    }
  });
  pin(0);
  std::uint64_t value = 0;
  const std::int64_t start = clock::now_ns();
  for (std::uint64_t i = 0; i < kTrips; ++i) {
    there->push(std::uint64_t{i});
    while (!back->pop(value)) {
    }
  }
  const auto elapsed = static_cast<double>(clock::now_ns() - start);
  echo.join();
  return elapsed / static_cast<double>(kTrips);
}

void print_spread(const char* what, const char* unit, const std::function<double()>& measure) {
  std::array<double, kRepetitions> values;
  for (double& v : values) v = measure();
  std::sort(values.begin(), values.end());
  std::printf("%-34s %10.0f %s  (%.0f ... %.0f)\n", what, values[kRepetitions / 2], unit,
              values.front(), values.back());
}

// A consumer that sleeps on a Signal, as all stages do; an item every millisecond.
void print_wake_up() {
  Signal ready;
  Queue<std::int64_t, 4, Policy::drop_oldest> queue(&ready);
  Latency latency;
  std::thread consumer([&] {
    for (;;) {
      const std::uint32_t epoch = ready.epoch();
      std::int64_t sent = 0;
      if (queue.pop(sent))
        latency.add(clock::now_ns() - sent);
      else if (queue.finished())
        return;
      else
        ready.wait(epoch);
    }
  });
  std::int64_t next = clock::now_ns();
  for (int i = 0; i < 2000; ++i) {
    clock::sleep_until_ns(next += clock::kMillisecond_ns);
    queue.push(clock::now_ns());
  }
  queue.close();
  consumer.join();
  const Latency::Summary s = latency.summary();
  std::printf("%-34s p50 %.1f us  p99 %.1f us  max %.1f us\n", "push to a woken consumer",
              static_cast<double>(s.p50_ns) / 1e3, static_cast<double>(s.p99_ns) / 1e3,
              static_cast<double>(s.max_ns) / 1e3);
}

}  // namespace

int main() {
  std::printf("%u CPUs; median of %d (least ... most)\n", std::thread::hardware_concurrency(),
              kRepetitions);
  print_spread("one way, never full", "ops/ms", items_per_ms<Newest<kNeverFull>>);
  print_spread("one way, drop_newest of 4096", "ops/ms", items_per_ms<Newest<kSlots>>);
  print_spread("one way, drop_oldest of 4096", "ops/ms", items_per_ms<Oldest>);
  print_spread("round trip, drop_newest", "ns", round_trip_ns<Newest<kSlots>>);
  print_spread("round trip, drop_oldest", "ns", round_trip_ns<Oldest>);
  print_wake_up();
  std::printf(
      "rigtorp/SPSCQueue, on OTHER machines: 362723 ops/ms and 133 ns (its README, Ryzen 3900X, "
      "one\n"
      "CCX); 139029 ops/ms and 2070 ns (a virtual machine of 2 CPUs). Not a comparison on this "
      "one.\n");
}
