// What cameras suffer: refused calls, streams that die, silence, a signal that goes or changes,
// unplugging. Each is one `lost`, one line, and gone at a later capture().
// SPDX-License-Identifier: Apache-2.0
#include <cstdarg>
#include <cstdlib>
#include <filesystem>

#include <sys/syscall.h>

#include "tests/hal/camera/v4l2/vivid.hpp"

namespace {
int buffers_taken = -1;  // of others' memory, before the device refuses; -1: as it likes
bool exports = true;
}  // namespace

// In place of the C library's: a device that can reach some of the memory that it is given.
extern "C" int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (request == VIDIOC_EXPBUF && !exports) {
    errno = ENOTTY;
    return -1;
  }
  if (request == VIDIOC_QBUF && buffers_taken >= 0 &&
      static_cast<v4l2_buffer*>(argument)->memory != V4L2_MEMORY_MMAP && buffers_taken-- == 0) {
    buffers_taken = 0;
    errno = EFAULT;
    return -1;
  }
  return static_cast<int>(syscall(SYS_ioctl, fd, request, argument));
}

namespace gantry {
namespace {

using test::kSinglePlanar;
using FaultsGuest = test::VividTest;

int open_descriptors() {
  const auto folder = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<int>(std::distance(begin(folder), end(folder)));
}

// Of each fault; twenty in the long form.
int rounds(int few) {
  return std::getenv("GANTRY_LONG") ? 20 : few;
}

int lines_with(const std::string& text, const std::string& part) {
  int count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

struct Fault {
  const char* knob;
  const char* line;  // a part of the one that is logged
  friend void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.knob; }
};

class InjectedGuest : public FaultsGuest, public testing::WithParamInterface<Fault> {};

// Twenty times over, at each kind of door; nothing stays open.
TEST_P(InjectedGuest, IsLostOnceSaidOnceAndComesBack) {
  for (const auto& config : by_each_door()) {
    SCOPED_TRACE(config.format + " " + config.heap);
    Line line(config);
    CameraFrame frame;
    ASSERT_EQ(line.capture(frame), Status::ok);
    const int open = open_descriptors();
    std::uint64_t last = frame.sequence;
    for (int round = 0; round < rounds(10); ++round) {
      {
        const test::Knobs knobs(kSinglePlanar);
        // Calls that are made at opening alone fail at the opening that a dead stream leads to.
        if (std::string(GetParam().knob) != "inject_fatal_streaming_error") {
          ASSERT_TRUE(knobs.set("inject_fatal_streaming_error", 1));
        }
        ASSERT_TRUE(knobs.set(GetParam().knob, 1));
      }
      test::logged();
      ASSERT_EQ(line.until_trouble(frame), Status::lost);
      ASSERT_TRUE(line.recovers(frame)) << test::logged();
      EXPECT_GT(frame.sequence, last) << "counts on";
      last = frame.sequence;
      const auto text = test::logged();
      EXPECT_EQ(lines_with(text, GetParam().line), 1) << text;
    }
    EXPECT_EQ(open_descriptors(), open);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Faults, InjectedGuest,
    testing::Values(Fault{"inject_fatal_streaming_error", "Input/output error"},
                    Fault{"inject_vidioc_streamon_error", "does not start"},
                    Fault{"inject_vidioc_reqbufs_error", "gives no buffers"},
                    Fault{"inject_vidioc_qbuf_error", "does not take its buffers"}),
    [](const auto& one) { return std::string(one.param.knob).substr(7); });

TEST_F(FaultsGuest, DamagedPicturesAreLeftOutAndSeenAsGaps) {
  Line line(hdmi());
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  const std::uint64_t before = frame.sequence;
  ASSERT_TRUE(test::Knobs(kSinglePlanar).set("inject_v4l2_buf_flag_error", 1));
  for (int i = 0; i < 5; ++i) ASSERT_EQ(line.capture(frame), Status::ok);
  EXPECT_GT(frame.sequence, before + 5);
}

TEST_F(FaultsGuest, UnpluggedWhileStreamingItComesBack) {
  Line line(hdmi());
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  for (int round = 0; round < rounds(10); ++round) {
    ASSERT_TRUE(test::Knobs(kSinglePlanar).set("disconnect", 1));
    test::logged();
    ASSERT_EQ(line.until_trouble(frame), Status::lost);
    const auto text = test::logged();
    EXPECT_EQ(lines_with(text, "No such device"), 1) << text;
    ASSERT_TRUE(line.recovers(frame)) << test::logged();
  }
}

TEST_F(FaultsGuest, SilenceIsALossWithinOneAndAHalfSeconds) {
  Line line(webcam());
  const test::Knobs knobs(kSinglePlanar);
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  ASSERT_TRUE(knobs.set("percentage_of_dropped_buffers", 100));
  const auto start = clock::now_ns();
  EXPECT_EQ(line.until_trouble(frame), Status::lost);
  EXPECT_LT(clock::now_ns() - start, 1500 * clock::kMillisecond_ns);
  EXPECT_EQ(lines_with(test::logged(), "no picture any more"), 1);
  knobs.set("percentage_of_dropped_buffers", 0);
  EXPECT_TRUE(line.recovers(frame));
}

// As where memory must be in one piece, and some is by chance.
TEST_F(FaultsGuest, ADeviceThatTakesSomeSurfacesAloneIsServedAnotherWay) {
  for (const auto& [heap, door] : {std::pair{"auto", "the surface lies"}, {"plain", "converted"}}) {
    for (const int taken : {0, 2, 9}) {
      SCOPED_TRACE(std::string(heap) + " " + std::to_string(taken));
      auto config = hdmi();
      config.heap = heap;
      Line line(config);
      EXPECT_TRUE(line.camera->door_text().starts_with("the device writes"));
      test::logged();
      buffers_taken = taken;
      CameraFrame frame;
      EXPECT_EQ(line.until_trouble(frame), Status::lost);
      EXPECT_TRUE(line.recovers(frame)) << test::logged();
      EXPECT_TRUE(line.camera->door_text().starts_with(door)) << line.camera->door_text();
      for (int i = 0; i < 30; ++i) EXPECT_EQ(line.capture(frame), Status::ok);
      buffers_taken = -1;
      const auto text = test::logged();
      EXPECT_EQ(lines_with(text, "Bad address"), 1) << text;
    }
  }
}

TEST_F(FaultsGuest, AHeapThatWasAskedForAndDoesNotServeIsRefused) {
  auto config = hdmi();
  for (const char* heap : {"system", "export"}) {
    config.heap = heap;
    buffers_taken = 0;
    exports = false;
    const auto text = test::refusal([&] { V4l2Camera(gpu_device(), config); });
    buffers_taken = -1;
    exports = true;
    EXPECT_TRUE(text.starts_with("camera left: /dev/video")) << text;
    EXPECT_NE(text.find(std::string(heap) == "system"
                            ? "cannot both work in memory of /dev/dma_heap/system"
                            : "exports no memory that the kernels can work in"),
              std::string::npos)
        << text;
  }
}

TEST_F(FaultsGuest, AThreadThatWasHeldUpTakesWhatCameMeanwhile) {
  Line line(webcam());
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  clock::sleep_until_ns(clock::now_ns() + 3 * clock::kSecond_ns);
  EXPECT_EQ(line.capture(frame), Status::ok) << test::logged();
}

TEST_F(FaultsGuest, ASignalThatGoesIsSaidAndAwaited) {
  Line line(hdmi());
  const test::Knobs knobs(kSinglePlanar);
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  for (int round = 0; round < rounds(5); ++round) {
    test::logged();
    ASSERT_TRUE(knobs.set("dv_timings_signal_mode", 1));  // no signal
    ASSERT_EQ(line.until_trouble(frame), Status::lost);
    EXPECT_EQ(line.capture(frame), Status::lost);
    EXPECT_EQ(line.capture(frame), Status::lost);
    const auto text = test::logged();
    EXPECT_EQ(lines_with(text, "no signal"), 1) << text;
    ASSERT_TRUE(knobs.set("dv_timings_signal_mode", 0));  // what is set
    ASSERT_TRUE(line.recovers(frame)) << test::logged();
  }
}

TEST_F(FaultsGuest, ASignalOfAnotherSizeIsLostAndTheRightOneTakenAgain) {
  Line line(hdmi());
  const test::Knobs knobs(kSinglePlanar);
  CameraFrame frame;
  ASSERT_EQ(line.capture(frame), Status::ok);
  ASSERT_TRUE(knobs.set("dv_timings_signal_mode", 4));  // what the control "dv_timings" selects
  knobs.set("dv_timings", 14);                          // 1920x1080p50
  ASSERT_EQ(line.until_trouble(frame), Status::lost);
  EXPECT_EQ(line.capture(frame), Status::lost);
  const auto text = test::logged();
  EXPECT_NE(text.find("the signal is 1920x1080 at 50.00 frames a second; 1280x720 at 60 is "
                      "configured"),
            std::string::npos)
      << text;
  ASSERT_TRUE(knobs.set("dv_timings_signal_mode", 0));
  EXPECT_TRUE(line.recovers(frame)) << test::logged();
}

}  // namespace
}  // namespace gantry
