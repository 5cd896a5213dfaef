// The whole machine with a screen on real kernel drivers: the match's time code read back from what
// is scanned out, faults of the screen beside a run that goes on, and the counts of all of it.
// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>

#include <drm_fourcc.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <xf86drm.h>

#include "hal/display/card.hpp"
#include "hal/memory/mapping.hpp"
#include "tests/firmware/board_view.hpp"

namespace gantry {
namespace {

constexpr int kWidth = 1024, kHeight = 576;  // on vkms' 1024x768: with borders

// Another process's look at the screen: the framebuffer that a plane scans out now, for root.
class Scanout {
 public:
  explicit Scanout(const std::string& node) : fd_(open(node.c_str(), O_RDWR | O_CLOEXEC)) {
    drmDropMaster(fd_.get());
    drmSetClientCap(fd_.get(), DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
  }
  // Luma (NV12) or green (XRGB8888) of the uppermost plane that is on; a whole screen.
  struct Picture {
    std::vector<std::uint8_t> pixels;
    int width = 0, height = 0;
    std::uint32_t format = 0;
  };
  std::optional<Picture> look() {
    std::optional<Picture> picture;
    drmModePlaneRes* planes = drmModeGetPlaneResources(fd_.get());
    for (std::uint32_t i = planes->count_planes; i-- > 0 && !picture;) {
      drmModePlane* plane = drmModeGetPlane(fd_.get(), planes->planes[i]);
      if (plane->fb_id) picture = read(plane->fb_id);
      drmModeFreePlane(plane);
    }
    drmModeFreePlaneResources(planes);
    return picture;
  }

 private:
  std::optional<Picture> read(std::uint32_t id) {
    drmModeFB2* fb = drmModeGetFB2(fd_.get(), id);
    if (!fb) return std::nullopt;
    const Picture shape{
        {}, static_cast<int>(fb->width), static_cast<int>(fb->height), fb->pixel_format};
    const std::uint32_t pitch = fb->pitches[0], handle = fb->handles[0];
    drmModeFreeFB2(fb);
    int shared = -1;
    const int refused = drmPrimeHandleToFD(fd_.get(), handle, DRM_CLOEXEC, &shared);
    drmCloseBufferHandle(fd_.get(), handle);
    if (refused) return std::nullopt;
    const FileDescriptor owner(shared);
    const std::size_t bytes = std::size_t{pitch} * shape.height;
    const Mapping map(mmap(nullptr, bytes, PROT_READ, MAP_SHARED, shared, 0), bytes);
    if (!map) return std::nullopt;
    Picture picture = shape;
    const bool nv12 = shape.format == DRM_FORMAT_NV12;
    for (int y = 0; y < shape.height; ++y)
      for (int x = 0; x < shape.width; ++x)
        picture.pixels.push_back(std::to_integer<std::uint8_t>(
            map.data()[std::size_t{pitch} * y + (nv12 ? x : 4 * x + 1)]));
    return picture;
  }
  FileDescriptor fd_;
};

std::filesystem::path connector() {
  for (const auto& node : kms::card_nodes())
    if (kms::Card(node).driver() == "vkms")
      return "/sys/class/drm/" + node.filename().string() + "-Virtual-1";
  return {};
}
std::string node() {
  return "/dev/dri/" + connector().filename().string().substr(0, 5);
}
void force(const char* status) {
  std::ofstream(connector() / "status") << status;
}

struct Sight {
  std::int64_t at_ns;
  FrameStamp stamp;
};

class ScreenGuest : public testing::Test {
 protected:
  static constexpr double kDelay_s = 1;

  // Films `duration_s` and looks at the screen meanwhile; `meddle` is called with the seconds since
  // the start.
  RunReport film(double duration_s, const std::string& display,
                 const std::function<void(double)>& meddle = {}) {
    const auto view = test::look_at_board(test::demo_rig(), 0, kWidth, kHeight);
    const Config config = parse_config(
        test::board_text(view, fmt::format("duration = {}\ndelay = {}", duration_s, kDelay_s),
                         "[display]\ndevice = \"vkms\"\nmode = \"1024x768\"\n" + display),
        folder_.path() / "screen.toml");
    Appliance appliance(config);
    Scanout scanout(node());
    const auto start_ns = clock::now_ns();
    appliance.start();
    while (!appliance.ended()) {
      if (meddle) meddle(1e-9 * static_cast<double>(clock::now_ns() - start_ns));
      see(scanout, view);
      clock::sleep_until_ns(clock::now_ns() + 50 * clock::kMillisecond_ns);
    }
    appliance.finish();
    return appliance.report();
  }

