// Stages whose device fails: what they try, when, and what it costs.
// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <gtest/gtest.h>

#include "hal/clock/clock.hpp"
#include "pipeline/stages/capture_stage.hpp"
#include "pipeline/stages/output_stage.hpp"

namespace gantry {
namespace {

double seconds_since(std::int64_t instant_ns) {
  return 1e-9 * static_cast<double>(clock::now_ns() - instant_ns);
}

SurfacePool empty_pool(std::uint32_t count) {
  return SurfacePool(count, [](std::uint32_t) { return Surface(); });
}

// Fails while it is told to, and counts the attempts.
class FlakyCamera final : public Camera {
 public:
  const std::string& name() const override { return name_; }
  CameraFormat format() const override { return {64, 48, 30}; }
  Status capture(SurfacePool& pool, CameraFrame& out) noexcept override {
    ++calls;
    if (answer != Status::ok) return answer;
    out.surface = pool.acquire();
    out.capture_ns = clock::now_ns();
    return Status::ok;
  }
  void stop() noexcept override { answer = Status::end; }

  std::atomic<Status> answer{Status::ok};
  std::atomic<int> calls{0};

 private:
  std::string name_ = "flaky";
};

struct Capture {
  FlakyCamera camera;
  SurfacePool pool = empty_pool(8);
  Telemetry telemetry;
  CaptureLink link{WhenFull::drop_oldest};
  CaptureStage stage{camera, pool, link, telemetry.cameras[0], telemetry};
};

TEST(CaptureRecovery, ALostCameraIsTriedAgainWithABackOffAndItsLinkStaysOpen) {
  Capture c;
  ASSERT_TRUE(c.stage.step());
  c.camera.answer = Status::lost;
  const auto start_ns = clock::now_ns();
  ASSERT_TRUE(c.stage.step());  // lost
  ASSERT_TRUE(c.stage.step());  // after 0.5 s
  EXPECT_NEAR(seconds_since(start_ns), 0.5, 0.2);
  c.camera.answer = Status::ok;
  ASSERT_TRUE(c.stage.step());  // after 1 s more
  EXPECT_NEAR(seconds_since(start_ns), 1.5, 0.3);
  EXPECT_EQ(c.camera.calls, 4);
  EXPECT_EQ(c.telemetry.cameras[0].captured.read(), 2u);
  EXPECT_EQ(c.telemetry.cameras[0].losses.read(), 1u);
  EXPECT_EQ(c.telemetry.cameras[0].failures.read(), 2u);
  EXPECT_FALSE(c.link.finished());
  const auto back_ns = clock::now_ns();
  ASSERT_TRUE(c.stage.step());
  EXPECT_LT(seconds_since(back_ns), 0.2) << "no wait once it is back";
}

TEST(CaptureRecovery, StopEndsTheWaitAtOnce) {
  Capture c;
  c.camera.answer = Status::lost;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(c.stage.step());
  std::thread waiting([&] { EXPECT_FALSE(c.stage.step()); });
  while (!c.stage.idle()) std::this_thread::yield();
  const auto start_ns = clock::now_ns();
  c.stage.stop();
  waiting.join();
  EXPECT_LT(seconds_since(start_ns), 0.3);
  CameraFrame frame;
  EXPECT_FALSE(c.link.pop(frame));
  EXPECT_TRUE(c.link.finished());
}

TEST(CaptureRecovery, TheEndOfTheTimeEndsALostCameraToo) {
  Capture c;
  c.camera.answer = Status::lost;
  c.stage.end_at(clock::now_ns() + clock::kSecond_ns / 5);
  ASSERT_TRUE(c.stage.step());
  EXPECT_FALSE(c.stage.step());
}

TEST(CaptureRecovery, ALostDeviceIsNotTriedAgain) {
  Capture c;
  c.camera.answer = Status::device_lost;
  EXPECT_FALSE(c.stage.step());
  EXPECT_TRUE(c.telemetry.device_lost.load());
}

// Takes what it gets while it is open; pictures come through after three.
class FlakyEncoder final : public Encoder {
 public:
  Status write(const SurfaceRef&, std::int64_t) noexcept override {
    if (fails) open_ = false;
    if (!open_) return Status::lost;
    if (++held > 3) ++written;
    return Status::ok;
  }
  bool open() const noexcept override { return open_; }
  Status reopen() noexcept override {
    ++attempts;
    held = 0;
    open_ = can_open;
    return open_ ? Status::ok : Status::lost;
  }
  std::uint64_t frames_written() const noexcept override { return written; }
  Status finish() noexcept override { return finished = true, Status::ok; }
  EncoderReport report() const override { return {}; }

