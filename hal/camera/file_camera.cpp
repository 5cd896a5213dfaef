// Pacing, looping and hand-over of a file's pictures.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/file_camera.hpp"

#include <chrono>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "hal/camera/file_reader.hpp"
#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"
#include "hal/media/nv12_converter.hpp"

namespace gantry {
namespace {

constexpr std::int64_t kPoolPoll_ns = clock::kMillisecond_ns / 2;
constexpr std::int64_t kTellLate_ns = clock::kSecond_ns / 2;

void refuse_odd_size(const std::string& path, const CameraFormat& f) {
  if (f.width % 2 == 0 && f.height % 2 == 0 && f.width > 0 && f.height > 0) {
    nv12_layout(f.width, f.height);  // refuses what is too large
    return;
  }
  throw std::runtime_error(fmt::format(
      "{}: {}x{} pixels; a camera's width and height must be even. Crop it: ffmpeg -i IN -vf "
      "crop={}:{}:0:0 OUT.mkv (or scale it: -vf scale={}:{})",
      path, f.width, f.height, f.width / 2 * 2, f.height / 2 * 2, (f.width + 1) / 2 * 2,
      (f.height + 1) / 2 * 2));
}

std::int64_t interval_ns(double frames_per_second) {
  return std::llround(1e9 / frames_per_second);
}

}  // namespace

FileInfo probe_file(const std::string& path) {
  const FileReader reader(path, 1, 0);
  refuse_odd_size(path, reader.info().format);
  return reader.info();
}

struct FileCamera::Decoding {
  explicit Decoding(const FileCameraConfig& c)
      : reader(c.path, c.threads, c.pictures_per_second),
        timeline(interval_ns(reader.info().format.frames_per_second)),
        converter(c.matrix, c.range) {}
  FileReader reader;
  FileTimeline timeline;
  av::Nv12Converter converter;
};

FileCamera::FileCamera(FileCameraConfig config)
    : config_(std::move(config)),
      decoding_(std::make_unique<Decoding>(config_)),
      info_(decoding_->reader.info()) {
  refuse_odd_size(config_.path, info_.format);
  log::info("camera {}: {} ({} {}x{} {}, {:.3f} fps, {:.1f} s)", config_.name, config_.path,
            info_.codec, info_.format.width, info_.format.height, info_.pixel_format,
            info_.format.frames_per_second, info_.duration_s);
}

FileCamera::~FileCamera() = default;

FileCameraCounts FileCamera::counts() const {
  FileCameraCounts counts = counts_;
  counts.damaged = decoding_->reader.damaged();
  counts.stamp_jumps = decoding_->timeline.jumps();
  return counts;
}

void FileCamera::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopped_.store(true);
  }
  decoding_->reader.interrupt();
  wake_.notify_all();
}

Status FileCamera::capture(SurfacePool& pool, CameraFrame& out) noexcept {
  if (stopped_.load() || ended_) return Status::end;
  if (!waiting_) {
    if (const Status status = fetch(); status != Status::ok) return status;
  }
  if (!start_ns_) start_ns_ = clock::now_ns() - instant_ns_;
  const std::int64_t due_ns = *start_ns_ + instant_ns_;
  if (config_.real_time) {
    if (!sleep_until(due_ns)) return Status::end;
    note_lateness(due_ns);
  }
  out.surface = take_surface(pool);
  if (stopped_.load()) return out.surface.reset(), Status::end;
  out.ready = cl::Event();
  out.capture_ns = due_ns;
  out.sequence = counts_.pictures++;
  out.host_bytes_written = 0;
  waiting_ = false;
  if (!out.surface) return ++counts_.dropped, Status::dropped;
  return fill(out);
}

