// Queue: each policy alone and under two threads, ends, wake-ups, and numbers that add up.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/queue.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "hal/clock/clock.hpp"
#include "pipeline/frames.hpp"

namespace gantry {
namespace {

// Move-only, and counts how many of its kind hold a value: a leak or a double release shows.
struct Item {
  static inline std::atomic<int> alive{0};
  std::uint64_t value = 0;
  bool full = false;

  Item() = default;
  explicit Item(std::uint64_t v) noexcept : value(v), full(true) { ++alive; }
  Item(Item&& other) noexcept : value(other.value), full(std::exchange(other.full, false)) {}
  Item& operator=(Item&& other) noexcept {
    if (this != &other) {
      if (full) --alive;
      value = other.value;
      full = std::exchange(other.full, false);
    }
    return *this;
  }
  ~Item() {
    if (full) --alive;
  }
};

template <Policy policy>
void expect_order_over_many_rounds() {
  Queue<Item, 3, policy> queue;
  std::uint64_t next_in = 0, next_out = 0;
  Item item;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 1 + round % 3; ++i) EXPECT_TRUE(queue.push(Item(next_in++)));
    EXPECT_EQ(queue.size(), static_cast<std::size_t>(1 + round % 3));
    while (queue.pop(item)) EXPECT_EQ(item.value, next_out++);
  }
  EXPECT_EQ(next_out, next_in);
  EXPECT_EQ(queue.dropped(), 0u);
  EXPECT_EQ(queue.capacity(), 3u);
}

TEST(Queue, KeepsOrderThroughWraparound) {
  expect_order_over_many_rounds<Policy::drop_oldest>();
  expect_order_over_many_rounds<Policy::drop_newest>();
  expect_order_over_many_rounds<Policy::backpressure>();
}

TEST(Queue, DropOldestKeepsTheNewest) {
  Queue<Item, 4, Policy::drop_oldest> queue;
  for (std::uint64_t i = 0; i < 11; ++i) EXPECT_TRUE(queue.push(Item(i)));
  EXPECT_EQ(queue.size(), 4u);
  EXPECT_EQ(queue.dropped(), 7u);
  EXPECT_EQ(Item::alive, 4);  // the dropped ones were given back at once
  Item item;
  for (std::uint64_t expected = 7; expected < 11; ++expected) {
    ASSERT_TRUE(queue.pop(item));
    EXPECT_EQ(item.value, expected);
  }
  EXPECT_FALSE(queue.pop(item));
}

TEST(Queue, DropOldestOfOneIsTheLatestValue) {
  Queue<std::uint64_t, 1, Policy::drop_oldest> queue;
  std::uint64_t value = 0;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    queue.push(std::uint64_t{i});
    if (i % 7 == 0) {
      ASSERT_TRUE(queue.pop(value));
      EXPECT_EQ(value, i);
      EXPECT_FALSE(queue.pop(value));
    }
  }
}

TEST(Queue, DropNewestKeepsTheOldest) {
  Queue<Item, 4, Policy::drop_newest> queue;
  for (std::uint64_t i = 0; i < 11; ++i) EXPECT_EQ(queue.push(Item(i)), i < 4);
  EXPECT_EQ(queue.dropped(), 7u);
  EXPECT_EQ(Item::alive, 4);
  Item item;
  for (std::uint64_t expected = 0; expected < 4; ++expected) {
    ASSERT_TRUE(queue.pop(item));
    EXPECT_EQ(item.value, expected);
  }
}

TEST(Queue, RefusedItemIsGoneFromTheCaller) {
  Queue<Item, 1, Policy::drop_newest> queue;
  Item kept(1), refused(2);
  EXPECT_TRUE(queue.push(std::move(kept)));
  EXPECT_FALSE(queue.push(std::move(refused)));
  EXPECT_FALSE(refused.full);
  EXPECT_EQ(Item::alive, 1);
}

TEST(Queue, ClosedRefusesAndStillEmpties) {
  Queue<Item, 4, Policy::drop_oldest> queue;
  queue.push(Item(5));
  queue.close();
  EXPECT_FALSE(queue.push(Item(6)));
  EXPECT_EQ(queue.dropped(), 1u);
  EXPECT_FALSE(queue.finished());
  Item item;
  ASSERT_TRUE(queue.pop(item));
  EXPECT_EQ(item.value, 5u);
  EXPECT_TRUE(queue.finished());
}

TEST(Queue, DestructionGivesBackWhatIsInside) {
  {
    Queue<Item, 4, Policy::drop_oldest> queue;
    for (std::uint64_t i = 0; i < 6; ++i) queue.push(Item(i));
  }
  EXPECT_EQ(Item::alive, 0);
}

