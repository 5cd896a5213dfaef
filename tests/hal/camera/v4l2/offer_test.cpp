// The choice among what a device offers, and its refusals in words.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/offer.hpp"

#include <gtest/gtest.h>

namespace gantry::v4l2 {
namespace {

Sizes size(int width, int height, std::vector<double> rates) {
  Sizes s;
  s.width = s.least_width = width;
  s.height = s.least_height = height;
  for (const double r : rates) s.rates.push_back({r, r});
  return s;
}

// A USB camera as they are: large and quick only when compressed.
std::vector<Offer> usb_camera() {
  return {{V4L2_PIX_FMT_YUYV, "YUYV", {size(640, 480, {30}), size(1920, 1080, {5})}},
          {V4L2_PIX_FMT_MJPEG, "MJPG", {size(640, 480, {30}), size(1920, 1080, {15, 30})}}};
}

std::string refusal(const std::vector<Offer>& offers, const Wanted& wanted) {
  try {
    choose(offers, wanted);
    return "none";
  } catch (const std::runtime_error& e) {
    return e.what();
  }
}

TEST(Offer, TheBestFormatThatHasSizeAndRateIsChosen) {
  EXPECT_EQ(choose(usb_camera(), {640, 480, 30, 0}), V4L2_PIX_FMT_YUYV);
  EXPECT_EQ(choose(usb_camera(), {1920, 1080, 5, 0}), V4L2_PIX_FMT_YUYV);
  EXPECT_EQ(choose(usb_camera(), {1920, 1080, 30, 0}), V4L2_PIX_FMT_MJPEG);
  EXPECT_EQ(choose(usb_camera(), {640, 480, 30, V4L2_PIX_FMT_MJPEG}), V4L2_PIX_FMT_MJPEG);
}

TEST(Offer, ThirtyIsNot2997) {
  const std::vector<Offer> ntsc = {{V4L2_PIX_FMT_NV12, "", {size(1280, 720, {30000.0 / 1001})}}};
  EXPECT_EQ(choose(ntsc, {1280, 720, 29.97, 0}), V4L2_PIX_FMT_NV12);
  EXPECT_NE(refusal(ntsc, {1280, 720, 30.2, 0}), "none");
}

TEST(Offer, ASpanOfSizesHasItsStepsAndEnds) {
  Sizes span;
  span.least_width = 64, span.width = 1920, span.step_width = 16;
  span.least_height = 64, span.height = 1080, span.step_height = 2;
  EXPECT_TRUE(span.has(1920, 1080));
  EXPECT_TRUE(span.has(80, 64));
  EXPECT_FALSE(span.has(72, 64));
  EXPECT_FALSE(span.has(1936, 1080));
  EXPECT_TRUE(span.has_rate(1000)) << "a device that lists none takes any";
}

TEST(Offer, RefusalsSayInOneLineWhatThereIs) {
  const std::string rate = refusal(usb_camera(), {1920, 1080, 60, 0});
  EXPECT_EQ(rate,
            "does not offer 1920x1080 at 60 frames a second; it offers MJPG: 640x480 up to 30, "
            "1920x1080 up to 30; YUYV: 640x480 up to 30, 1920x1080 up to 5");
  EXPECT_EQ(refusal(usb_camera(), {640, 480, 30, V4L2_PIX_FMT_NV12}),
            "does not offer NV12; it offers YUYV, MJPG");
  const std::string odd = refusal({{V4L2_PIX_FMT_SN9C10X, "", {}}}, {640, 480, 30, 0});
  EXPECT_NE(odd.find("libv4l2"), std::string::npos) << odd;
}

}  // namespace
}  // namespace gantry::v4l2
