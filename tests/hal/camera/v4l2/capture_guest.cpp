// Real capture from the kernel's test cameras: every format, every door, times, gaps and bad input.
// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include <sys/stat.h>

#include "pipeline/pairer.hpp"
#include "tests/hal/camera/v4l2/vivid.hpp"

namespace gantry {
namespace {

using test::kMultiPlanar;
using test::kSinglePlanar;
using test::refusal;
using CaptureGuest = test::VividTest;

// Luma, Cb and Cr in the middle of each of the eight bars, below the text.
std::vector<int> bars(const Surface& s) {
  std::vector<int> values;
  const int y = s.layout.height * 3 / 4;
  for (int bar = 0; bar < 8; ++bar) {
    const int x = (2 * bar + 1) * s.layout.width / 16 & ~1;
    values.push_back(s.luma()[y * s.layout.pitch + x]);
    values.push_back(s.chroma()[y / 2 * s.layout.pitch + x]);
    values.push_back(s.chroma()[y / 2 * s.layout.pitch + x + 1]);
  }
  return values;
}

// Rec. ITU-R BT.801-1, 75 % bars, in BT.709 limited; black is the last.
const std::vector<int> kBars = {180, 128, 128, 168, 44,  136, 145, 147, 44,  133, 63,  52,
                                63,  193, 204, 51,  109, 212, 28,  212, 120, 16,  128, 128};

void expect_bars(const std::vector<int>& got, bool grey, const std::string& what) {
  for (std::size_t i = 0; i < kBars.size(); ++i) {
    const int want = grey && i % 3 != 0 ? 128 : kBars[i];
    EXPECT_NEAR(got[i], want, 3) << what << ", bar " << i / 3 << ", component " << i % 3;
  }
}

void every_format_of(const char* device, int least) {
  test::Knobs(device).set("show_square", 0);
  std::vector<v4l2::Offer> offers;
  {
    V4l2CameraConfig any = test::VividTest::webcam(device);
    const V4l2Camera camera(test::VividTest::gpu_device(), any);
    offers = v4l2::list_offers(v4l2::Device(device), 640, 360);
  }
  int tried = 0;
  std::string others;
  for (const auto& offer : offers) {
    const auto* pixel = v4l2::find_pixel_format(offer.fourcc);
    if (!pixel) {
      others += " " + v4l2::fourcc_text(offer.fourcc);
      continue;
    }
    auto config = test::VividTest::webcam(device);
    config.format = offer.fourcc == V4L2_PIX_FMT_Y16_BE ? "Y16B" : v4l2::fourcc_text(offer.fourcc);
    SCOPED_TRACE(config.format);
    test::VividTest::Line line(config);
    CameraFrame frame;
    ASSERT_EQ(line.capture(frame), Status::ok) << test::logged();
    expect_bars(bars(*frame.surface), pixel->chroma_columns == 0, config.format);
    ++tried;
  }
  std::printf("%s: %d formats; not known here:%s\n", device, tried, others.c_str());
  EXPECT_GE(tried, least);
}

TEST_F(CaptureGuest, EveryFormatOfTheSinglePlanarOneShowsTheBars) {
  every_format_of(kSinglePlanar, 25);
}

TEST_F(CaptureGuest, EveryFormatOfTheMultiPlanarOneShowsTheBars) {
  every_format_of(kMultiPlanar, 30);
}

TEST_F(CaptureGuest, Nv12GoesStraightIntoTheSurfaceAndTheDoorIsTold) {
  struct Case {
    V4l2CameraConfig config;
    const char* door;
  };
  std::vector<Case> cases = {
      {hdmi(), "the device writes into the surface, a DMA-buf of /dev/dma_heap/system"},
      {hdmi(kMultiPlanar), "the device writes into the surface, a DMA-buf of /dev/dma_heap/system"},
      {hdmi(), "the device writes into the surface, by its address"},
      {hdmi(kMultiPlanar), "the device writes into the surface, by its address"},
      {hdmi(), "the device writes into the surface, a DMA-buf of /dev/dri/card0"},
      {hdmi(), "the surface lies in the device's own memory, exported as a DMA-buf"},
      {hdmi(kMultiPlanar), "the surface lies in the device's own memory, exported as a DMA-buf"},
      {webcam(), "converted by one kernel: its colours are not the rig's"},
      {hdmi(), "converted by one kernel: its format is not NV12"}};
  cases[2].config.heap = "plain";
  cases[3].config.format = "NM12";
  cases[4].config.heap = "/dev/dri/card0";
  cases[5].config.heap = cases[6].config.heap = "export";
  cases.back().config.format = "UYVY";
  for (auto& c : cases) {
    SCOPED_TRACE(std::string(c.config.device) + " " + c.config.format + " " + c.config.heap);
    Line line(c.config);
    EXPECT_EQ(line.camera->door_text(), c.door);
    CameraFrame frame;
    for (int i = 0; i < 6; ++i) ASSERT_EQ(line.capture(frame), Status::ok) << test::logged();
    expect_bars(bars(*frame.surface), false, c.door);
    const bool converted = std::string(c.door).starts_with("converted");
    EXPECT_EQ(frame.host_bytes_written,
              converted ? static_cast<unsigned>(c.config.width * c.config.height * 3 / 2) : 0u);
  }
}

TEST_F(CaptureGuest, TheRigMayBeTrustedAgainstTheDriver) {
  auto config = webcam();
  config.trust_rig = true;
  Line line(config);
  EXPECT_TRUE(line.camera->door_text().starts_with("the device writes"))
      << line.camera->door_text();
}

TEST_F(CaptureGuest, OddFormatsComeThroughLibv4l2) {
  auto config = webcam();
  config.format = "libv4l2";
  Line line(config);
  CameraFrame frame;
  for (int i = 0; i < 6; ++i) ASSERT_EQ(line.capture(frame), Status::ok) << test::logged();
  expect_bars(bars(*frame.surface), false, "libv4l2");
  EXPECT_TRUE(line.camera->door_text().starts_with("converted")) << line.camera->door_text();
}

// vivid gives a picture away when its exposure begins and then stamps it with that instant, or with
// the end of the picture, which is still to come.
TEST_F(CaptureGuest, TimesAreTheKernelsAndTheSequenceHasNoGaps) {
  Line line(webcam());
  const test::Knobs knobs(kSinglePlanar);
  ASSERT_TRUE(knobs.set("timestamp_source", 1));  // the start of the exposure
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  std::int64_t last_ns = frame.capture_ns;
  std::uint64_t last = frame.sequence;
  const std::int64_t first_ns = last_ns;
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(line.capture(frame), Status::ok);
    EXPECT_GT(frame.capture_ns, last_ns);
    EXPECT_LE(frame.capture_ns, clock::now_ns());
    EXPECT_GT(frame.sequence, last);
    last_ns = frame.capture_ns, last = frame.sequence;
  }
  knobs.set("timestamp_source", 0);
  // So many intervals of a fortieth of a second, whatever was lost under load.
  EXPECT_NEAR(1e-9 * static_cast<double>(last_ns - first_ns), static_cast<double>(last) / 40.0,
              0.04);
}

TEST_F(CaptureGuest, AnOffsetIsAddedToTheKernelsStamps) {
  auto config = webcam();
  config.time_offset_s = -0.25;
  Line early(config);
  ASSERT_TRUE(test::Knobs(kSinglePlanar).set("timestamp_source", 1));
  CameraFrame frame;
  ASSERT_EQ(early.capture(frame), Status::ok);
  EXPECT_LT(frame.capture_ns, clock::now_ns() - 240 * clock::kMillisecond_ns);
}

TEST_F(CaptureGuest, HalfOfThePicturesDroppedAreCountedAsGaps) {
  Line line(webcam());
  const test::Knobs knobs(kSinglePlanar);
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  ASSERT_TRUE(knobs.set("percentage_of_dropped_buffers", 50));
  SequenceGaps gaps;
  std::uint64_t first = 0, last = 0, captured = 0;
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(line.capture(frame), Status::ok);
    if (i == 0) first = frame.sequence;
    gaps.see(frame.sequence);
    captured += i == 0 || frame.sequence != last;  // vivid repeats numbers when it was held up
    last = frame.sequence;
  }
  knobs.set("percentage_of_dropped_buffers", 0);
  EXPECT_EQ(captured + gaps.missing(), frame.sequence - first + 1);
  EXPECT_GT(gaps.missing(), 15u);
  EXPECT_LT(gaps.missing(), 90u);
}

