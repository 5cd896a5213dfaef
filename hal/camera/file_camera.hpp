// A camera that plays a file: a video, an image sequence or a still picture, decoded by FFmpeg.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "hal/camera/camera.hpp"
#include "hal/camera/file_info.hpp"

namespace gantry {

struct FileCameraConfig {
  std::string name;  // in log lines and the report
  std::string path;  // anything FFmpeg reads; match%05d.png is an image sequence
  // Real time: a picture comes when its instant has come; one that finds no free surface is
  // dropped. Otherwise as fast as surfaces get free, and none is dropped.
  bool real_time = true;
  bool loop = false;               // time goes on growing
  int threads = 1;                 // of the decoder
  double pictures_per_second = 0;  // of files without a rate (pictures, raw streams); 0: 25
  ColourMatrix matrix = ColourMatrix::bt709;  // that the surfaces shall have
  ColourRange range = ColourRange::limited;
  // Uploads to the surface's device memory; needed where kernels do not work in host memory. Must
  // outlive the camera. Null: the surface's host bytes are all there is.
  const cl::CommandQueue* upload_queue = nullptr;
};

// What happened so far; read by the camera's thread, or any after the last capture().
struct FileCameraCounts {
  std::uint64_t pictures = 0;  // that the file gave, dropped ones included
  std::uint64_t dropped = 0;
  std::uint64_t damaged = 0;      // packets that could not be decoded
  std::uint64_t stamp_jumps = 0;  // time stamps that went back or leapt, and were replaced
  std::uint64_t late = 0;         // real time: came later than half a frame after their instant
  std::uint64_t loops = 0;
};

// capture_ns of a picture is the start instant plus its time stamp, counted from the file's first.
class FileCamera final : public Camera {
 public:
  // Opens the file and decodes its first picture. Throws std::runtime_error naming the file, what
  // is wrong (missing, empty, cut short, no video, odd size …) and what would be right.
  explicit FileCamera(FileCameraConfig config);
  ~FileCamera() override;

  // When the first picture was taken, CLOCK_MONOTONIC; the same for all cameras of a rig. Before
  // the first capture(), which otherwise takes the instant of its call.
  void start_at(std::int64_t start_ns) override { start_ns_ = start_ns; }

  const std::string& name() const override { return config_.name; }
  CameraFormat format() const override { return info_.format; }
  const FileInfo& info() const { return info_; }
  FileCameraCounts counts() const;

  // As Camera::capture(); a damaged file answers `end` where nothing more can be decoded. Its
  // thread allocates inside libavcodec.
  Status capture(SurfacePool& pool, CameraFrame& out) noexcept override;
  void stop() noexcept override;

 private:
  Status fetch() noexcept;
  Status finish(const char* cause) noexcept;
  SurfaceRef take_surface(SurfacePool& pool) noexcept;
  Status fill(CameraFrame& out) noexcept;
  void note_lateness(std::int64_t due_ns) noexcept;
  bool sleep_until(std::int64_t instant_ns) noexcept;

  struct Decoding;  // FFmpeg's part
  FileCameraConfig config_;
  std::unique_ptr<Decoding> decoding_;
  FileInfo info_;
  std::optional<std::int64_t> start_ns_;
  std::int64_t instant_ns_ = 0;  // of the picture that waits, after start
  bool waiting_ = false;         // a decoded picture was not handed out yet
  bool ended_ = false;
  bool told_late_ = false;
  FileCameraCounts counts_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace gantry
