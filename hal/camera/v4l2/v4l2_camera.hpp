// A camera of the kernel's: V4L2, single- or multi-planar.
//
// Pictures reach the surface by one of five doors, the first that fits:
//   import   NV12 as the surface lies: the device writes into the surface, by its DMA-buf
//   user     the same by the surface's address
//   export   NV12 as the surface lies, of a device that writes into its own memory alone: the
//            surface moves into that, by a DMA-buf of the device's
//   convert  one kernel reads the device's own buffers and writes the surface
//   decode   Motion JPEG: libavcodec writes the surface
//
// The configuration is const; what the device gave (the session, its stream and buffers) is made
// again by capture() after it was lost. See camera.hpp for the contract of every call.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hal/camera/camera.hpp"
#include "hal/camera/v4l2/converter.hpp"
#include "hal/camera/v4l2/jpeg_decoder.hpp"
#include "hal/camera/v4l2/session.hpp"
#include "hal/camera/v4l2/shared_exposure.hpp"
#include "hal/camera/v4l2/stream.hpp"

namespace gantry {

struct V4l2CameraConfig {
  std::string name;           // in log lines and the report
  std::string device;         // its bus path as the doctor prints it, or a path under /dev
  int input = -1;             // −1: as it is
  int width = 0, height = 0;  // luma pixels, even, at least 16
  double frames_per_second = 30;
  std::string format = "auto";  // or four characters, or "libv4l2"
  // Of the surfaces: "auto", a name that open_heap() takes, or "export": the device's own memory.
  std::string heap = "auto";
  bool trust_rig = false;       // pixels are as the rig says, whatever the driver says
  bool may_be_missing = false;  // set-up goes on without it; capture() looks for it
  double time_offset_s = 0;     // added to the kernel's time stamps
  ColourMatrix matrix = ColourMatrix::bt709;  // of the surfaces
  ColourRange range = ColourRange::limited;
  v4l2::ControlsConfig controls;
  // Null: each camera for itself. Else this camera decides, or takes what another has decided.
  std::shared_ptr<v4l2::SharedExposure> exposure;
  bool decides_exposure = false;
};

// capture_ns is the kernel's time stamp, taken to the middle of the exposure where the time of
// exposure is fixed (`controls.shutter_s`): stamps at its start get half of it added, stamps at the
// end of the picture get half of it subtracted. What else lies between, read-out above all, is
// `time_offset_s`.
class V4l2Camera final : public Camera {
 public:
  // Opens the device and agrees on a format. Throws std::runtime_error, one line: the camera, the
  // node, what is wrong and what would be right.
  V4l2Camera(gpu::Device& device, V4l2CameraConfig config);
  ~V4l2Camera() override;

  const std::string& name() const override { return config_.name; }
  CameraFormat format() const override {
    return {config_.width, config_.height, config_.frames_per_second};
  }
  Heap* surface_heap() override { return heap_.get(); }
  // Of a camera that was not there yet: what most formats take, two bytes a pixel.
  OwnBuffers own_buffers() const override;

  Status rehearse(const Surface& surface) override;
  // As Camera::capture(). `lost` after an error of the device, a change of its signal, or silence;
  // the next call opens it again. Pictures that the device marks as damaged are left out, and seen
  // as a gap. The thread allocates only while it opens the device, and while surfaces that were in
  // use at that moment move into the device's memory.
  Status capture(SurfacePool& pool, CameraFrame& out) noexcept override;
  void stop() noexcept override;

  // Which door pictures take, and why; for the log. Empty while the device was never there.
  const std::string& door_text() const { return door_text_; }

 private:
  enum class Door : std::uint8_t { import, user, exported, convert, decode };
  enum class Wake : std::uint8_t { picture, nothing, stopped, lost };

  v4l2::SessionConfig session_config() const;
  void prepare();
  v4l2::Format agreed(v4l2::Format format) const;
  Door choose_door();
  Door choose_direct_door();
  bool choose_export();
  void fall_back();
  void make_converter();
  bool accepts(Heap& heap, v4l2::Memory memory) const;
  bool exports() const;
  bool choose_heap();
  bool works_in(const HeapBlock& block) const;
  bool open(SurfacePool& pool) noexcept;
  void start(SurfacePool& pool);
  void show_buffers_to_kernels();
  void move_free_surfaces(SurfacePool& pool);
  int home_of(Surface& surface);
  void close() noexcept;
  int blame_door(int error) noexcept;
  Status lose(const char* what, int error) noexcept;
  void tell(const std::string& cause) noexcept;

  Wake wait() noexcept;
  int feed(SurfacePool& pool) noexcept;
  unsigned number_of(const SurfaceRef& surface) const noexcept;
  int recycle() noexcept;
  Status take_direct(const v4l2::Dequeued& picture, CameraFrame& out) noexcept;
  Status take_copied(const v4l2::Dequeued& picture, SurfacePool& pool, CameraFrame& out) noexcept;
  void stamp(const v4l2::Dequeued& picture, CameraFrame& out) noexcept;
  void share_exposure() noexcept;
  bool direct() const { return door_ < Door::convert; }

  const V4l2CameraConfig config_;
  gpu::Device& device_;
  cl::CommandQueue queue_;
  int stop_event_ = -1;
  std::atomic<bool> stopped_{false};

  // Agreed when the device was first there, and kept.
  std::optional<v4l2::Format> format_;
  Door door_ = Door::convert;
  std::string door_text_;
  bool door_unfit_ = false;  // the device takes some of the surfaces, not all
  std::unique_ptr<Heap> heap_;
  std::optional<v4l2::Converter> converter_;
  std::unique_ptr<v4l2::JpegDecoder> decoder_;

  // What goes with the device. The stream after what its buffers are used by.
  struct Slot {
    SurfaceRef surface;                                 // direct doors: what the device writes into
    HostAccess access;                                  // and the host's turn at it
    const std::byte* home = nullptr;                    // export: where the buffer is mapped
    std::array<HeapBlock, v4l2::kMostPlanes> block;     // convert: for a GPU that imports
    std::array<gpu::Memory, v4l2::kMostPlanes> memory;  // convert: the device's buffer, for kernels
    cl::Event read;                                     // convert: the kernel is done with it
    bool waits = false;                                 // for `read`, to be queued again
  };
  std::unique_ptr<v4l2::Session> session_;
  std::unique_ptr<v4l2::Stream> stream_;
  std::array<Slot, v4l2::kMostBuffers> slots_;
  unsigned homes_ = 0;                // export: buffers that surfaces have moved into
  std::vector<SurfaceRef> homeless_;  // export: beyond the buffers that the device gave
  std::int64_t silent_since_ns_ = 0, exposure_shared_ns_ = 0;
  bool first_picture_ = true;  // of this stream
  std::uint32_t last_sequence_ = 0;

  std::uint64_t sequence_ = 0;  // of the next picture if none is missing
  std::string told_;            // the cause that was logged last
  bool told_clock_ = false;
};

}  // namespace gantry
