// The doors, and the loop of one picture per call.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/v4l2_camera.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

using v4l2::Dequeued;

constexpr unsigned kQueued = 4;  // buffers that the device has at a time
constexpr unsigned kOwn = 6;     // of the device, where it keeps them: two are read meanwhile
constexpr int kLeastSize = 16;   // pixels
constexpr int kNoBufferPoll_ms = 1;
constexpr std::int64_t kFirstPicture_ns = 5 * clock::kSecond_ns;
constexpr std::int64_t kLeastSilence_ns = clock::kSecond_ns;
constexpr double kSilentIntervals = 10;

std::size_t whole_pages(std::size_t bytes) {
  return (bytes + 4095) / 4096 * 4096;
}

v4l2::Target target_of(const Surface& s) {
  v4l2::Target t;
  t.dma_buf = s.dma_buf();
  t.host = s.memory.host;
  t.bytes = s.memory.apart ? s.memory.bytes : whole_pages(s.memory.bytes);
  t.offsets[1] = s.layout.chroma_offset();
  return t;
}

bool lies_like(const v4l2::Format& f, const Nv12Layout& layout) {
  if (f.pitch[0] != layout.pitch) return false;
  if (f.fourcc == V4L2_PIX_FMT_NV12) return f.bytes[0] <= whole_pages(layout.bytes());
  return f.fourcc == V4L2_PIX_FMT_NV12M && f.pitch[1] == layout.pitch &&
         f.bytes[0] <= layout.chroma_offset();
}

bool takes(const v4l2::Device& device, __u32 memory) {
  v4l2_requestbuffers none{};
  none.type = device.type();
  none.memory = memory;
  return device.call(VIDIOC_REQBUFS, &none) == 0;
}

}  // namespace

V4l2Camera::V4l2Camera(gpu::Device& device, V4l2CameraConfig config)
    : config_(std::move(config)), device_(device), queue_(device.make_queue()) {
  nv12_layout(config_.width, config_.height);  // refuses sizes that cannot be
  if (config_.width < kLeastSize)
    throw std::runtime_error(fmt::format("camera {}: {} pixels wide; {} at least", config_.name,
                                         config_.width, kLeastSize));
  if (config_.heap != "auto") heap_ = open_heap(config_.heap);
  try {
    session_ = std::make_unique<v4l2::Session>(session_config());
    prepare();
  } catch (const std::runtime_error& e) {
    session_.reset();
    if (!config_.may_be_missing)
      throw std::runtime_error(fmt::format("camera {}: {}", config_.name, e.what()));
    tell(e.what());
    if (!heap_ && device_.info().host_memory) heap_ = open_first_heap();
  }
  stop_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_event_ < 0) throw std::runtime_error("eventfd: " + std::string(std::strerror(errno)));
}

V4l2Camera::~V4l2Camera() {
  close();
  if (stop_event_ >= 0) ::close(stop_event_);
}

v4l2::SessionConfig V4l2Camera::session_config() const {
  v4l2::SessionConfig s;
  s.device = config_.device;
  s.input = config_.input;
  s.wanted = {config_.width, config_.height, config_.frames_per_second, 0};
  s.emulated = config_.format == "libv4l2";
  if (config_.format != "auto" && !s.emulated) s.wanted.fourcc = v4l2::fourcc_of(config_.format);
  s.pitch = nv12_layout(config_.width, config_.height).pitch;
  s.matrix = config_.matrix;
  s.range = config_.range;
  s.controls = config_.controls;
  return s;
}

// --- what is agreed once ------------------------------------------------------------------------

void V4l2Camera::prepare() try {
  format_ = agreed(session_->format());
  door_ = choose_door();
  if (door_ == Door::convert) converter_.emplace(device_, *format_, config_.matrix, config_.range);
  if (door_ == Door::decode)
    decoder_ =
        std::make_unique<v4l2::JpegDecoder>(config_.matrix, config_.range, format_->bytes[0]);
  const auto& info = session_->device().info();
  log::info("camera {}: {} ({}, {}), {} {}x{} at {:g}; {}", config_.name, info.node, info.card,
            info.bus, v4l2::fourcc_text(format_->fourcc), format_->width, format_->height,
            config_.frames_per_second, door_text_);
} catch (...) {
  format_.reset();
  throw;
}

v4l2::Format V4l2Camera::agreed(v4l2::Format format) const {
  if (config_.trust_rig) format.matrix = config_.matrix, format.range = config_.range;
  return format;
}

