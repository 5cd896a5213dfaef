// The recovery machine: every state with every event, and the waits.
// SPDX-License-Identifier: Apache-2.0
#include "hal/recovery.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace gantry {
namespace {

using State = Recovery::State;
constexpr std::int64_t kSecond_ns = 1'000'000'000;
constexpr State kStates[] = {State::closed, State::opening, State::running, State::lost,
                             State::backing_off};

// A machine in the given state, at the instant 0; its attempt, if one is awaited, due at 0.5 s or 1 s.
Recovery in(State state) {
  Recovery r(State::closed);
  if (state == State::closed) return r;
  r.due(0);
  if (state == State::opening) return r;
  if (state == State::backing_off) return r.failed(0), r;
  r.works();
  if (state == State::lost) r.failed(0);
  return r;
}

TEST(Recovery, EveryStateCanBeReached) {
  for (const State s : kStates) EXPECT_EQ(in(s).state(), s) << name_of(s);
}

TEST(Recovery, WhatWorksIsRunningFromAnyState) {
  for (const State s : kStates) {
    Recovery r = in(s);
    EXPECT_EQ(r.works(), s == State::lost || s == State::backing_off) << name_of(s);
    EXPECT_EQ(r.state(), State::running);
    EXPECT_EQ(r.failures(), 0u);
    EXPECT_FALSE(r.waits());
  }
}

TEST(Recovery, AFailureIsALossWhileRunningAndElseBacksOff) {
  for (const State s : kStates) {
    Recovery r = in(s);
    const bool first = !r.waits();
    EXPECT_EQ(r.failed(0), first) << "one line per cause: " << name_of(s);
    EXPECT_EQ(r.state(), s == State::running ? State::lost : State::backing_off) << name_of(s);
    EXPECT_TRUE(r.waits());
  }
}

TEST(Recovery, AnAttemptBeginsWhenItIsDueAndOnlyThen) {
  for (const State s : kStates) {
    Recovery r = in(s);
    EXPECT_EQ(r.due(kSecond_ns / 4), s == State::closed) << name_of(s);
    const bool waited = s == State::lost || s == State::backing_off;
    EXPECT_EQ(r.due(kSecond_ns), waited) << name_of(s);
    EXPECT_EQ(r.state(), s == State::running ? State::running : State::opening) << name_of(s);
    EXPECT_FALSE(r.due(100 * kSecond_ns)) << "one attempt at a time: " << name_of(s);
  }
}

TEST(Recovery, ClosedIsAsNew) {
  for (const State s : kStates) {
    Recovery r = in(s);
    r.close();
    EXPECT_EQ(r.state(), State::closed);
    EXPECT_TRUE(r.due(0));
    EXPECT_TRUE(r.failed(0));
    EXPECT_EQ(r.retry_ns(), kSecond_ns / 2);
  }
}

TEST(Recovery, WaitsDoubleFromHalfASecondToThirty) {
  Recovery r;
  std::int64_t now = 7 * kSecond_ns;
  std::vector<double> waits;
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(r.failed(now), i == 0);
    waits.push_back(static_cast<double>(r.retry_ns() - now) / 1e9);
    EXPECT_FALSE(r.due(r.retry_ns() - 1));
    now = r.retry_ns();
    EXPECT_TRUE(r.due(now));
  }
  EXPECT_EQ(waits, (std::vector<double>{0.5, 1, 2, 4, 8, 16, 30, 30, 30}));
  EXPECT_EQ(r.failures(), 9u);
}

TEST(Recovery, OnlyWhatWorksSetsTheWaitBack) {
  Recovery r;
  r.failed(0);
  r.due(kSecond_ns);
  r.failed(kSecond_ns);  // opened, and failed before anything came: twice the wait
  EXPECT_EQ(r.retry_ns(), 2 * kSecond_ns);
  r.due(2 * kSecond_ns);
  EXPECT_TRUE(r.works());
  EXPECT_FALSE(r.works()) << "it came back once";
  r.failed(3 * kSecond_ns);
  EXPECT_EQ(r.retry_ns(), 3 * kSecond_ns + kSecond_ns / 2);
}

}  // namespace
}  // namespace gantry
