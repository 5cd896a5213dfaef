// The whole machine with a screen on real kernel drivers: the match's time code read back from what
// is scanned out, faults of the screen beside a run that goes on, and the counts of all of it.
// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "tests/firmware/board_view.hpp"
#include "tests/hal/display/scanout.hpp"

namespace gantry {
namespace {

constexpr int kWidth = 1024, kHeight = 576;  // on vkms' 1024x768: with borders

void force(const char* status) {
  const auto card = std::filesystem::path(test::vkms_node()).filename().string();
  std::ofstream("/sys/class/drm/" + card + "-Virtual-1/status") << status;
}

struct Sight {
  std::int64_t at_ns;
  FrameStamp stamp;
};

class ScreenGuest : public testing::Test {
 protected:
  static constexpr double kDelay_s = 1, kInterval_s = 0.1;

  // Films `duration_s` and looks at the screen meanwhile; `meddle` is called with the seconds since
  // the start.
  RunReport film(double duration_s, const std::string& display,
                 const std::function<void(double)>& meddle = {}) {
    const auto view = test::look_at_board(test::demo_rig(), 0, kWidth, kHeight);
    Config config = parse_config(
        test::board_text(view, fmt::format("duration = {}\ndelay = {}", duration_s, kDelay_s),
                         "[display]\ndevice = \"vkms\"\nmode = \"1024x768\"\n" + display),
        folder_.path() / "screen.toml");
    config.sim.frames_per_second = 1 / kInterval_s;  // the guest is slow
    Appliance appliance(config);
    const test::Scanout scanout(test::vkms_node());
    const auto start_ns = clock::now_ns();
    appliance.start();
    while (!appliance.ended()) {
      if (meddle) meddle(1e-9 * static_cast<double>(clock::now_ns() - start_ns));
      see(scanout, view);
      clock::sleep_until_ns(clock::now_ns() + 50 * clock::kMillisecond_ns);
    }
    appliance.finish();
    return report_ = appliance.report();
  }
  void TearDown() override {
    if (HasFailure()) std::printf("%s\n", to_json(report_).c_str());
  }

  void see(const test::Scanout& scanout, const test::BoardView& view) {
    const auto at_ns = clock::now_ns();
    const auto picture = scanout.look();
    if (!picture) return;
    format_ = picture->format;
    auto corners = view.corners;
    for (auto& c : corners) {  // onto the screen: centred, where it is not the view itself
      c.x += (picture->width - kWidth) / 2;
      c.y += (picture->height - kHeight) / 2;
    }
    const auto light = picture->light();
    const auto stamp =
        read_board({light.data(), picture->width, picture->height, picture->width}, corners);
    if (stamp) sights_.push_back({at_ns, *stamp});
  }

  // What is on the screen was captured a delay ago, until the next picture comes, and only moves
  // forward. What was later than that the report admits.
  void expect_time_code_intact(std::size_t least) {
    ASSERT_GE(sights_.size(), least);
    const double admitted_s =
        1e-3 * (report_.delay_max_error_ms + report_.display->error_ms.max_ms);
    for (std::size_t i = 0; i < sights_.size(); ++i) {
      const double age_s =
          1e-9 * static_cast<double>(sights_[i].at_ns - sights_[i].stamp.capture_ns);
      EXPECT_GT(age_s, kDelay_s - 0.05);
      EXPECT_LT(age_s, kDelay_s + kInterval_s + admitted_s + 0.05);
      if (i > 0) {
        EXPECT_GE(sights_[i].stamp.frame, sights_[i - 1].stamp.frame);
      }
    }
  }
  static void expect_sums(const RunReport& r) {
    const auto& d = r.display.value();
    EXPECT_EQ(r.presented + r.slates, d.presented + d.superseded + d.unseen);
    EXPECT_EQ(r.frame_thread_allocations, 0u);
  }

  test::Folder folder_;
  RunReport report_;
  std::vector<Sight> sights_;
  std::uint32_t format_ = 0;
};

TEST_F(ScreenGuest, TheMatchIsOnAnNv12PlaneADelayAfterItsCapture) {
  const auto r = film(4, "");
  EXPECT_EQ(format_, DRM_FORMAT_NV12);
  expect_time_code_intact(15);
  expect_sums(r);
  const auto& d = r.display.value();
  EXPECT_GT(d.presented, 25u);
  EXPECT_GT(d.repeated, 100u);  // 10 pictures on a screen of 60
  EXPECT_EQ(d.losses, 0u);
  EXPECT_GE(d.first_slate_s, 0);
  EXPECT_LT(d.first_slate_s, 0.5);
  EXPECT_GT(d.first_view_s, kDelay_s - 0.02);  // the nearest vertical blank
}

TEST_F(ScreenGuest, TheMatchWithThePanoramaBelowIsPaintedIntoXrgb) {
  const auto r = film(3, "layout = \"camera_and_panorama\"\n");
  EXPECT_EQ(format_, DRM_FORMAT_XRGB8888);
  expect_sums(r);
  EXPECT_GT(r.display->presented, 15u);
}

TEST_F(ScreenGuest, UnpluggedAndBackWhileTheRunGoesOn) {
  const auto r = film(8, "", [at = 0](double s) mutable {
    if (s > 3 && at == 0) force("off"), ++at;
    if (s > 4.5 && at == 1) force("on"), ++at;
  });
  force("detect");
  expect_time_code_intact(20);
  expect_sums(r);
  EXPECT_EQ(r.display->losses, 1u);
  EXPECT_GT(r.display->unseen, 8u);
  EXPECT_GT(sights_.back().stamp.frame, 60u) << "the picture is back";
}

// As a session manager does it: our descriptor loses its mastership, another program has the screen.
TEST_F(ScreenGuest, TheMasterTakenAndGivenBackWhileTheRunGoesOn) {
  std::optional<FileDescriptor> other;
  const auto r = film(8, "", [&, at = 0](double s) mutable {
    if (s > 3 && at == 0) {
      for (int fd = 3; fd < 256; ++fd)  // whichever of ours it is
        if (drmIsMaster(fd)) drmDropMaster(fd);
      other.emplace(open(test::vkms_node().c_str(), O_RDWR | O_CLOEXEC));
      EXPECT_EQ(drmSetMaster(other->get()), 0);
      ++at;
    }
    if (s > 4.5 && at == 1) other.reset(), ++at;
  });
  expect_time_code_intact(20);
  expect_sums(r);
  EXPECT_EQ(r.display->losses, 1u);
  EXPECT_GT(sights_.back().stamp.frame, 60u) << "the picture is back";
}

TEST_F(ScreenGuest, WithoutAScreenTheRunGoesOnUnlessItIsRequired) {
  force("off");
  const auto r = film(1.5, "");
  EXPECT_GT(r.presented, 8u);
  EXPECT_EQ(r.display->presented, 0u);
  EXPECT_EQ(r.display->unseen, r.presented + r.slates - r.display->superseded);
  EXPECT_THROW(film(1, "required = true\n"), std::runtime_error);
  force("detect");
}

}  // namespace
}  // namespace gantry
