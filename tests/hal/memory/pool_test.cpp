// Pool and Ref: what is taken comes back, once, from any thread.
// SPDX-License-Identifier: Apache-2.0
#include "hal/memory/pool.hpp"

#include <array>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace gantry {
namespace {

TEST(Pool, HandsOutEachSlotOnceAndThenNothing) {
  Pool<int> pool(5, [](std::uint32_t i) { return static_cast<int>(i) * 10; });
  std::vector<Ref<int>> held;
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 5; ++i) {
    held.push_back(pool.acquire());
    ASSERT_TRUE(held.back());
    EXPECT_TRUE(seen.insert(held.back().index()).second);
    EXPECT_EQ(*held.back(), static_cast<int>(held.back().index()) * 10);
  }
  EXPECT_EQ(pool.available(), 0u);
  EXPECT_FALSE(pool.acquire());
  held[2].reset();
  EXPECT_EQ(pool.available(), 1u);
  EXPECT_TRUE(pool.acquire());
  held.clear();
  EXPECT_EQ(pool.available(), 5u);
}

TEST(Pool, ASlotComesBackWithItsLastReference) {
  Pool<int> pool(1, [](std::uint32_t) { return 7; });
  Ref<int> a = pool.acquire();
  Ref<int> b = a.share(), c = b.share();
  EXPECT_EQ(&*a, &*c);
  a.reset();
  a.reset();  // once more does nothing
  b = {};
  EXPECT_FALSE(pool.acquire());
  EXPECT_EQ(*c, 7);
  c = {};
  EXPECT_TRUE(pool.acquire());
}

TEST(Pool, MovesKeepTheCount) {
  Pool<int> pool(2, [](std::uint32_t i) { return static_cast<int>(i); });
  Ref<int> a = pool.acquire(), b = pool.acquire();
  const std::uint32_t kept = b.index();
  a = std::move(b);  // gives back what `a` held
  EXPECT_FALSE(b);
  EXPECT_EQ(a.index(), kept);
  EXPECT_EQ(pool.available(), 1u);
  Ref<int>& same = a;
  a = std::move(same);
  EXPECT_TRUE(a);
  Ref<int> c(std::move(a));
  EXPECT_FALSE(a);
  EXPECT_EQ(pool.available(), 1u);
  EXPECT_FALSE(Ref<int>().share());
}

TEST(Pool, OfNothingIsAlwaysEmpty) {
  Pool<int> pool(0, [](std::uint32_t) { return 0; });
  EXPECT_FALSE(pool.acquire());
}

// Every thread takes, marks, shares with a neighbour through a mailbox, checks its mark, drops. A slot
// that were handed out twice would lose its mark; a lost or doubled give-back would show in the end.
TEST(Pool, ManyThreads) {
  struct Slot {
    std::atomic<int> owners{0};
    int mark = 0;
  };
  constexpr std::uint32_t kSlots = 5;
  constexpr int kThreads = 4, kRounds = 50'000;
  Pool<std::unique_ptr<Slot>> pool(kSlots, [](std::uint32_t) { return std::make_unique<Slot>(); });
  std::atomic<int> wrong{0}, empty{0};
  const auto work = [&](int id) {
    for (int round = 0; round < kRounds; ++round) {
      Ref<std::unique_ptr<Slot>> ref = pool.acquire();
      if (!ref) {
        ++empty;
        std::this_thread::yield();
        continue;
      }
      Slot& slot = **ref;
      if (slot.owners.fetch_add(1) != 0) ++wrong;
      slot.mark = id;  // a plain write: the pool must order it against the last owner's
      Ref<std::unique_ptr<Slot>> second = ref.share();
      ref.reset();
      if (slot.mark != id) ++wrong;
      if (slot.owners.fetch_sub(1) != 1) ++wrong;
    }
  };
  std::array<std::thread, kThreads> threads;
  for (int i = 0; i < kThreads; ++i) threads[static_cast<std::size_t>(i)] = std::thread(work, i);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(empty, kThreads * kRounds);
  EXPECT_EQ(pool.available(), kSlots);
  std::set<std::uint32_t> seen;
  std::vector<Ref<std::unique_ptr<Slot>>> all;
  for (std::uint32_t i = 0; i < kSlots; ++i) seen.insert(all.emplace_back(pool.acquire()).index());
  EXPECT_EQ(seen.size(), kSlots) << "a slot was lost or stands twice in the free list";
}

// The last reference is dropped by whoever is last: two threads race for it.
TEST(Pool, ReferencesOfOneSlotDroppedByTwoThreads) {
  Pool<int> pool(1, [](std::uint32_t) { return 0; });
  Ref<int> theirs;
  std::atomic<int> turn{0};
  constexpr int kRounds = 20'000;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      while (turn.load(std::memory_order_acquire) != 2 * i + 1) std::this_thread::yield();
      Ref<int> mine = std::move(theirs);
      turn.store(2 * i + 2, std::memory_order_release);
      ++*mine;  // written by this thread alone …
      mine.reset();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    Ref<int> ref;
    while (!(ref = pool.acquire())) std::this_thread::yield();
    ASSERT_EQ(*ref, i);  // … and read here after it was given back
    theirs = ref.share();
    turn.store(2 * i + 1, std::memory_order_release);
    while (turn.load(std::memory_order_acquire) != 2 * i + 2) std::this_thread::yield();
  }
  other.join();
  EXPECT_EQ(pool.available(), 1u);
}

}  // namespace
}  // namespace gantry