// What consumers keep is not written again; what they give back is.
TEST_F(CaptureGuest, AnEmptyPoolCostsPicturesThatAreSeenAsGapsAndNothingElse) {
  for (const auto& config : by_each_door()) {
    SCOPED_TRACE(config.format + " " + config.heap);
    Line line(config, 6);
    std::vector<CameraFrame> kept(4);
    std::uint64_t first = 0, last = 0;
    for (auto& frame : kept) {
      ASSERT_EQ(line.camera->capture(*line.pool, frame), Status::ok);
      ASSERT_EQ(gpu::wait(frame.ready), Status::ok);
    }
    first = kept.front().sequence;
    const auto bytes = kept.front().surface->luma();
    const std::vector<std::uint8_t> before(bytes, bytes + kept.front().surface->layout.bytes());
    for (int i = 0; i < 10; ++i) {
      CameraFrame frame;
      ASSERT_EQ(line.capture(frame), Status::ok);
      last = frame.sequence;
    }
    EXPECT_TRUE(std::equal(before.begin(), before.end(), bytes)) << "a kept picture was written";
    EXPECT_GE(last, first + 13);
  }
}

// The exported memory outlives the stream that it was of; what comes back moves into the next one's.
TEST_F(CaptureGuest, ExportedPicturesOutliveTheirStreamAndEverySurfaceServesTheNext) {
  auto config = hdmi();
  config.heap = "export";
  Line line(config, 6);
  std::vector<CameraFrame> kept(2);
  for (auto& frame : kept) ASSERT_EQ(line.camera->capture(*line.pool, frame), Status::ok);
  const auto* luma = kept.front().surface->luma();
  const std::vector<std::uint8_t> before(luma, luma + kept.front().surface->layout.bytes());
  ASSERT_TRUE(test::Knobs(kSinglePlanar).set("disconnect", 1));
  CameraFrame frame;
  ASSERT_EQ(line.until_trouble(frame), Status::lost);
  ASSERT_TRUE(line.recovers(frame)) << test::logged();
  for (int i = 0; i < 12; ++i) ASSERT_EQ(line.capture(frame), Status::ok);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), luma)) << "a kept picture was written";
  kept.clear();
  frame.surface.reset();
  std::vector<CameraFrame> next(6 - 2);  // two stay with the device
  for (auto& n : next) ASSERT_EQ(line.camera->capture(*line.pool, n), Status::ok);
  std::set<std::uint32_t> used;
  for (int i = 0; i < 24; ++i) {
    next[i % 4].surface.reset();
    ASSERT_EQ(line.camera->capture(*line.pool, next[i % 4]), Status::ok);
    expect_bars(bars(*next[i % 4].surface), false, "after the loss");
    used.insert(next[i % 4].surface.index());
  }
  EXPECT_EQ(used.size(), 6u);
}

