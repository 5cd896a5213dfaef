// What needs no screen: places, modes, the display that nobody sees.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <gtest/gtest.h>

#include "hal/clock/clock.hpp"
#include "hal/display/null_display.hpp"
#include "hal/display/screen_layout.hpp"
#include "hal/display/screen_search.hpp"

namespace gantry {
namespace {

using kms::choose_mode;

TEST(ScreenLayout, TheViewFillsTheScreenInItsProportions) {
  const auto view = nv12_layout(1920, 1080);
  const auto on = [&](int width, int height) {
    return screen_places(ScreenLayout::camera, width, height, view, {}).view;
  };
  EXPECT_EQ(on(1920, 1080), (ScreenRectangle{0, 0, 1920, 1080}));
  EXPECT_EQ(on(3840, 2160), (ScreenRectangle{0, 0, 3840, 2160}));
  EXPECT_EQ(on(1024, 768), (ScreenRectangle{0, 96, 1024, 576}));
  EXPECT_EQ(on(1366, 768), (ScreenRectangle{0, 0, 1366, 768}));
  EXPECT_EQ(on(1080, 1920), (ScreenRectangle{0, 656, 1080, 608}));
}

TEST(ScreenLayout, ThePanoramaLiesBelowAndNothingOverlapsOrLeavesTheScreen) {
  for (const auto& [width, height] :
       {std::pair{1920, 1080}, {1280, 1024}, {1366, 768}, {640, 480}}) {
    const auto p = screen_places(ScreenLayout::camera_and_panorama, width, height,
                                 nv12_layout(1920, 1080), nv12_layout(5700, 1900));
    EXPECT_LE(p.view.y + p.view.height, p.panorama.y);
    for (const auto& r : {p.view, p.panorama}) {
      EXPECT_GT(r.width, width / 3);
      EXPECT_GE(r.x, 0);
      EXPECT_LE(r.x + r.width, width);
      EXPECT_LE(r.y + r.height, height);
      EXPECT_EQ((r.x | r.y | r.width | r.height) % 2, 0);
    }
    EXPECT_NEAR(static_cast<double>(p.panorama.width) / p.panorama.height, 3, 0.05);
    EXPECT_NEAR(static_cast<double>(p.view.width) / p.view.height, 16.0 / 9, 0.02);
  }
}

drmModeModeInfo mode_of(int width, int height, int hertz, unsigned type = 0, unsigned flags = 0) {
  drmModeModeInfo m{};
  m.hdisplay = static_cast<std::uint16_t>(width);
  m.vdisplay = static_cast<std::uint16_t>(height);
  m.htotal = static_cast<std::uint16_t>(width + 100);
  m.vtotal = static_cast<std::uint16_t>(height + 10);
  m.clock = static_cast<std::uint32_t>(m.htotal * m.vtotal * hertz / 1000);
  m.vrefresh = static_cast<std::uint32_t>(hertz);
  m.type = type;
  m.flags = flags;
  return m;
}

class ChooseMode : public testing::Test {
 protected:
  ChooseMode() {
    monitor_.name = "HDMI-A-1";
    monitor_.modes = {mode_of(1920, 1080, 144),
                      mode_of(1920, 1080, 50),
                      mode_of(1920, 1080, 60),
                      mode_of(1920, 1080, 60, 0, DRM_MODE_FLAG_INTERLACE),
                      mode_of(3840, 2160, 30, DRM_MODE_TYPE_PREFERRED),
                      mode_of(1280, 720, 100),
                      mode_of(1280, 720, 75)};
  }
  std::string chosen(const char* wanted) const {
    const auto m = choose_mode(wanted, monitor_);
    return std::to_string(m.hdisplay) + "@" + std::to_string(m.vrefresh);
  }
  kms::Connector monitor_;
};

TEST_F(ChooseMode, ByPreferenceSizeAndRate) {
  EXPECT_EQ(chosen("preferred"), "3840@30");
  EXPECT_EQ(chosen("1920x1080"), "1920@60");
  EXPECT_EQ(chosen("1920x1080@50"), "1920@50");
  EXPECT_EQ(chosen("1920x1080@143.9"), "1920@144");
  EXPECT_EQ(chosen("1280x720"), "1280@75");  // none up to 60
  monitor_.modes[4].type = 0;
  EXPECT_EQ(chosen("preferred"), "1920@144");  // the monitor's first
}

TEST_F(ChooseMode, RefusesWithTheList) {
  for (const char* wanted :
       {"1024x768", "1920x1080@75", "1920", "x", "", "1920x1080@", "1920x1080p"})
    try {
      choose_mode(wanted, monitor_);
      ADD_FAILURE() << wanted;
    } catch (const std::runtime_error& e) {
      const std::string text = e.what();
      EXPECT_EQ(
          text.find("HDMI-A-1: no mode " + std::string(wanted) + "; the display offers 1920x"), 0u)
          << text;
      EXPECT_NE(text.find("3840x2160@30.0"), std::string::npos) << text;
    }
  monitor_.modes.clear();
  EXPECT_THROW(choose_mode("preferred", monitor_), std::runtime_error);
}

TEST(NullDisplay, TakesOnePictureAtEachOfItsBlanks) {
  constexpr std::int64_t kInterval_ns = clock::kSecond_ns / 10;
  NullDisplay display({640, 360, 10});
  EXPECT_EQ(display.flip(), Status::lost);
  ASSERT_EQ(display.open(), Status::ok);
  EXPECT_EQ(display.flip(), Status::again);
  Flip flip;
  std::int64_t last_ns = 0;
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(display.prepare({}), Status::ok);
    // A whole interval before the next blank, so that what is said of the time before it is true.
    clock::sleep_until_ns((clock::now_ns() / kInterval_ns + 1) * kInterval_ns);
    const auto now_ns = clock::now_ns();
    ASSERT_EQ(display.flip(), Status::ok);
    EXPECT_EQ(display.flip(), Status::again);
    EXPECT_EQ(display.wait_flip(now_ns - 1, flip), Status::again);
    ASSERT_EQ(display.wait_flip(now_ns + clock::kSecond_ns, flip), Status::ok);
    EXPECT_EQ(flip.instant_ns % kInterval_ns, 0);
    EXPECT_GT(flip.instant_ns, now_ns);
    EXPECT_LE(flip.instant_ns, now_ns + kInterval_ns);
    EXPECT_GT(flip.instant_ns, last_ns);
    last_ns = flip.instant_ns;
  }
}

}  // namespace
}  // namespace gantry