// One thread pushes `total` numbers, the other pops, with pauses on either side now and then.
template <std::size_t N, Policy policy>
void fuzz(std::uint64_t total) {
  Signal ready;
  Queue<Item, N, policy> queue(&ready);
  std::thread producer([&] {
    std::uint64_t random = 12345;
    for (std::uint64_t i = 0; i < total; ++i) {
      queue.push(Item(i));
      random = random * 6364136223846793005u + 1442695040888963407u;
      if (random >> 54 == 0) std::this_thread::yield();
    }
    queue.close();
  });
  std::uint64_t popped = 0, expected = 0, random = 777;
  bool ascending = true;
  Item item;
  for (;;) {
    const std::uint32_t epoch = ready.epoch();
    if (queue.pop(item)) {
      ascending &= item.full && item.value >= expected;
      expected = item.value + 1;
      ++popped;
      random = random * 6364136223846793005u + 1442695040888963407u;
      if (random >> 56 == 0) std::this_thread::yield();
    } else if (queue.finished()) {
      break;
    } else {
      ready.wait(epoch);
    }
  }
  producer.join();
  EXPECT_TRUE(ascending);
  EXPECT_EQ(popped + queue.dropped(), total);
  if (policy == Policy::backpressure) {
    EXPECT_EQ(queue.dropped(), 0u);
  }
  if (policy == Policy::drop_oldest) {
    EXPECT_EQ(expected, total) << "the newest item must never be lost";
  }
  item = {};
  EXPECT_EQ(Item::alive, 0);
}

TEST(Queue, TwoThreadsDropOldest) {
  fuzz<1, Policy::drop_oldest>(200'000);
  fuzz<2, Policy::drop_oldest>(200'000);
  fuzz<7, Policy::drop_oldest>(200'000);
  fuzz<64, Policy::drop_oldest>(200'000);
}
TEST(Queue, TwoThreadsDropNewest) {
  fuzz<1, Policy::drop_newest>(200'000);
  fuzz<7, Policy::drop_newest>(200'000);
}
TEST(Queue, TwoThreadsBackpressure) {
  fuzz<1, Policy::backpressure>(20'000);
  fuzz<7, Policy::backpressure>(100'000);
}

TEST(Queue, SleepingConsumerWakesForAnItemAndForClose) {
  Signal ready;
  Queue<int, 2, Policy::drop_newest> first(&ready), second(&ready);
  int sum = 0;
  std::thread consumer([&] {
    for (;;) {
      const std::uint32_t epoch = ready.epoch();
      int value = 0;
      if (first.pop(value) || second.pop(value))
        sum += value;
      else if (first.finished() && second.finished())
        return;
      else
        ready.wait(epoch);
    }
  });
  const auto pause = [] { clock::sleep_until_ns(clock::now_ns() + 5 * clock::kMillisecond_ns); };
  pause();
  second.push(10);
  pause();
  first.push(7);
  pause();
  first.close();
  pause();
  second.close();
  consumer.join();
  EXPECT_EQ(sum, 17);
}

TEST(Queue, CloseWakesAProducerThatWaitsForRoom) {
  Queue<int, 1, Policy::backpressure> queue;
  EXPECT_TRUE(queue.push(1));
  bool taken = true;
  std::thread producer([&] { taken = queue.push(2); });
  clock::sleep_until_ns(clock::now_ns() + 5 * clock::kMillisecond_ns);
  queue.close();
  producer.join();
  EXPECT_FALSE(taken);
  EXPECT_EQ(queue.dropped(), 1u);
}

TEST(Queue, HoldsPoolReferencesAndGivesThemBack) {
  Pool<int> pool(5, [](std::uint32_t i) { return static_cast<int>(i); });
  Queue<Ref<int>, 3, Policy::drop_oldest> queue;
  for (int i = 0; i < 20; ++i) {
    Ref<int> ref = pool.acquire();
    ASSERT_TRUE(ref) << "a dropped reference did not return, round " << i;
    queue.push(std::move(ref));
  }
  EXPECT_EQ(pool.available(), 2u);
  Ref<int> out;
  while (queue.pop(out)) {
  }
  out.reset();
  EXPECT_EQ(pool.available(), 5u);
}

TEST(Queue, CarriesTheFramesOfThePipeline) {
  Queue<FramePair, 2, Policy::drop_oldest> pairs;
  FramePair pair;
  pair.number = 9;
  pair.cameras[3].sequence = 4;
  pairs.push(std::move(pair));
  FramePair out;
  ASSERT_TRUE(pairs.pop(out));
  EXPECT_EQ(out.number, 9u);
  EXPECT_EQ(out.cameras[3].sequence, 4u);
}

TEST(Signal, WaitEndsAtItsDeadlineOrAtARing) {
  Signal signal;
  const std::int64_t start = clock::now_ns();
  signal.wait(signal.epoch(), start + 20 * clock::kMillisecond_ns);
  EXPECT_GE(clock::now_ns(), start + 20 * clock::kMillisecond_ns);
  signal.wait(signal.epoch(), start);  // long past
  signal.wait(signal.epoch(), -1);
  const std::uint32_t seen = signal.epoch();
  signal.ring();
  signal.wait(seen);  // rung in between: must not sleep
}

}  // namespace
}  // namespace gantry
