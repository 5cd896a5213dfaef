// The simulated camera as a camera: instants, pacing, faults, ends.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_camera.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "hal/camera/null_camera.hpp"
#include "hal/clock/clock.hpp"
#include "tests/hal/camera/sim_fixture.hpp"

namespace gantry {
namespace {

using namespace simtest;

SimCameraConfig fast() {
  SimCameraConfig c;
  c.width = 256;
  c.height = 144;
  c.real_time = false;
  c.start_ns = 1'000'000'000;
  return c;
}

std::unique_ptr<SurfacePool> pool_for(const Camera& camera, std::uint32_t count) {
  const CameraFormat f = camera.format();
  return make_surface_pool(device(), nv12_layout(f.width, f.height), count, gpu::Access::download);
}

TEST(SimCamera, StampsEveryPictureWithItsInstant) {
  SimCameraConfig c = fast();
  c.phase_s = 0.004;
  c.frames = 5;
  c.frames_per_second = 29.97;
  SimCamera camera(device(), rig(), c);
  EXPECT_EQ(camera.format().width, 256);
  EXPECT_EQ(camera.format().frames_per_second, 29.97);
  auto pool = pool_for(camera, 2);
  for (std::uint64_t n = 0; n < 5; ++n) {
    CameraFrame frame;
    ASSERT_EQ(camera.capture(*pool, frame), Status::ok);
    EXPECT_EQ(frame.sequence, n);
    EXPECT_EQ(frame.capture_ns, 1'004'000'000 + std::llround(static_cast<double>(n) / 29.97 * 1e9));
    EXPECT_EQ(frame.host_bytes_written, 0);
    EXPECT_TRUE(frame.surface);
    EXPECT_EQ(gpu::wait(frame.ready), Status::ok);
  }
  CameraFrame frame;
  EXPECT_EQ(camera.capture(*pool, frame), Status::end);
}

TEST(SimCamera, LosesPicturesWhenTold) {
  SimCameraConfig c = fast();
  c.drop_every = 3;
  SimCamera camera(device(), rig(), c);
  auto pool = pool_for(camera, 1);
  for (const std::uint64_t expected : {0, 1, 3, 4, 6}) {
    CameraFrame frame;
    ASSERT_EQ(camera.capture(*pool, frame), Status::ok);
    EXPECT_EQ(frame.sequence, expected);
    gpu::wait(frame.ready);
  }
}

TEST(SimCamera, DropsInRealTimeAndWaitsOtherwiseWhenThePoolIsEmpty) {
  SimCameraConfig c = fast();
  SimCamera patient(device(), rig(), c);
  auto pool = pool_for(patient, 1);
  CameraFrame first, second;
  ASSERT_EQ(patient.capture(*pool, first), Status::ok);
  gpu::wait(first.ready);
  {
    std::jthread reader([&] {
      clock::sleep_until_ns(clock::now_ns() + 30 * clock::kMillisecond_ns);
      first.surface.reset();
    });
    EXPECT_EQ(patient.capture(*pool, second), Status::ok);
  }
  EXPECT_EQ(second.sequence, 1);
  gpu::wait(second.ready);

  c.real_time = true;
  SimCamera live(device(), rig(), c);
  live.start_at(clock::now_ns());
  EXPECT_EQ(live.capture(*pool, first), Status::dropped) << "`second` holds the only surface";
  const std::uint64_t lost = first.sequence;
  second.surface.reset();
  ASSERT_EQ(live.capture(*pool, first), Status::ok);
  EXPECT_GT(first.sequence, lost);
  gpu::wait(first.ready);
}

TEST(SimCamera, KeepsTimeAndStopsWhenTold) {
  SimCameraConfig c = fast();
  c.real_time = true;
  c.frames_per_second = 50;
  SimCameraConfig later = c;
  SimCamera warm(device(), rig(), fast());  // compiles and runs the kernels once
  auto pool = pool_for(warm, 4);
  {
    CameraFrame frame;
    ASSERT_EQ(warm.capture(*pool, frame), Status::ok);
    gpu::wait(frame.ready);
  }
  c.start_ns = clock::now_ns() + 2 * clock::kSecond_ns;
  SimCamera camera(device(), rig(), c);
  ASSERT_LT(clock::now_ns(), c.start_ns) << "set-up took longer than this test allows for";
  for (std::uint64_t n = 0; n < 5; ++n) {
    CameraFrame frame;
    ASSERT_EQ(camera.capture(*pool, frame), Status::ok);
    EXPECT_EQ(frame.capture_ns,
              c.start_ns + static_cast<std::int64_t>(frame.sequence) * 20'000'000);
    EXPECT_GE(clock::now_ns(), frame.capture_ns) << "no picture before its time";
    gpu::wait(frame.ready);
  }
  later.start_ns = clock::now_ns() + 60 * clock::kSecond_ns;
  SimCamera patient(device(), rig(), later);
  std::jthread stopper([&] {
    clock::sleep_until_ns(clock::now_ns() + 50 * clock::kMillisecond_ns);
    patient.stop();
  });
  CameraFrame frame;
  const std::int64_t before = clock::now_ns();
  EXPECT_EQ(patient.capture(*pool, frame), Status::end);
  EXPECT_LT(clock::now_ns() - before, 5 * clock::kSecond_ns);
}

// Whoever comes late finds the match where it is, and the gap is seen in the sequence.
TEST(SimCamera, DoesNotWaitForASlowReader) {
  SimCameraConfig c = fast();
  c.real_time = true;
  c.start_ns = clock::now_ns() - 10 * clock::kSecond_ns;
  SimCamera camera(device(), rig(), c);
  auto pool = pool_for(camera, 2);
  CameraFrame frame;
  ASSERT_EQ(camera.capture(*pool, frame), Status::ok);
  EXPECT_GE(frame.sequence, 299);
  EXPECT_GT(frame.capture_ns, clock::now_ns() - 10 * clock::kSecond_ns);
  gpu::wait(frame.ready);
}

TEST(SimCamera, RefusesWhatCannotBe) {
  const auto refuses = [](auto change) {
    SimCameraConfig c = fast();
    change(c);
    EXPECT_THROW(SimCamera(device(), rig(), c), std::invalid_argument);
  };
  refuses([](SimCameraConfig& c) { c.camera = 2; });
  refuses([](SimCameraConfig& c) { c.frames_per_second = 0; });
  refuses([](SimCameraConfig& c) { c.frames_per_second = NAN; });
  refuses([](SimCameraConfig& c) { c.mast_height_m = 0; });
  refuses([](SimCameraConfig& c) { c.width = 255; });
  refuses([](SimCameraConfig& c) { c.phase_s = -1; });
}

TEST(NullCamera, EndsAtOnce) {
  NullCamera camera("absent", {320, 180, 30});
  SurfacePool pool(1, [](std::uint32_t) { return Surface{}; });
  CameraFrame frame;
  EXPECT_EQ(camera.capture(pool, frame), Status::end);
  EXPECT_EQ(camera.name(), "absent");
}

}  // namespace
}  // namespace gantry
