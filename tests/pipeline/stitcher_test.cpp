// The stitcher as a stage: who holds which picture, lost cameras, and the colour match end to end.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitcher.hpp"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/pipeline/side_by_side.hpp"

namespace gantry {
namespace {

using test::Exposure;
using test::SideBySide;

class StitcherStage : public testing::Test {
 protected:
  StitcherStage()
      : camera_(nv12_layout(SideBySide::kCameraWidth, SideBySide::kHeight)),
        panorama_(nv12_layout(SideBySide::kWidth, SideBySide::kHeight)),
        pictures_(make_surface_pool(device(), camera_, 20, gpu::Access::upload)),
        panoramas_(make_surface_pool(device(), panorama_, 10, gpu::Access::download)) {}

  static gpu::Device& device() {
    static gpu::Device d({}, {});
    return d;
  }
  std::array<Nv12Layout, 2> layouts() const { return {camera_, camera_}; }
  Stitcher make(bool colour_match) {
    StitcherConfig config;
    config.colour_match = colour_match;
    return Stitcher(device(), SideBySide::mesh(), layouts(), panorama_, config);
  }

  SurfaceRef film(int camera, const Exposure& exposure, bool clipped = false) {
    SurfaceRef picture = pictures_->acquire();
    SideBySide::film(camera, {}, exposure, clipped, camera_.pitch, picture->luma());
    const auto queue = device().make_queue();
    gpu::upload(queue, picture->memory, picture->memory.bytes, {}, nullptr);
    queue.finish();
    return picture;
  }
  FramePair pair(const Exposure& left, const Exposure& right, bool clipped = false) {
    FramePair p;
    p.cameras[0].surface = film(0, left, clipped);
    p.cameras[1].surface = film(1, right, false);
    return p;
  }
  // Panorama bytes, once the device is done.
  const std::uint8_t* bytes(const PanoramaFrame& frame) {
    const auto queue = device().make_queue();
    gpu::download(queue, frame.surface->memory, panorama_.bytes(), {frame.ready()}, nullptr);
    queue.finish();
    return frame.surface->luma();
  }
  double mean_luma(const std::uint8_t* bytes, int left, int right, int first_of_32 = 0) const {
    double sum = 0, count = 0;
    for (int y = 0; y < panorama_.height; ++y)
      for (int x = left; x < right; ++x)
        if (x % 32 >= first_of_32) sum += bytes[y * panorama_.pitch + x], ++count;
    return sum / count;
  }