V4l2Camera::Door V4l2Camera::choose_door() {
  const v4l2::Format& f = *format_;
  if (v4l2::find_pixel_format(f.fourcc)->order == v4l2::PixelFormat::Order::compressed) {
    door_text_ = "decoded by libavcodec into the surface";
    return Door::decode;
  }
  const bool same_colours = f.matrix == config_.matrix && f.range == config_.range;
  const bool nv12 = f.fourcc == V4L2_PIX_FMT_NV12 || f.fourcc == V4L2_PIX_FMT_NV12M;
  const bool lies = nv12 && lies_like(f, nv12_layout(f.width, f.height));
  const bool own = device_.info().host_memory;
  if (lies && same_colours && !session_config().emulated) {
    if (own && f.buffers == 1) {
      choose_heap();
      if (heap_ && heap_->name() != "plain" && accepts(*heap_)) {
        door_text_ = "the device writes into the surface, a DMA-buf of " + heap_->name();
        return Door::import;
      }
    }
    if ((!heap_ || heap_->name() == "plain" || f.buffers > 1) &&
        takes(session_->device(), V4L2_MEMORY_USERPTR)) {
      door_text_ = own ? "the device writes into the surface, by its address"
                       : "the device writes into pinned memory, which is uploaded";
      return Door::user;
    }
  }
  door_text_ = fmt::format("converted by one kernel: {}",
                           !nv12           ? "its format is not NV12"
                           : !same_colours ? "its colours are not the rig's"
                           : !lies         ? fmt::format("its rows are {} bytes, the surface's {}",
                                                         f.pitch[0], nv12_layout(f.width, f.height).pitch)
                                           : "the device takes no memory of others");
  return Door::convert;
}

// The first heap whose blocks the device takes.
void V4l2Camera::choose_heap() {
  if (heap_) {
    if (config_.heap != "auto" && heap_->name() != "plain" && !accepts(*heap_))
      session_->device().refuse("does not take memory of " + heap_->name());
    return;
  }
  for (const auto& name : list_heaps()) {
    if (name == "plain" || !test_heap(name).empty()) continue;
    auto heap = open_heap(name);
    if (!accepts(*heap)) continue;
    heap_ = std::move(heap);
    return;
  }
}

bool V4l2Camera::accepts(Heap& heap) const try {
  const HeapBlock block = heap.allocate(nv12_layout(format_->width, format_->height).bytes());
  v4l2::Stream trial(session_->device(), *format_, v4l2::Memory::dma_buf, 1);
  v4l2::Target target;
  target.dma_buf = block.dma_buf.get();
  target.bytes = block.host.bytes();
  return trial.queue(0, &target) == 0;
} catch (const std::runtime_error&) {
  return false;
}

OwnBuffers V4l2Camera::own_buffers() const {
  if (!format_)
    return {kOwn,
            2 * static_cast<std::size_t>(config_.width) * static_cast<std::size_t>(config_.height)};
  if (direct()) return {};
  return {kOwn, std::accumulate(format_->bytes.begin(), format_->bytes.end(), std::size_t{0})};
}

// --- what comes and goes with the device --------------------------------------------------------

bool V4l2Camera::open(SurfacePool& pool) noexcept try {
  if (!session_) session_ = std::make_unique<v4l2::Session>(session_config());
  if (!format_) {
    prepare();
  } else {
    const v4l2::Format now = agreed(session_->format());
    if (now != *format_)
      session_->device().refuse(fmt::format("comes back with another format: {} {}x{}",
                                            v4l2::fourcc_text(now.fourcc), now.width, now.height));
  }
  start(pool);
  return true;
} catch (const std::exception& e) {
  close();
  tell(e.what());
  return false;
}

void V4l2Camera::start(SurfacePool& pool) {
  const v4l2::Device& device = session_->device();
  const auto memory = door_ == Door::import ? v4l2::Memory::dma_buf
                      : door_ == Door::user ? v4l2::Memory::user
                                            : v4l2::Memory::mmap;
  const unsigned count = direct() ? std::min(pool.capacity(), v4l2::kMostBuffers) : kOwn;
  stream_ = std::make_unique<v4l2::Stream>(device, *format_, memory, count);
  if (door_ == Door::convert)
    for (unsigned i = 0; i < stream_->count(); ++i)
      for (int b = 0; b < format_->buffers; ++b)
        slots_[i].memory[b] = device_.adopt(stream_->host(i, b), stream_->bytes(i, b));
  for (unsigned i = 0; i < stream_->count(); ++i) slots_[i].waits = !direct();
  int error = direct() ? feed(pool) : recycle();
  if (error != 0) device.refuse(fmt::format("does not take its buffers: {}", std::strerror(error)));
  if (error = stream_->start(); error != 0)
    device.refuse(fmt::format("does not start: {}", std::strerror(error)));
  first_picture_ = true;
  silent_since_ns_ = clock::now_ns();
}

