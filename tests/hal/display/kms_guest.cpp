// The KMS display on real kernel drivers: pixels on the screen, flips, plugging, masters, refusals.
// SPDX-License-Identifier: Apache-2.0
#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hal/clock/clock.hpp"
#include "hal/display/kms_display.hpp"
#include "tests/hal/display/scanout.hpp"
#include "tests/hal/display/screen_grab.hpp"

namespace {
int synchronised[2] = {};  // DMA-bufs: turns of the processor to write begun and ended
}

// In place of the C library's: counts.
extern "C" int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (request == DMA_BUF_IOCTL_SYNC) {
    const auto flags = static_cast<dma_buf_sync*>(argument)->flags;
    if (flags & DMA_BUF_SYNC_WRITE) ++synchronised[(flags & DMA_BUF_SYNC_END) != 0];
  }
  return static_cast<int>(syscall(SYS_ioctl, fd, request, argument));
}

namespace gantry {
namespace {

constexpr int kWidth = 640, kHeight = 480;

struct Rgb {
  int red, green, blue;
};
constexpr Rgb kBars[] = {{191, 191, 191}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0},
                         {191, 0, 191},   {191, 0, 0},   {0, 0, 191},   {16, 16, 16}};

// Vertical bars of known colours, by the definition of BT.709, limited range.
void draw_bars(const Surface& s) {
  const Nv12Layout& l = s.layout;
  for (int y = 0; y < l.height; ++y)
    for (int x = 0; x < l.width; ++x) {
      const Rgb c = kBars[x * 8 / l.width];
      const double luma = 0.2126 * c.red + 0.7152 * c.green + 0.0722 * c.blue;
      s.luma()[static_cast<std::size_t>(y) * l.pitch + x] =
          static_cast<std::uint8_t>(std::lround(16 + luma * 219 / 255));
      if (x % 2 || y % 2) continue;
      std::uint8_t* chroma = s.chroma() + static_cast<std::size_t>(y / 2) * l.pitch + x;
      chroma[0] =
          static_cast<std::uint8_t>(std::lround(128 + (c.blue - luma) / 1.8556 * 224 / 255));
      chroma[1] = static_cast<std::uint8_t>(std::lround(128 + (c.red - luma) / 1.5748 * 224 / 255));
    }
}

gpu::Device& device() {
  static gpu::Device device(gpu::Choice{gpu::Kind::cpu, "", false},
                            std::filesystem::path("/var/cache/rig/gantry"));
  return device;
}

using test::vkms_node;

class KmsGuest : public testing::Test {
 protected:
  std::unique_ptr<SurfacePool> make_pool(int width, int height, bool shared) {
    if (shared && !heap_) heap_ = open_heap("system");
    return make_surface_pool(device(), nv12_layout(width, height), 4, gpu::Access::download,
                             shared ? heap_.get() : nullptr);
  }
  std::unique_ptr<KmsDisplay> make_display(SurfacePool& views, SurfacePool* panoramas = nullptr) {
    return std::make_unique<KmsDisplay>(config_, kms::ScreenSources{&views, panoramas}, device());
  }
  static Flip show(Display& display, ScreenPicture&& picture) {
    Flip flip;
    EXPECT_EQ(display.prepare(std::move(picture)), Status::ok) << display.problem();
    EXPECT_EQ(display.flip(), Status::ok) << display.problem();
    EXPECT_EQ(display.wait_flip(clock::now_ns() + 2 * clock::kSecond_ns, flip), Status::ok)
        << display.problem();
    return flip;
  }
  static SurfaceRef bars(SurfacePool& pool) {
    SurfaceRef surface = pool.acquire();
    draw_bars(*surface);
    return surface;
  }
  static void expect_bars(const GrabbedScreen& screen, const ScreenRectangle& at) {
    for (int i = 0; i < 8; ++i) {
      const int x = at.x + at.width * (2 * i + 1) / 16, y = at.y + at.height / 2;
      EXPECT_NEAR(screen.red(x, y), kBars[i].red, 3) << "bar " << i;
      EXPECT_NEAR(screen.green(x, y), kBars[i].green, 3) << "bar " << i;
      EXPECT_NEAR(screen.blue(x, y), kBars[i].blue, 3) << "bar " << i;
    }
  }