  bool open_ = true, fails = false, can_open = true, finished = false;
  int attempts = 0, held = 0;
  std::uint64_t written = 0;
};

struct Output {
  explicit Output(bool open = true) { encoder.open_ = open; }
  void picture() {
    ViewFrame frame;
    frame.surface = pool.acquire();
    frame.presentation_ns = ++time;
    link.push(std::move(frame));
    ASSERT_TRUE(stage().step());
  }
  OutputStage<ViewFrame, OutputLink::capacity()>& stage() {
    if (!stage_) stage_.emplace(link, encoder, &ViewFrame::presentation_ns, nullptr, busy);
    return *stage_;
  }
  FlakyEncoder encoder;
  SurfacePool pool = empty_pool(2);
  OutputLink link{WhenFull::drop_oldest};
  Latency busy;
  std::int64_t time = 0;

 private:
  std::optional<OutputStage<ViewFrame, OutputLink::capacity()>> stage_;
};

void sleep_s(double seconds) {
  clock::sleep_until_ns(clock::now_ns() + static_cast<std::int64_t>(seconds * 1e9));
}

TEST(OutputRecovery, AFailedOutputCountsItsPicturesAndIsOpenedAnewAfterHalfASecond) {
  Output o;
  o.picture();
  o.encoder.fails = true;
  o.picture();
  o.encoder.fails = false;
  for (int i = 0; i < 5; ++i) o.picture();
  EXPECT_EQ(o.encoder.attempts, 0) << "not before its time";
  EXPECT_EQ(o.stage().undelivered(), 7u) << "the first was in the encoder's hands";
  sleep_s(0.6);
  for (int i = 0; i < 5; ++i) o.picture();
  EXPECT_EQ(o.encoder.attempts, 1);
  EXPECT_EQ(o.encoder.held, 5);
  o.encoder.written += 3;  // what it still holds
  EXPECT_EQ(o.stage().undelivered(), 7u);
}

TEST(OutputRecovery, OpeningAloneDoesNotSetTheWaitBackButAPictureThatComesThroughDoes) {
  Output o;
  o.encoder.fails = true;
  o.picture();
  sleep_s(0.6);
  o.picture();  // opened after 0.5 s, and failed before anything came through
  sleep_s(0.6);
  o.picture();
  EXPECT_EQ(o.encoder.attempts, 1) << "now it is 1 s";
  sleep_s(0.6);
  o.encoder.fails = false;
  for (int i = 0; i < 5; ++i) o.picture();
  EXPECT_EQ(o.encoder.attempts, 2);
  o.encoder.fails = true;
  o.picture();
  o.encoder.fails = false;
  sleep_s(0.6);
  o.picture();
  EXPECT_EQ(o.encoder.attempts, 3) << "0.5 s again";
}

TEST(OutputRecovery, AStreamThatWasNeverConnectedIsTriedAtTheFirstPicture) {
  Output o(false);
  o.encoder.can_open = false;
  o.picture();
  o.picture();
  EXPECT_EQ(o.encoder.attempts, 1);
  EXPECT_EQ(o.stage().undelivered(), 2u);
  o.link.close();
  EXPECT_FALSE(o.stage().step());
  EXPECT_TRUE(o.encoder.finished);
}

}  // namespace
}  // namespace gantry
