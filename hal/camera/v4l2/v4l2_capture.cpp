// The loop of a V4L2 camera: one picture per call.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cmath>

#include <poll.h>

#include "hal/camera/v4l2/v4l2_camera.hpp"
#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

using v4l2::Dequeued;

constexpr unsigned kQueued = 4;  // buffers that the device has at a time
constexpr int kNoBufferPoll_ms = 1;
constexpr std::int64_t kFirstPicture_ns = 5 * clock::kSecond_ns;
constexpr std::int64_t kLeastSilence_ns = clock::kSecond_ns;
constexpr double kSilentIntervals = 10;
constexpr std::int64_t kShareExposureEvery_ns = clock::kSecond_ns / 2;

v4l2::Target target_of(const Surface& s) {
  v4l2::Target t;
  t.dma_buf = s.dma_buf();
  t.host = s.memory.host;
  t.bytes = s.memory.apart ? s.memory.bytes : v4l2::whole_pages(s.memory.bytes);
  t.offsets[1] = s.layout.chroma_offset();
  return t;
}

}  // namespace

Status V4l2Camera::rehearse(const Surface& surface) {
  if (!format_ || door_ != Door::convert) return Status::ok;
  std::array<gpu::Memory, v4l2::kMostPlanes> picture;
  for (int b = 0; b < format_->buffers; ++b)
    picture[b].buffer = cl::Buffer(device_.context(), CL_MEM_READ_WRITE, format_->bytes[b]);
  cl::Event done;
  const Status s = converter_->convert(queue_, picture, {}, surface, {}, &done);
  return s == Status::ok ? gpu::wait(done) : s;
}

Status V4l2Camera::capture(SurfacePool& pool, CameraFrame& out) noexcept {
  if (stopped_.load()) return Status::end;
  if (!stream_ && !open(pool)) return stopped_.load() ? Status::end : Status::lost;
  for (;;) {
    const int refused = direct() ? blame_door(feed(pool)) : recycle();
    if (refused != 0) return lose("does not take a buffer", refused);
    switch (wait()) {
      case Wake::stopped:
        return Status::end;
      case Wake::lost:
        return Status::lost;
      case Wake::nothing:
        continue;
      case Wake::picture:
        break;
    }
    Dequeued picture;
    const int error = stream_->dequeue(picture);
    if (error == EAGAIN) continue;
    if (error != 0) return lose("gives no pictures", error);
    silent_since_ns_ = clock::now_ns();
    if (picture.flags & V4L2_BUF_FLAG_ERROR) {  // damaged: seen as a gap
      slots_[picture.index].surface.reset();
      slots_[picture.index].waits = !direct();
      continue;
    }
    if (direct() && !picture.at_the_front())
      return lose("its pictures do not begin where their memory does; another format may do", 0);
    stamp(picture, out);
    first_picture_ = false;
    told_.clear();
    share_exposure();
    return direct() ? take_direct(picture, out) : take_copied(picture, pool, out);
  }
}

V4l2Camera::Wake V4l2Camera::wait() noexcept {
  const std::int64_t interval_ns = std::llround(1e9 / config_.frames_per_second);
  const auto silence_ns =
      first_picture_
          ? kFirstPicture_ns
          : std::max(kLeastSilence_ns, static_cast<std::int64_t>(kSilentIntervals) * interval_ns);
  const std::int64_t left_ns = silent_since_ns_ + silence_ns - clock::now_ns();
  // A device that has no buffer can only be waited for: the pool or the kernels give one soon.
  const bool empty = stream_->queued() == 0;
  if (empty) silent_since_ns_ = clock::now_ns();
  const short asked = empty ? POLLPRI : POLLIN | POLLPRI;
  pollfd fds[] = {{session_->device().fd(), asked, 0}, {stop_event_, POLLIN, 0}};
  // This thread may have been held up for long: what came meanwhile is no silence.
  const bool late = !empty && left_ns <= 0;
  const int most_ms = late ? 0 : static_cast<int>(left_ns / clock::kMillisecond_ns) + 1;
  const int ready = poll(empty ? fds + 1 : fds, empty ? 1 : 2, empty ? kNoBufferPoll_ms : most_ms);
  if (stopped_.load()) return Wake::stopped;
  if (late && ready <= 0) {
    lose("no picture any more", 0);
    return Wake::lost;
  }
  if (ready <= 0 || empty) return Wake::nothing;
  if (fds[0].revents & POLLPRI) {
    if (const char* fault = session_->fault()) {
      lose(fault, 0);
      return Wake::lost;
    }
  }
  return fds[0].revents & (POLLIN | POLLERR | POLLHUP) ? Wake::picture : Wake::nothing;
}

// The same buffer number for the same surface, so that the device need not import it anew.
unsigned V4l2Camera::number_of(const SurfaceRef& surface) const noexcept {
  unsigned index = surface.index();
  if (index < stream_->count() && !slots_[index].surface) return index;
  index = 0;
  while (slots_[index].surface) ++index;
  return index;
}

