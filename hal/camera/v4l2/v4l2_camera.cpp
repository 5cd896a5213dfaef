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

#include "hal/camera/v4l2/trial.hpp"
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

}  // namespace

V4l2Camera::V4l2Camera(gpu::Device& device, V4l2CameraConfig config)
    : config_(std::move(config)), device_(device), queue_(device.make_queue()) {
  nv12_layout(config_.width, config_.height);  // refuses sizes that cannot be
  if (config_.width < kLeastSize)
    throw std::runtime_error(fmt::format("camera {}: {} pixels wide; {} at least", config_.name,
                                         config_.width, kLeastSize));
  if (config_.heap != "auto") heap_ = open_heap(config_.heap == "export" ? "plain" : config_.heap);
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
  if (door_ == Door::convert) make_converter();
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
  if (lies && same_colours && !session_config().emulated)
    if (const Door door = choose_direct_door(); door != Door::convert) return door;
  door_text_ = fmt::format("converted by one kernel: {}",
                           !nv12           ? "its format is not NV12"
                           : !same_colours ? "its colours are not the rig's"
                           : !lies         ? fmt::format("its rows are {} bytes, the surface's {}",
                                                         f.pitch[0], nv12_layout(f.width, f.height).pitch)
                                           : "no memory serves both the device and the kernels");
  return Door::convert;
}

V4l2Camera::Door V4l2Camera::choose_direct_door() {
  const v4l2::Device& device = session_->device();
  const bool one_buffer = format_->buffers == 1, free_choice = config_.heap == "auto";
  const bool shares = config_.heap != "plain" && config_.heap != "export";
  if (one_buffer && shares && choose_heap()) {
    door_text_ = "the device writes into the surface, a DMA-buf of " + heap_->name();
    return Door::import;
  }
  if (one_buffer && shares && !free_choice)
    device.refuse(
        fmt::format("it and the kernels of {} cannot both work in memory of {}; \"auto\" finds "
                    "what they can",
                    device_.info().name, heap_->name()));
  const auto plain = open_heap("plain");
  if (config_.heap != "export" && (!heap_ || heap_->name() == "plain" || !one_buffer) &&
      accepts(*plain, v4l2::Memory::user)) {
    door_text_ = device_.info().host_memory
                     ? "the device writes into the surface, by its address"
                     : "the device writes into pinned memory, which is uploaded";
    return Door::user;
  }
  if (choose_export()) return Door::exported;
  if (config_.heap == "export") device.refuse("exports no memory that the kernels can work in");
  return Door::convert;
}

bool V4l2Camera::choose_export() {
  if (format_->buffers > 1 || config_.heap == "plain" || !exports()) return false;
  if (!heap_) heap_ = open_heap("plain");  // where surfaces are until they move
  door_text_ = "the surface lies in the device's own memory, exported as a DMA-buf";
  return true;
}

// One block was taken when the door was chosen; another is not, as where memory must be in one piece
// and the first was by chance.
void V4l2Camera::fall_back() {
  door_unfit_ = false;
  door_ = choose_export() ? Door::exported : Door::convert;
  if (door_ == Door::convert) {
    make_converter();
    door_text_ = "converted by one kernel: the device takes some of the surfaces, not all";
  }
  log::info("camera {}: {}", config_.name, door_text_);
}

void V4l2Camera::make_converter() {
  converter_.emplace(device_, *format_, config_.matrix, config_.range);
}

// The first heap whose blocks the device takes; false: none.
bool V4l2Camera::choose_heap() {
  if (heap_) return accepts(*heap_, v4l2::Memory::dma_buf);
  for (const auto& name : list_heaps()) {
    if (name == "plain" || !test_heap(name).empty()) continue;
    auto heap = open_heap(name);
    if (!accepts(*heap, v4l2::Memory::dma_buf)) continue;
    heap_ = std::move(heap);
    return true;
  }
  return false;
}

bool V4l2Camera::works_in(const HeapBlock& block) const {
  return device_.info().host_memory || device_.imports(block.dma_buf.get(), block.host.bytes());
}

bool V4l2Camera::accepts(Heap& heap, v4l2::Memory memory) const try {
  const Nv12Layout layout = nv12_layout(format_->width, format_->height);
  const HeapBlock block = heap.allocate(layout.bytes());
  const bool by_descriptor = memory == v4l2::Memory::dma_buf;
  if (by_descriptor && (!block.dma_buf || !works_in(block))) return false;
  return v4l2::try_block(session_->device(), *format_, memory, block,
                         {0, layout.chroma_offset()}) == 0;
} catch (const std::runtime_error&) {
  return false;
}

bool V4l2Camera::exports() const try {
  const HeapBlock block = v4l2::try_export(session_->device(), *format_);
  return block.host.bytes() >= nv12_layout(format_->width, format_->height).bytes() &&
         works_in(block);
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
    if (door_unfit_) fall_back();
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
  if (door_ == Door::convert) show_buffers_to_kernels();
  if (door_ == Door::exported) move_free_surfaces(pool);
  for (unsigned i = 0; i < stream_->count(); ++i) slots_[i].waits = !direct();
  int error = direct() ? blame_door(feed(pool)) : recycle();
  if (error != 0) device.refuse(fmt::format("does not take its buffers: {}", std::strerror(error)));
  if (error = stream_->start(); error != 0)
    device.refuse(fmt::format("does not start: {}", std::strerror(error)));
  first_picture_ = true;
  silent_since_ns_ = clock::now_ns();
}

void V4l2Camera::show_buffers_to_kernels() {
  bool shares = device_.imports() && !session_config().emulated;
  for (unsigned i = 0; i < stream_->count(); ++i)
    for (int b = 0; b < format_->buffers; ++b) {
      HeapBlock& block = slots_[i].block[b];
      try {
        if (shares) block = stream_->exported(i, b);
      } catch (const std::runtime_error&) {
        shares = false;  // the mapping serves
      }
      slots_[i].memory[b] =
          device_.adopt(stream_->host(i, b), stream_->bytes(i, b), block.dma_buf.get());
    }
}

void V4l2Camera::move_free_surfaces(SurfacePool& pool) {
  homeless_.reserve(pool.capacity());
  std::vector<SurfaceRef> free;
  while (SurfaceRef surface = pool.acquire()) {
    home_of(*surface);
    free.push_back(std::move(surface));
  }
}

// The device's buffer that the surface is in, and moves into where it is not yet; -1: none is left.
// Its former memory goes, a former stream's exported one with it.
int V4l2Camera::home_of(Surface& surface) {
  for (unsigned i = 0; i < homes_; ++i)
    if (slots_[i].home == surface.memory.host) return static_cast<int>(i);
  if (homes_ == stream_->count()) return -1;
  HeapBlock block = stream_->exported(homes_, 0);
  surface.memory = device_.adopt(block.host.data(), surface.layout.bytes(), block.dma_buf.get());
  surface.block = std::move(block);
  slots_[homes_].home = surface.memory.host;
  return static_cast<int>(homes_++);
}

void V4l2Camera::close() noexcept {
  for (Slot& slot : slots_) gpu::wait(slot.read);  // kernels still read the device's buffers
  for (Slot& slot : slots_) slot.memory = {};
  stream_.reset();
  for (Slot& slot : slots_) slot = Slot();
  homes_ = 0;
  homeless_.clear();
  session_.reset();
}

// The kernel's answer where a device cannot reach the memory that it was given.
int V4l2Camera::blame_door(int error) noexcept {
  if (error == EFAULT && door_ < Door::exported) door_unfit_ = true;
  return error;
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