void V4l2Camera::close() noexcept {
  for (Slot& slot : slots_) gpu::wait(slot.read);  // kernels still read the device's buffers
  for (Slot& slot : slots_) slot.memory = {};
  stream_.reset();
  for (Slot& slot : slots_) slot = Slot();
  session_.reset();
}

Status V4l2Camera::lose(const char* what, int error) noexcept {
  const auto& node = session_->device().info().node;
  const auto text = error ? fmt::format("{}: {}: {}", node, what, std::strerror(error))
                          : fmt::format("{}: {}", node, what);
  close();
  tell(text);
  return Status::lost;
}

// One line per cause.
void V4l2Camera::tell(const std::string& cause) noexcept {
  if (cause == told_) return;
  told_ = cause;
  log::warning("camera {}: {}", config_.name, cause);
}

// --- one picture --------------------------------------------------------------------------------

Status V4l2Camera::capture(SurfacePool& pool, CameraFrame& out) noexcept {
  if (stopped_.load()) return Status::end;
  if (!stream_ && !open(pool)) return stopped_.load() ? Status::end : Status::lost;
  for (;;) {
    const int refused = direct() ? feed(pool) : recycle();
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
  if (!empty && left_ns <= 0) {
    lose("no picture any more", 0);
    return Wake::lost;
  }
  const short asked = empty ? POLLPRI : POLLIN | POLLPRI;
  pollfd fds[] = {{session_->device().fd(), asked, 0}, {stop_event_, POLLIN, 0}};
  const auto most_ms = static_cast<int>(left_ns / clock::kMillisecond_ns) + 1;
  const int ready = poll(empty ? fds + 1 : fds, empty ? 1 : 2, empty ? kNoBufferPoll_ms : most_ms);
  if (stopped_.load()) return Wake::stopped;
  if (ready <= 0 || empty) return Wake::nothing;
  if (fds[0].revents & POLLPRI) {
    if (const char* fault = session_->fault()) {
      lose(fault, 0);
      return Wake::lost;
    }
  }
  return fds[0].revents & (POLLIN | POLLERR | POLLHUP) ? Wake::picture : Wake::nothing;
}

// Direct doors: gives the device free surfaces, a few at a time.
int V4l2Camera::feed(SurfacePool& pool) noexcept {
  while (stream_->queued() < std::min(kQueued, stream_->count())) {
    SurfaceRef surface = pool.acquire();
    if (!surface) return 0;
    // The same buffer number for the same surface, so that the device need not import it anew.
    unsigned index = surface.index();
    if (index >= stream_->count() || slots_[index].surface) {
      index = 0;
      while (slots_[index].surface) ++index;
    }
    Slot& slot = slots_[index];
    slot.access.end();
    slot.surface = std::move(surface);
    const auto target = target_of(*slot.surface);
    if (const int error = stream_->queue(index, &target)) {
      slot.surface.reset();
      return error;
    }
  }
  return 0;
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
  if (!memory.apart) return Status::ok;
  out.host_bytes_written = out.surface->layout.bytes();
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
    if (!surface.memory.apart) return Status::ok;
    out.host_bytes_written += surface.layout.bytes();
    if (gpu::upload(queue_, surface.memory, surface.layout.bytes(), {}, &out.ready) != Status::ok)
      return Status::device_lost;
    return gpu::flush(queue_);
  }
  for (int b = 0; b < format_->buffers; ++b) {
    const gpu::Memory& memory = slot.memory[b];
    if (!memory.apart) continue;  // the queue is in order: the kernel comes after
    out.host_bytes_written += memory.bytes;
    if (gpu::upload(queue_, memory, memory.bytes, {}, nullptr) != Status::ok)
      return Status::device_lost;
  }
  if (converter_->convert(queue_, slot.memory, picture.first, surface, {}, &slot.read) !=
      Status::ok)
    return Status::device_lost;
  out.ready = slot.read;
  return gpu::flush(queue_);
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

void V4l2Camera::stop() noexcept {
  stopped_.store(true);
  const std::uint64_t one = 1;
  static_cast<void>(!write(stop_event_, &one, sizeof one));
}

}  // namespace gantry