// A camera whose memory must be in one piece, as of many boards: what others give it is not.
TEST_F(CaptureGuest, WhereTheDeviceTakesNoMemoryOfOthersItsOwnIsTaken) {
  std::ifstream allocators("/sys/module/vivid/parameters/allocators");
  int first = 0;
  allocators >> first;
  if (first != 1) GTEST_SKIP() << "needs a guest with vivid.allocators=1,1 (guest.contiguous)";
  for (const char* heap : {"auto", "auto", "plain", "plain"}) {
    SCOPED_TRACE(heap);
    auto config = hdmi();
    config.heap = heap;
    Line line(config);
    CameraFrame frame;
    // The block of the trial may be in one piece by chance.
    ASSERT_TRUE(line.recovers(frame)) << test::logged();
    for (int i = 0; i < 6; ++i) ASSERT_EQ(line.capture(frame), Status::ok) << test::logged();
    expect_bars(bars(*frame.surface), false, heap);
    const bool exported = std::string(heap) == "auto";
    EXPECT_TRUE(line.camera->door_text().starts_with(exported ? "the surface lies" : "converted"))
        << line.camera->door_text();
  }
}

TEST_F(CaptureGuest, StopWakesAWaitingCapture) {
  Line line(webcam());
  const test::Knobs knobs(kSinglePlanar);
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  knobs.set("percentage_of_dropped_buffers", 100);
  const auto start = clock::now_ns();
  std::thread other([&] {
    clock::sleep_until_ns(start + 200 * clock::kMillisecond_ns);
    line.camera->stop();
  });
  const Status status = line.until_trouble(frame);
  other.join();
  knobs.set("percentage_of_dropped_buffers", 0);
  EXPECT_EQ(status, Status::end);
  EXPECT_LT(clock::now_ns() - start, 900 * clock::kMillisecond_ns);
}