  std::unique_ptr<Heap> heap_;
  DisplayConfig config_{"vkms", "auto", "640x480", ScreenLayout::camera};
};

TEST_F(KmsGuest, ShowsAViewsOwnMemoryOnANv12Plane) {
  const auto views = make_pool(kWidth, kHeight, true);
  auto display = make_display(*views);
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  EXPECT_EQ(display->screen()->door(), kms::Screen::Door::plane) << display->description();
  show(*display, {bars(*views), {}});
  expect_bars(grab_screen(display->screen()->fd()), {0, 0, kWidth, kHeight});
}

// The display reads memory, not the processor's caches; a GPU that imports hands over by itself.
TEST_F(KmsGuest, WritesAViewsCachesBackBeforeItIsScannedOut) {
  const auto views = make_pool(kWidth, kHeight, true);
  auto display = make_display(*views);
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  const int begun = synchronised[0], ended = synchronised[1];
  for (int i = 0; i < 3; ++i) show(*display, {bars(*views), {}});
  const int each = device().imports() ? 0 : 1;
  EXPECT_EQ(synchronised[0] - begun, 3 * each);
  EXPECT_EQ(synchronised[1] - ended, 3 * each);
}

TEST_F(KmsGuest, PaintsIntoXrgbWhereAPlaneCannotTakeTheView) {
  const auto views = make_pool(kWidth, kHeight, false);
  auto display = make_display(*views);
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  EXPECT_EQ(display->screen()->door(), kms::Screen::Door::conversion) << display->description();
  show(*display, {bars(*views), {}});
  expect_bars(grab_screen(display->screen()->fd()), {0, 0, kWidth, kHeight});
}

TEST_F(KmsGuest, ShowsTheViewWithThePanoramaBelow) {
  config_.layout = ScreenLayout::camera_and_panorama;
  const auto views = make_pool(320, 180, true), panoramas = make_pool(900, 300, true);
  auto display = make_display(*views, panoramas.get());
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  show(*display, {bars(*views), bars(*panoramas)});
  const auto screen = grab_screen(display->screen()->fd());
  const auto& places = display->screen()->places();
  EXPECT_EQ(places.view, (ScreenRectangle{36, 0, 568, 320}));
  EXPECT_EQ(places.panorama, (ScreenRectangle{80, 320, 480, 160}));
  expect_bars(screen, places.view);
  expect_bars(screen, places.panorama);
  EXPECT_EQ(screen.at(10, 100) & 0xffffff, 0u);
}

TEST_F(KmsGuest, ShowsBothOnPlanesWhereTheyFitAsTheyAre) {
  config_.layout = ScreenLayout::camera_and_panorama;
  const auto views = make_pool(568, 320, true), panoramas = make_pool(480, 160, true);
  auto display = make_display(*views, panoramas.get());
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  EXPECT_EQ(display->screen()->door(), kms::Screen::Door::planes) << display->description();
  show(*display, {bars(*views), bars(*panoramas)});
  const auto screen = grab_screen(display->screen()->fd());
  expect_bars(screen, display->screen()->places().view);
  expect_bars(screen, display->screen()->places().panorama);
}

TEST_F(KmsGuest, ASlateIsLegibleOnEitherDoorAndGoesAway) {
  for (const bool shared : {true, false}) {
    SCOPED_TRACE(shared);
    const auto views = make_pool(320, 180, shared);  // narrower than the screen: with borders
    auto display = make_display(*views);
    ASSERT_EQ(display->open(), Status::ok) << display->problem();
    ASSERT_EQ(display->prepare_slate("no signal"), Status::ok);
    ASSERT_EQ(display->flip(), Status::ok) << display->problem();
    Flip flip;
    ASSERT_EQ(display->wait_flip(clock::now_ns() + clock::kSecond_ns, flip), Status::ok);
    const auto slate = grab_screen(display->screen()->fd());
    int ink = 0;
    for (const std::uint32_t p : slate.pixels) ink += (p & 0xffffff) == 0xd8d8d8;
    EXPECT_GT(ink, 2000);
    EXPECT_LT(ink, kWidth * kHeight / 4);
    show(*display, {bars(*views), {}});
    const auto screen = grab_screen(display->screen()->fd());
    expect_bars(screen, display->screen()->places().view);
    EXPECT_EQ(screen.at(kWidth / 2, 4) & 0xffffff, 0u);
  }
}

// Fifty flips of pictures that change: one at each vertical blank, by the kernel's time stamps.
TEST_F(KmsGuest, FlipsPaceTheOutput) {
  const auto views = make_pool(kWidth, kHeight, true);
  auto display = make_display(*views);
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  std::int64_t last_ns = 0, grown = 0;
  for (int i = 0; i < 50; ++i) {
    const Flip flip = show(*display, {views->acquire(), {}});
    EXPECT_LT(std::abs(clock::now_ns() - flip.instant_ns), clock::kSecond_ns);
    if (i > 0) {
      EXPECT_GT(flip.instant_ns, last_ns);
      grown += flip.instant_ns - last_ns;
    }
    last_ns = flip.instant_ns;
  }
  EXPECT_GE(static_cast<double>(grown) / 49, 0.9e9 / display->mode().refresh_hz);
  EXPECT_GE(views->available(), 2u);  // one on the screen, none kept beyond
}

TEST_F(KmsGuest, OneFlipAtATime) {
  const auto views = make_pool(kWidth, kHeight, true);
  auto display = make_display(*views);
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  EXPECT_EQ(display->flip(), Status::again);  // nothing is prepared
  Flip flip;
  EXPECT_EQ(display->wait_flip(clock::now_ns(), flip), Status::again);
  ASSERT_EQ(display->prepare({views->acquire(), {}}), Status::ok);
  ASSERT_EQ(display->flip(), Status::ok);
  ASSERT_EQ(display->prepare({views->acquire(), {}}), Status::ok);
  EXPECT_EQ(display->flip(), Status::again);
  EXPECT_EQ(display->wait_flip(clock::now_ns() + clock::kSecond_ns, flip), Status::ok);
  EXPECT_EQ(display->flip(), Status::ok);
}

// --- faults

void force(const char* status) {
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/drm"))
    if (entry.path().filename().string().ends_with("-Virtual-1") &&
        std::filesystem::exists(entry.path() / "status") &&
        vkms_node().ends_with(entry.path().filename().string().substr(0, 5)))
      std::ofstream(entry.path() / "status") << status;
}

TEST_F(KmsGuest, UnpluggedIsLostAndPluggedComesBack) {
  const auto views = make_pool(kWidth, kHeight, true);
  auto display = make_display(*views);
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  show(*display, {bars(*views), {}});
  EXPECT_EQ(display->watch(), Status::ok);
  force("off");
  Status seen = Status::ok;
  for (int i = 0; i < 20 && seen == Status::ok; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    seen = display->watch();
  }
  EXPECT_EQ(seen, Status::lost);
  EXPECT_EQ(display->problem(), "the display was unplugged, or lost its mode");
  EXPECT_EQ(display->flip(), Status::lost);
  EXPECT_EQ(views->available(), views->capacity());
  EXPECT_EQ(display->open(), Status::lost);
  EXPECT_NE(display->problem().find("Virtual-1 disconnected"), std::string_view::npos)
      << display->problem();
  force("on");
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  show(*display, {bars(*views), {}});
  expect_bars(grab_screen(display->screen()->fd()), {0, 0, kWidth, kHeight});
  force("detect");
}

// As a session manager does it when the console is switched.
TEST_F(KmsGuest, AMasterTakenIsLostUntilItIsGivenBack) {
  const auto views = make_pool(kWidth, kHeight, true);
  auto display = make_display(*views);
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  show(*display, {bars(*views), {}});
  {
    const FileDescriptor other(open(vkms_node().c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(drmDropMaster(display->screen()->fd()), 0);
    ASSERT_EQ(drmSetMaster(other.get()), 0);
    ASSERT_EQ(display->prepare({bars(*views), {}}), Status::ok);
    EXPECT_EQ(display->flip(), Status::lost);
    EXPECT_EQ(display->problem(), "another process has taken the display (DRM master)");
    EXPECT_EQ(display->open(), Status::lost);
    EXPECT_NE(display->problem().find("another process has the display"), std::string_view::npos)
        << display->problem();
  }
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  show(*display, {bars(*views), {}});
}

TEST_F(KmsGuest, WhatIsNotThereIsRefusedWithWhatThereIs) {
  const auto views = make_pool(kWidth, kHeight, true);
  const auto refusal = [&](DisplayConfig config) {
    config_ = std::move(config);
    auto display = make_display(*views);
    EXPECT_EQ(display->open(), Status::lost);
    return std::string(display->problem());
  };
  const auto says = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  says(refusal({"vkms", "auto", "1234x567"}), "Virtual-1: no mode 1234x567; the display offers ");
  says(refusal({"vkms", "auto", "1234x567"}), "1024x768@60.0");
  says(refusal({"vkms", "auto", "640x480@23"}), "no mode 640x480@23");
  says(refusal({"vkms", "auto", "wide"}), "no mode wide");
  says(refusal({"vkms", "HDMI-A-1", "preferred"}), "no display at HDMI-A-1 on vkms");
  says(refusal({"vkms", "HDMI-A-1", "preferred"}), "Virtual-1 connected");
  says(refusal({"/dev/dri/card9", "auto", "preferred"}), "no connected display on /dev/dri/card9");
}

// For tests/hal/display/screendump, which looks at the screen from outside of the guest: bars on a
// driver that has neither NV12 planes nor imports, until it has seen them.
TEST_F(KmsGuest, HoldsAPictureForAScreendump) {
  const char* folder = std::getenv("GANTRY_HOLD");
  if (!folder) GTEST_SKIP() << "GANTRY_HOLD is not set";
  config_ = {"virtio_gpu", "auto", "preferred", ScreenLayout::camera};
  const auto views = make_pool(1280, 720, true);
  auto display = make_display(*views);
  ASSERT_EQ(display->open(), Status::ok) << display->problem();
  EXPECT_EQ(display->screen()->door(), kms::Screen::Door::conversion) << display->description();
  show(*display, {bars(*views), {}});
  show(*display, {bars(*views), {}});
  const std::filesystem::path out(folder);
  std::ofstream(out / "showing") << display->description();
  for (int i = 0; i < 600 && !std::filesystem::exists(out / "seen"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(std::filesystem::exists(out / "seen"));
}

}  // namespace
}  // namespace gantry
