// The display's loop on a screen that is told what to do: timing, counts, losses.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/display_stage.hpp"

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "hal/clock/clock.hpp"
#include "hal/display/null_display.hpp"

namespace gantry {
namespace {

using clock::kMillisecond_ns, clock::kSecond_ns;

// A screen of the clock's that can be unplugged, and stops its vertical blanks.
class ScriptedDisplay final : public Display {
 public:
  explicit ScriptedDisplay(double refresh_hz) : screen_({640, 360, refresh_hz}) {}
  std::atomic<bool> plugged{true}, blanks{true}, heard{false};
  std::atomic<int> opened{0};
  std::vector<std::string> slates() const {
    const std::lock_guard lock(mutex_);
    return slates_;
  }

  Status open() noexcept override {
    if (!plugged) return lose();
    ++opened;
    return screen_.open();
  }
  void close() noexcept override { screen_.close(); }
  std::string_view description() const noexcept override { return "scripted"; }
  DisplayMode mode() const noexcept override { return screen_.mode(); }
  Status prepare(ScreenPicture&& picture) noexcept override {
    return plugged ? screen_.prepare(std::move(picture)) : lose();
  }
  Status prepare_slate(std::string_view text) noexcept override {
    const std::lock_guard lock(mutex_);
    slates_.emplace_back(text);
    return screen_.prepare_slate(text);
  }
  Status flip() noexcept override { return plugged ? screen_.flip() : lose(); }
  Status wait_flip(std::int64_t deadline_ns, Flip& flip) noexcept override {
    if (!blanks) {
      clock::sleep_until_ns(deadline_ns);
      return Status::again;
    }
    return screen_.wait_flip(deadline_ns, flip);
  }
  Status watch() noexcept override { return heard.exchange(false) ? Status::ok : screen_.watch(); }
  std::string_view problem() const noexcept override { return "it was unplugged"; }

 private:
  Status lose() {
    screen_.close();
    return Status::lost;
  }
  NullDisplay screen_;
  mutable std::mutex mutex_;
  std::vector<std::string> slates_;
};

class DisplayStageTest : public testing::Test {
 protected:
  void start(double refresh_hz, bool on_time = true, bool required = false) {
    if (!display_) display_.emplace(refresh_hz);
    stage_.emplace(link_, wake_, *display_, required, on_time, telemetry_);
    thread_ = std::thread([this] {
      while (stage_->step()) {
      }
    });
  }
  // Views at a rate, each pushed 20 ms before its instant.
  void push(int count, double rate_hz) {
    auto due_ns = clock::now_ns() + 20 * kMillisecond_ns;
    for (int i = 0; i < count; ++i, due_ns += std::llround(1e9 / rate_hz)) {
      clock::sleep_until_ns(due_ns - 20 * kMillisecond_ns);
      ViewFrame view;
      view.surface = pool_.acquire();
      ASSERT_TRUE(view.surface) << "the display keeps more than it says";
      view.presentation_ns = due_ns;
      link_.push(std::move(view));
      ++pushed_;
    }
  }
  void end() {
    link_.close();
    thread_.join();
    EXPECT_EQ(pool_.available(), pool_.capacity()) << "surfaces are given back";
    const auto& t = telemetry_.display;
    EXPECT_EQ(pushed_, t.shown.read() + t.superseded.read() + t.unseen.read() + link_.dropped());
  }
  ~DisplayStageTest() override {
    if (thread_.joinable()) link_.close(), thread_.join();
  }

  SurfacePool pool_{DisplayLink::capacity() + 4, [](std::uint32_t) { return Surface{}; }};
  Signal wake_;
  DisplayLink link_{WhenFull::drop_oldest, &wake_};
  std::optional<ScriptedDisplay> display_;
  Telemetry telemetry_;
  std::optional<DisplayStage> stage_;
  std::thread thread_;
  std::uint64_t pushed_ = 0;
};

TEST_F(DisplayStageTest, AViewComesAtTheVerticalBlankNearestToItsInstant) {
  start(100);
  push(60, 25);
  end();
  EXPECT_GT(telemetry_.display.shown.read(), 50u);
  // Half of 10 ms at most; the machine may be late now and then.
  EXPECT_LT(telemetry_.display.error.summary().p50_ns, 6 * kMillisecond_ns);
  EXPECT_GT(telemetry_.display.repeated.read(), 120u);  // three of four blanks
  EXPECT_NE(telemetry_.first.screen_view.read(), 0);
  EXPECT_EQ(telemetry_.display.losses.read(), 0u);
}

TEST_F(DisplayStageTest, TheNewestGoesFirstWhereViewsAreMoreThanBlanks) {
  start(20);
  push(100, 100);
  end();
  EXPECT_LT(telemetry_.display.shown.read(), 30u);
  EXPECT_GT(telemetry_.display.shown.read(), 8u);
}

TEST_F(DisplayStageTest, WithoutAClockTheNewestIsShownAtOnce) {
  start(50, false);
  push(60, 100);
  end();
  EXPECT_GT(telemetry_.display.shown.read(), 12u);
  EXPECT_EQ(telemetry_.display.error.summary().count, 0u);
}

TEST_F(DisplayStageTest, UnpluggedCostsItsOwnViewsAndComesBack) {
  start(100);
  push(20, 50);
  display_->plugged = false;
  push(10, 50);
  EXPECT_EQ(telemetry_.display.losses.read(), 1u);
  const auto unseen = telemetry_.display.unseen.read();
  EXPECT_GT(unseen, 5u);
  display_->plugged = true;
  push(50, 50);  // a second: the wait was half of one
  end();
  EXPECT_EQ(display_->opened, 2);
  EXPECT_LT(telemetry_.display.unseen.read(), unseen + 45);
}

TEST_F(DisplayStageTest, WhatIsPluggedIsTriedAtOnce) {
  display_.emplace(100);
  display_->plugged = false;
  start(100);
  push(60, 50);  // the waits have grown to a second
  display_->plugged = true;
  display_->heard = true;
  push(10, 50);
  end();
  EXPECT_EQ(display_->opened, 1);
  EXPECT_GT(telemetry_.display.shown.read(), 4u);
  EXPECT_EQ(telemetry_.display.losses.read(), 0u) << "it was never there";
}

TEST_F(DisplayStageTest, AScreenWithoutVerticalBlanksIsLost) {
  start(100);
  push(5, 50);
  display_->blanks = false;
  push(3, 50);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  EXPECT_EQ(telemetry_.display.losses.read(), 1u);
  display_->blanks = true;
  end();
}

TEST_F(DisplayStageTest, WithoutViewsTheScreenSaysSo) {
  start(100);
  push(3, 50);
  std::this_thread::sleep_for(std::chrono::milliseconds(1600));
  end();
  const auto slates = display_->slates();
  ASSERT_GE(slates.size(), 2u);
  EXPECT_EQ(slates.front(), "gantry is starting");
  EXPECT_EQ(slates.back(), "no picture for 1 s");
}

TEST_F(DisplayStageTest, RequiredAndNotThereIsRefused) {
  display_.emplace(60);
  display_->plugged = false;
  try {
    start(60, true, true);
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "display: it was unplugged");
  }
}

}  // namespace
}  // namespace gantry