  void see(Scanout& scanout, const test::BoardView& view) {
    const auto at_ns = clock::now_ns();
    const auto picture = scanout.look();
    if (!picture) return;
    format_ = picture->format;
    auto corners = view.corners;
    for (auto& c : corners) {  // onto the screen: centred, where it is not the view itself
      c.x += (picture->width - kWidth) / 2;
      c.y += (picture->height - kHeight) / 2;
    }
    const auto stamp = read_board(
        {picture->pixels.data(), picture->width, picture->height, picture->width}, corners);
    if (stamp) sights_.push_back({at_ns, *stamp});
  }

  // What is on the screen was captured a delay ago, and only moves forward.
  void expect_time_code_intact(std::size_t least) {
    ASSERT_GE(sights_.size(), least);
    for (std::size_t i = 0; i < sights_.size(); ++i) {
      const double age_s =
          1e-9 * static_cast<double>(sights_[i].at_ns - sights_[i].stamp.capture_ns);
      EXPECT_GT(age_s, kDelay_s - 0.05);
      EXPECT_LT(age_s, kDelay_s + 0.15);
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
  std::vector<Sight> sights_;
  std::uint32_t format_ = 0;
};

TEST_F(ScreenGuest, TheMatchIsOnAnNv12PlaneADelayAfterItsCapture) {
  const auto r = film(4, "");
  EXPECT_EQ(format_, DRM_FORMAT_NV12);
  expect_time_code_intact(30);
  expect_sums(r);
  const auto& d = r.display.value();
  EXPECT_GT(d.presented, 80u);
  EXPECT_GT(d.repeated, 60u);  // 30 pictures on a screen of 60
  EXPECT_EQ(d.losses, 0u);
  EXPECT_GE(d.first_slate_s, 0);
  EXPECT_LT(d.first_slate_s, 0.5);
  EXPECT_GT(d.first_view_s, kDelay_s);
}

TEST_F(ScreenGuest, TheMatchWithThePanoramaBelowIsPaintedIntoXrgb) {
  const auto r = film(3, "layout = \"camera_and_panorama\"\n");
  EXPECT_EQ(format_, DRM_FORMAT_XRGB8888);
  expect_sums(r);
  EXPECT_GT(r.display->presented, 60u);
}

TEST_F(ScreenGuest, UnpluggedAndBackWhileTheRunGoesOn) {
  const auto r = film(8, "", [at = 0](double s) mutable {
    if (s > 3 && at == 0) force("off"), ++at;
    if (s > 4.5 && at == 1) force("on"), ++at;
  });
  force("detect");
  expect_time_code_intact(40);
  expect_sums(r);
  EXPECT_EQ(r.display->losses, 1u);
  EXPECT_GT(r.display->unseen, 20u);
  EXPECT_GT(sights_.back().stamp.frame, 200u) << "the picture is back";
}

// As a session manager does it: our descriptor loses its mastership, another program has the screen.
TEST_F(ScreenGuest, TheMasterTakenAndGivenBackWhileTheRunGoesOn) {
  std::optional<FileDescriptor> other;
  const auto r = film(8, "", [&, at = 0](double s) mutable {
    if (s > 3 && at == 0) {
      for (int fd = 3; fd < 256; ++fd)  // whichever of ours it is
        if (drmIsMaster(fd)) drmDropMaster(fd);
      other.emplace(open(node().c_str(), O_RDWR | O_CLOEXEC));
      EXPECT_EQ(drmSetMaster(other->get()), 0);
      ++at;
    }
    if (s > 4.5 && at == 1) other.reset(), ++at;
  });
  expect_time_code_intact(40);
  expect_sums(r);
  EXPECT_EQ(r.display->losses, 1u);
  EXPECT_GT(sights_.back().stamp.frame, 200u) << "the picture is back";
}

TEST_F(ScreenGuest, WithoutAScreenTheRunGoesOnUnlessItIsRequired) {
  force("off");
  const auto r = film(1.5, "");
  EXPECT_GT(r.presented, 20u);
  EXPECT_EQ(r.display->presented, 0u);
  EXPECT_EQ(r.display->unseen, r.presented + r.slates - r.display->superseded);
  EXPECT_THROW(film(1, "required = true\n"), std::runtime_error);
  force("detect");
}

}  // namespace
}  // namespace gantry