// Decodes the next picture and finds its instant.
Status FileCamera::fetch() noexcept {
  FileReader& reader = decoding_->reader;
  Status status = reader.next();
  if (status == Status::end && config_.loop && !stopped_.load()) {
    if (reader.error() != 0)
      log::warning("camera {}: {} breaks off after {} pictures; it is played again from its start",
                   config_.name, config_.path, counts_.pictures);
    ++counts_.loops;
    decoding_->timeline.continue_from_start();
    if (reader.rewind() != Status::ok) return finish("cannot be read again");
    status = reader.next();
  }
  if (stopped_.load()) return Status::end;
  if (status != Status::ok) return finish(reader.error() != 0 ? "breaks off" : "has ended");
  const AVFrame& frame = reader.frame();
  if (frame.width != info_.format.width || frame.height != info_.format.height)
    return finish("changes its picture size");
  const std::uint64_t jumps = decoding_->timeline.jumps();
  instant_ns_ = decoding_->timeline.place(reader.stamp_ns());
  if (jumps == 0 && decoding_->timeline.jumps() != 0)
    log::warning(
        "camera {}: {}: time stamps jump after {} pictures; they are replaced from the frame "
        "rate and counted",
        config_.name, config_.path, counts_.pictures);
  waiting_ = true;
  return Status::ok;
}

// The one line that a file's end leaves, whatever its cause.
Status FileCamera::finish(const char* cause) noexcept {
  ended_ = true;
  const FileCameraCounts c = counts();
  const double seconds = static_cast<double>(decoding_->timeline.last_ns()) * 1e-9 +
                         1 / info_.format.frames_per_second;
  const bool early = c.loops == 0 && info_.duration_s - seconds > 1;
  const bool odd = early || c.damaged != 0 || decoding_->reader.error() != 0;
  log::event(
      odd ? log::Level::warning : log::Level::info,
      "camera {}: {} {} after {} pictures, {:.2f} s (of {:.2f} s); {} damaged packets, {} time "
      "stamps replaced",
      config_.name, config_.path, cause, c.pictures, seconds, info_.duration_s, c.damaged,
      c.stamp_jumps);
  return Status::end;
}

// In real time a camera cannot wait; as fast as possible it waits for the pool and loses nothing.
SurfaceRef FileCamera::take_surface(SurfacePool& pool) noexcept {
  SurfaceRef surface = pool.acquire();
  while (!surface && !config_.real_time && sleep_until(clock::now_ns() + kPoolPoll_ns))
    surface = pool.acquire();
  return surface;
}

Status FileCamera::fill(CameraFrame& out) noexcept {
  const Surface& surface = *out.surface;
  const bool converted =
      surface.layout.width == info_.format.width && surface.layout.height == info_.format.height &&
      decoding_->converter.convert(decoding_->reader.frame(), surface.layout, surface.luma());
  if (!converted) {
    out.surface.reset();
    return finish("has pixels that cannot be converted to NV12");
  }
  out.host_bytes_written = surface.layout.picture_bytes();
  if (!config_.upload_queue) return Status::ok;
  const Status uploaded =
      gpu::upload(*config_.upload_queue, surface.memory, surface.layout.bytes(), {}, &out.ready);
  if (uploaded != Status::ok || gpu::flush(*config_.upload_queue) != Status::ok)
    return Status::device_lost;
  if (surface.memory.apart) out.host_bytes_written += surface.layout.bytes();
  return Status::ok;
}

void FileCamera::note_lateness(std::int64_t due_ns) noexcept {
  const std::int64_t behind_ns = clock::now_ns() - due_ns;
  if (behind_ns > interval_ns(info_.format.frames_per_second) / 2) ++counts_.late;
  if (behind_ns < kTellLate_ns || told_late_) return;
  told_late_ = true;
  log::warning(
      "camera {}: {} is {} ms behind its time stamps; decoding is too slow for real time: "
      "give it more threads or film as fast as possible",
      config_.name, config_.path, behind_ns / clock::kMillisecond_ns);
}

// False if stop() was called.
bool FileCamera::sleep_until(std::int64_t instant_ns) noexcept {
  const std::chrono::steady_clock::time_point due{std::chrono::nanoseconds(instant_ns)};
  std::unique_lock lock(mutex_);
  return !wake_.wait_until(lock, due, [&] { return stopped_.load(); });
}

}  // namespace gantry