TEST_F(CaptureGuest, ControlsAreSetAndRefusedWithTheirRange) {
  auto config = webcam();
  config.controls.gain = 200;
  config.controls.others = {{"brightness", 77}};
  const V4l2Camera camera(gpu_device(), config);
  std::map<std::string, std::int64_t> values;
  for (const auto& c : v4l2::list_controls(v4l2::Device(kSinglePlanar))) values[c.name] = c.value;
  EXPECT_EQ(values.at("gain"), 200);
  EXPECT_EQ(values.at("gain_automatic"), 0);
  EXPECT_EQ(values.at("brightness"), 77);
  config.controls.others = {{"brightness", 5000}};
  const auto range = refusal([&] { V4l2Camera(gpu_device(), config); });
  EXPECT_NE(range.find("brightness = 5000 is refused"), std::string::npos) << range;
  EXPECT_NE(range.find("it takes 0 to 255"), std::string::npos) << range;
  config.controls.others = {{"no_such", 1}};
  const auto missing = refusal([&] { V4l2Camera(gpu_device(), config); });
  EXPECT_NE(missing.find("no_such: has no control for it; it has "), std::string::npos) << missing;
  config.controls.others.clear();
  config.controls.role = v4l2::ControlsConfig::Role::slave;
  const auto wire = refusal([&] { V4l2Camera(gpu_device(), config); });
  EXPECT_NE(wire.find("synchronisation: has no control for it"), std::string::npos) << wire;
}

TEST_F(CaptureGuest, BadInputIsOneLineEach) {
  const auto expect = [&](const V4l2CameraConfig& config, const std::string& part) {
    const auto text = refusal([&] { V4l2Camera(gpu_device(), config); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_TRUE(text.starts_with("camera left: ") || text.starts_with("heap ")) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  };
  auto c = webcam();
  c.device = "usb-nowhere";
  expect(c, "usb-nowhere: no camera is plugged in there; there are: ");
  c.device = "/dev/video99";
  expect(c, "/dev/video99: there is no such device");
  c.device = "/dev/null";
  expect(c, "/dev/null: is no V4L2 device");
  c = webcam();
  c.format = "P010";
  expect(c, "does not offer P010; it offers ");
  c = webcam();
  c.frames_per_second = 200;
  expect(c, "does not offer 640x360 at 200 frames a second; it offers ");
  c = webcam();
  c.width = 642;
  expect(c, "does not offer 642x360");
  c = webcam();
  c.input = 7;
  expect(c, "has no input 7");
  c = webcam();
  c.heap = "cma";
  expect(c, "heap cma: this machine has none; it has: ");
}

TEST_F(CaptureGuest, ABusyDeviceIsSaidToBeBusy) {
  Line first(webcam());
  CameraFrame frame;
  ASSERT_EQ(first.capture(frame), Status::ok);
  const auto text = refusal([&] { V4l2Camera(gpu_device(), webcam()); });
  EXPECT_NE(text.find("is busy: another program streams from it"), std::string::npos) << text;
  ASSERT_EQ(first.capture(frame), Status::ok) << "the first is not disturbed";
}

TEST_F(CaptureGuest, WithoutPermissionThatIsSaidAndItMayComeLater) {
  const std::string node = v4l2::find_node(kSinglePlanar);
  struct stat before {};
  stat(node.c_str(), &before);
  chmod(node.c_str(), 0600);
  auto config = webcam();
  config.device = node;
  ASSERT_EQ(seteuid(65534), 0);
  const auto text = refusal([&] { V4l2Camera(gpu_device(), config); });
  config.may_be_missing = true;
  auto line = std::make_unique<Line>(config);
  CameraFrame frame;
  EXPECT_EQ(line->capture(frame), Status::lost);
  EXPECT_EQ(line->capture(frame), Status::lost);
  ASSERT_EQ(seteuid(0), 0);
  chmod(node.c_str(), before.st_mode);
  EXPECT_NE(text.find(node + ": cannot be opened: Permission denied"), std::string::npos) << text;
  const auto lines = test::logged();
  const auto said = lines.find("cannot be opened");
  EXPECT_NE(said, std::string::npos) << lines;
  EXPECT_EQ(lines.find("cannot be opened", said + 1), std::string::npos) << "said twice: " << lines;
  EXPECT_EQ(line->capture(frame), Status::ok) << test::logged();
}

}  // namespace
}  // namespace gantry
