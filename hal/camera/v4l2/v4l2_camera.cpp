// The doors, and how the device comes and goes.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/v4l2_camera.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>
#include <sys/eventfd.h>

#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

constexpr unsigned kOwn = 6;    // of the device, where it keeps them: two are read meanwhile
constexpr int kLeastSize = 16;  // pixels

bool lies_like(const v4l2::Format& f, const Nv12Layout& layout) {
  if (f.pitch[0] != layout.pitch) return false;
  if (f.fourcc == V4L2_PIX_FMT_NV12) return f.bytes[0] <= v4l2::whole_pages(layout.bytes());
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

void V4l2Camera::stop() noexcept {
  stopped_.store(true);
  const std::uint64_t one = 1;
  static_cast<void>(!write(stop_event_, &one, sizeof one));
}

}  // namespace gantry