  Nv12Layout camera_, panorama_;
  std::unique_ptr<SurfacePool> pictures_, panoramas_;
};

TEST_F(StitcherStage, HoldsPicturesUntilTheDeviceIsDoneAndRefusesMoreThanItCanHold) {
  Stitcher stitcher = make(false);
  cl::UserEvent exposed(device().context());
  std::vector<PanoramaFrame> frames(Stitcher::kInFlight + 1);
  for (std::size_t n = 0; n < Stitcher::kInFlight; ++n) {
    FramePair p = pair({}, {});
    p.cameras[0].ready = exposed;
    p.capture_ns = static_cast<std::int64_t>(n);
    p.number = 10 + n;
    ASSERT_EQ(stitcher.stitch(std::move(p), panoramas_->acquire(), frames[n]), Status::ok);
    EXPECT_EQ(frames[n].capture_ns, static_cast<std::int64_t>(n));
    EXPECT_EQ(frames[n].number, 10 + n);
    EXPECT_FALSE(gpu::complete(frames[n].ready));
  }
  EXPECT_EQ(pictures_->available(), 20 - 2 * Stitcher::kInFlight);
  FramePair more = pair({}, {});
  SurfaceRef surface = panoramas_->acquire();
  EXPECT_EQ(stitcher.stitch(std::move(more), std::move(surface), frames.back()), Status::again);
  EXPECT_TRUE(more.cameras[0].surface && more.cameras[1].surface && surface) << "nothing was taken";

  exposed.setStatus(CL_COMPLETE);
  stitcher.wait_oldest();
  EXPECT_EQ(stitcher.stitch(std::move(more), std::move(surface), frames.back()), Status::ok);
  stitcher.drain();
  EXPECT_EQ(pictures_->available(), 20u);
  for (const auto& f : frames) EXPECT_TRUE(gpu::complete(f.ready));
  EXPECT_EQ(stitcher.bytes_moved(), frames.size() * stitcher.bytes_per_panorama());
  EXPECT_GE(stitcher.bytes_per_panorama(), stitcher.bytes_floor());
  EXPECT_EQ(stitcher.bytes_floor(),
            (2 * SideBySide::kCameraWidth + SideBySide::kWidth) * 96u * 3 / 2);
}

TEST_F(StitcherStage, CopiesPixelsWhereNothingMoves) {
  Stitcher stitcher = make(false);
  PanoramaFrame frame;
  ASSERT_EQ(stitcher.stitch(pair({}, {}), panoramas_->acquire(), frame), Status::ok);
  const std::uint8_t* out = bytes(frame);
  std::vector<std::uint8_t> left(camera_.bytes());
  SideBySide::film(0, {}, {}, false, camera_.pitch, left.data());
  for (int y = 0; y < panorama_.height; ++y)
    for (int x = 0; x < SideBySide::kCameraWidth; ++x)
      ASSERT_EQ(out[y * panorama_.pitch + x], left[y * camera_.pitch + x]) << x << ", " << y;
}

TEST_F(StitcherStage, ALostCameraLeavesSlateAndTheOtherGoesOn) {
  Stitcher stitcher = make(true);
  PanoramaFrame whole, half, none;
  ASSERT_EQ(stitcher.stitch(pair({}, {}), panoramas_->acquire(), whole), Status::ok);
  FramePair p = pair({}, {});
  p.cameras[1].surface.reset();
  ASSERT_EQ(stitcher.stitch(std::move(p), panoramas_->acquire(), half), Status::ok);
  const std::uint8_t *a = bytes(whole), *b = bytes(half);
  for (int y = 0; y < panorama_.height; ++y) {
    const std::size_t line = static_cast<std::size_t>(y) * panorama_.pitch;
    // Up to the last node that the left camera counts at, it fills in for the right one.
    for (int x = 0; x <= SideBySide::kSeam; ++x) ASSERT_EQ(b[line + x], a[line + x]) << x;
    for (int x = SideBySide::kSeam + 8; x < SideBySide::kWidth; ++x)
      ASSERT_EQ(b[line + x], 32) << x;  // the ground of its slate
    const std::size_t chroma =
        panorama_.chroma_offset() + line / 2 / panorama_.pitch * panorama_.pitch;
    for (int x = SideBySide::kSeam + 8; x < SideBySide::kWidth; ++x) ASSERT_EQ(b[chroma + x], 128);
  }
  EXPECT_EQ(stitcher.stitch(FramePair{}, panoramas_->acquire(), none), Status::lost);
  EXPECT_FALSE(none.surface);
}

// Every second a measurement; the steps of the two halves, over whole repeats of the scene.
TEST_F(StitcherStage, ColourMatchTakesAwayTheStepAtTheSeam) {
  const Exposure left{1.1, 1.15, 1.2}, right{0.95, 0.9, 0.85};
  for (const bool clipped : {false, true}) {
    Stitcher stitcher = make(true);
    double first_step = 0, last_step = 0;
    for (int second = 0; second < 12; ++second) {
      PanoramaFrame frame;
      FramePair p = pair(left, right, clipped);
      p.capture_ns = second * 1'000'000'000LL;
      ASSERT_EQ(stitcher.stitch(std::move(p), panoramas_->acquire(), frame), Status::ok);
      stitcher.drain();
      const std::uint8_t* out = bytes(frame);
      // The clipped columns of the left camera are not compared, and must not have counted.
      last_step = mean_luma(out, 96, 128, 8) - mean_luma(out, 192, 224, 8);
      if (second == 0) first_step = last_step;
    }
    EXPECT_GT(std::abs(first_step), 10);
    EXPECT_LE(std::abs(last_step), 1) << (clipped ? "with" : "without") << " clipped parts";
    EXPECT_LT(stitcher.gains(0).luma, 1);
    EXPECT_GT(stitcher.gains(1).luma, 1);
    EXPECT_FALSE(stitcher.colour_match_off());
  }
}

TEST_F(StitcherStage, RefusesWhatDoesNotBelongTogether) {
  const auto mesh = SideBySide::mesh();
  const auto other = nv12_layout(SideBySide::kWidth + 2, SideBySide::kHeight);
  EXPECT_THROW(Stitcher(device(), mesh, layouts(), other, {}), std::invalid_argument);
  const std::array one{camera_};
  EXPECT_THROW(Stitcher(device(), mesh, one, panorama_, {}), std::invalid_argument);
  const std::array huge{camera_, Nv12Layout{16386, 96, 16448}};
  EXPECT_THROW(Stitcher(device(), mesh, huge, panorama_, {}), std::invalid_argument);
}

}  // namespace
}  // namespace gantry
