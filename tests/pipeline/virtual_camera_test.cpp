// The virtual camera as a stage: what it holds, refuses and counts; and the slate.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/virtual_camera.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "pipeline/slate.hpp"

namespace gantry {
namespace {

constexpr double kDegree = 3.14159265358979323846 / 180;
const PanoramaGeometry kGeometry{640,          320,          -kDegree * 90,
                                 kDegree * 90, kDegree * 45, -kDegree * 45};

class VirtualCameraTest : public testing::Test {
 protected:
  gpu::Device device_{gpu::Choice{}, ""};
  std::unique_ptr<SurfacePool> panoramas_ =
      make_surface_pool(device_, nv12_layout(640, 320), 1, gpu::Access::upload);
  std::unique_ptr<SurfacePool> views_ =
      make_surface_pool(device_, nv12_layout(320, 180), 6, gpu::Access::download);

  VirtualCamera camera(std::uint32_t in_flight = 4) {
    return VirtualCamera(device_, kGeometry, nv12_layout(640, 320), nv12_layout(320, 180),
                         {in_flight, true, true});
  }
  PanoramaFrame panorama() { return {panoramas_->acquire(), {}, 777, 42}; }
};

TEST_F(VirtualCameraTest, CarriesTheInstantAndLetsGoOfItsSurfaces) {
  {
    VirtualCamera c = camera();
    ViewFrame out;
    out.presentation_ns = 99;
    {
      const PanoramaFrame p = panorama();
      ASSERT_EQ(c.render(p, {0.1, -0.1, 1.2}, views_->acquire(), out), Status::ok);
    }
    EXPECT_EQ(out.capture_ns, 777);
    EXPECT_EQ(out.number, 42u);
    EXPECT_EQ(out.presentation_ns, 99);
    EXPECT_FALSE(out.slate);
    EXPECT_DOUBLE_EQ(out.pose.yaw, 0.1);
    gpu::wait(out.ready);
    c.drain();
    EXPECT_EQ(panoramas_->available(), 1u);
    EXPECT_EQ(views_->available(), 5u) << "the view itself is still held by the frame";
    EXPECT_GT(c.last_duration_ns(), 0);
  }
  EXPECT_EQ(views_->available(), 6u);
}

// A view that has to wait for its panorama keeps both surfaces, and no more than in_flight do.
TEST_F(VirtualCameraTest, WaitsForThePanoramaAndKeepsItUntilThen) {
  VirtualCamera c = camera(2);
  cl::UserEvent stitched(device_.context());
  PanoramaFrame p = panorama();
  p.ready = stitched;
  ViewFrame out[3];
  EXPECT_EQ(c.render(p, {0, 0, 1}, views_->acquire(), out[0]), Status::ok);
  EXPECT_EQ(c.render(p, {0, 0, 1}, views_->acquire(), out[1]), Status::ok);
  EXPECT_EQ(c.render(p, {0, 0, 1}, views_->acquire(), out[2]), Status::dropped);
  EXPECT_FALSE(out[2].surface);
  p = {};
  out[0] = {};
  EXPECT_EQ(panoramas_->available(), 0u);
  EXPECT_EQ(views_->available(), 4u);
  EXPECT_FALSE(gpu::complete(out[1].ready));
  stitched.setStatus(CL_COMPLETE);
  c.drain();
  EXPECT_EQ(panoramas_->available(), 1u);
  EXPECT_EQ(views_->available(), 5u);
}

TEST_F(VirtualCameraTest, PosesBeyondItsRangeAreBroughtInAndNumbersMustBeNumbers) {
  VirtualCamera c = camera();
  ViewFrame out;
  EXPECT_EQ(c.render(panorama(), {0, 3, 3}, views_->acquire(), out), Status::ok);
  EXPECT_NEAR(out.pose.field_of_view, 100 * kDegree, 1e-9);
  EXPECT_LT(out.pose.pitch, 90 * kDegree - std::atan(std::tan(50 * kDegree) * 9 / 16));
  c.drain();
  EXPECT_EQ(c.render(panorama(), {NAN, 0, 1}, views_->acquire(), out), Status::dropped);
  EXPECT_EQ(c.render(panorama(), {0, 0, INFINITY}, views_->acquire(), out), Status::dropped);
}

TEST_F(VirtualCameraTest, CountsTheBytesUnderTheView) {
  VirtualCamera c = camera();
  ViewFrame out;
  ASSERT_EQ(c.render(panorama(), {0, 0, 40 * kDegree}, views_->acquire(), out), Status::ok);
  // 40° by about 23°, a little less at the corners, of 640 / 180° and 320 / 90°.
  const double flat = 40 * 640 / 180.0 * 23.1 * 320 / 90.0 * 1.5;
  EXPECT_NEAR(static_cast<double>(c.traffic().panorama_read), flat, 0.04 * flat);
  EXPECT_EQ(c.traffic().view_written, 320u * 180 * 3 / 2);
  c.drain();
}

TEST_F(VirtualCameraTest, LayoutsThatDoNotFitAreRefused) {
  EXPECT_THROW(VirtualCamera(device_, kGeometry, nv12_layout(642, 320), nv12_layout(320, 180)),
               std::invalid_argument);
  PanoramaGeometry tiny = kGeometry;
  tiny.width = 62;
  EXPECT_THROW(VirtualCamera(device_, tiny, nv12_layout(62, 320), nv12_layout(320, 180)),
               std::invalid_argument);
}

TEST_F(VirtualCameraTest, SlateShowsItsTextInTheMiddle) {
  Slate slate(device_);
  Slate::Text text;
  EXPECT_EQ(Slate::waiting_text(4.2, 7, text), "filling, 5 s of 7");
  EXPECT_EQ(Slate::waiting_text(NAN, 0.5, text), "filling, 0 s of 1");
  EXPECT_EQ(Slate::waiting_text(0, 7, text), "no signal");
  ViewFrame out;
  ASSERT_EQ(slate.render("I", views_->acquire(), out), Status::ok);
  ASSERT_EQ(gpu::wait(out.ready), Status::ok);
  EXPECT_TRUE(out.slate);
  const Surface& s = *out.surface;
  int ink = 0, x_sum = 0, y_sum = 0;
  for (int y = 0; y < 180; ++y)
    for (int x = 0; x < 320; ++x)
      if (s.luma()[y * s.layout.pitch + x] > 128) ++ink, x_sum += x, y_sum += y;
  ASSERT_GT(ink, 0);
  EXPECT_NEAR(x_sum / static_cast<double>(ink), 159.5, 1);
  EXPECT_NEAR(y_sum / static_cast<double>(ink), 89.5, 1);
  EXPECT_EQ(s.chroma()[0], 128);
  // An "I" is 11 of 35 dots.
  const int dot = 180 / 14;
  EXPECT_EQ(ink, 11 * dot * dot);
}

TEST_F(VirtualCameraTest, SlateLeavesNoTextOutOfThePicture) {
  Slate slate(device_);
  const auto small = make_surface_pool(device_, nv12_layout(32, 2), 1, gpu::Access::upload);
  ViewFrame out;
  EXPECT_EQ(slate.render("gantry: camera lost", small->acquire(), out), Status::ok);
  EXPECT_EQ(slate.render("", views_->acquire(), out), Status::ok);
}

}  // namespace
}  // namespace gantry