// Direct doors: gives the device free surfaces, a few at a time.
int V4l2Camera::feed(SurfacePool& pool) noexcept try {
  while (stream_->queued() < std::min(kQueued, stream_->count())) {
    SurfaceRef surface = pool.acquire();
    if (!surface) return 0;
    const bool exported = door_ == Door::exported;
    const int index = exported ? home_of(*surface) : static_cast<int>(number_of(surface));
    if (index < 0) {
      homeless_.push_back(std::move(surface));
      continue;
    }
    Slot& slot = slots_[index];
    slot.access.end();
    slot.surface = std::move(surface);
    const auto target = target_of(*slot.surface);
    const int error = stream_->queue(static_cast<unsigned>(index), exported ? nullptr : &target);
    if (error != 0) {
      slot.surface.reset();
      return error;
    }
  }
  return 0;
} catch (const std::exception& e) {  // a surface could not move
  tell(e.what());
  return ENOMEM;
}

// Other doors: gives the device back what kernels have read.
int V4l2Camera::recycle() noexcept {
  for (unsigned i = 0; i < stream_->count(); ++i) {
    Slot& slot = slots_[i];
    if (!slot.waits || !gpu::complete(slot.read)) continue;
    slot.waits = false;
    slot.read = cl::Event();
    if (const int error = stream_->queue(i, nullptr)) return error;
  }
  return 0;
}

Status V4l2Camera::take_direct(const Dequeued& picture, CameraFrame& out) noexcept {
  Slot& slot = slots_[picture.index];
  slot.access = HostAccess(slot.surface->dma_buf(), HostAccess::Kind::read);
  out.surface = std::move(slot.surface);
  out.ready = cl::Event();
  out.host_bytes_written = 0;
  const gpu::Memory& memory = out.surface->memory;
  if (!memory.by_command()) return Status::ok;
  out.host_bytes_written = memory.apart ? out.surface->layout.bytes() : 0;
  if (gpu::upload(queue_, memory, out.surface->layout.bytes(), {}, &out.ready) != Status::ok)
    return Status::device_lost;
  return gpu::flush(queue_);
}

Status V4l2Camera::take_copied(const Dequeued& picture, SurfacePool& pool,
                               CameraFrame& out) noexcept {
  Slot& slot = slots_[picture.index];
  slot.waits = true;
  out.ready = cl::Event();
  out.surface = pool.acquire();
  if (!out.surface) return Status::dropped;
  const Surface& surface = *out.surface;
  out.host_bytes_written = surface.layout.picture_bytes();
  if (door_ == Door::decode) {
    const auto* bytes = stream_->host(picture.index, 0) + picture.first[0];
    if (!decoder_->decode({bytes, picture.used[0]}, surface)) {
      out.surface.reset();
      return Status::dropped;
    }
    if (!surface.memory.by_command()) return Status::ok;
    out.host_bytes_written += surface.memory.apart ? surface.layout.bytes() : 0;
    if (gpu::upload(queue_, surface.memory, surface.layout.bytes(), {}, &out.ready) != Status::ok)
      return Status::device_lost;
    return gpu::flush(queue_);
  }
  for (int b = 0; b < format_->buffers; ++b) {
    const gpu::Memory& memory = slot.memory[b];
    if (!memory.by_command()) continue;  // the queue is in order: the kernel comes after
    out.host_bytes_written += memory.apart ? memory.bytes : 0;
    if (gpu::upload(queue_, memory, memory.bytes, {}, nullptr) != Status::ok)
      return Status::device_lost;
  }
  if (converter_->convert(queue_, slot.memory, picture.first, surface, {}, &slot.read) !=
      Status::ok)
    return Status::device_lost;
  out.ready = slot.read;
  return gpu::flush(queue_);
}

// Now and then: light does not change faster, and a control costs a USB camera milliseconds.
void V4l2Camera::share_exposure() noexcept {
  if (!config_.exposure || silent_since_ns_ < exposure_shared_ns_ + kShareExposureEvery_ns) return;
  exposure_shared_ns_ = silent_since_ns_;
  if (config_.decides_exposure)
    config_.exposure->read(session_->device());
  else
    config_.exposure->write(session_->device());
}

void V4l2Camera::stamp(const Dequeued& picture, CameraFrame& out) noexcept {
  const auto step = static_cast<std::int32_t>(picture.sequence - last_sequence_);
  if (!first_picture_) sequence_ += static_cast<std::uint64_t>(std::int64_t{step} - 1);
  last_sequence_ = picture.sequence;
  out.sequence = sequence_++;

  out.capture_ns = picture.stamp_ns;
  if ((picture.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) {
    out.capture_ns = clock::now_ns();
    if (!told_clock_)
      log::warning("camera {}: its driver has no monotonic time stamps; arrival is taken",
                   config_.name);
    told_clock_ = true;
  }
  const bool at_start =
      (picture.flags & V4L2_BUF_FLAG_TSTAMP_SRC_MASK) == V4L2_BUF_FLAG_TSTAMP_SRC_SOE;
  const double shutter_s = std::max(0.0, config_.controls.shutter_s);
  const double offset_s = (at_start ? shutter_s / 2 : -shutter_s / 2) + config_.time_offset_s;
  out.capture_ns += std::llround(offset_s * 1e9);
}

}  // namespace gantry
