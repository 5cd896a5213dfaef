// The steady state of a KMS display.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/kms_display.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <drm.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "hal/clock/clock.hpp"
#include "kernels/font.hpp"

namespace gantry {
namespace {

// System calls that are not made at every picture.
constexpr std::int64_t kListenEvery_ns = 100 * clock::kMillisecond_ns;
constexpr std::int64_t kLookEvery_ns = 500 * clock::kMillisecond_ns;
constexpr std::uint32_t kInk = 0xffd8d8d8, kGround = 0xff141414;

// Kernels that work through the processor's caches leave pixels there; many displays do not look
// into them. A GPU that imported the surface has handed it over.
void write_back(const SurfaceRef& picture) noexcept {
  if (!picture || picture->memory.hand_over) return;
  const HostAccess written(picture->dma_buf(), HostAccess::Kind::write);
}

}  // namespace

KmsDisplay::KmsDisplay(const DisplayConfig& config, const kms::ScreenSources& sources,
                       gpu::Device& device)
    : config_(config), sources_(sources), painter_(device, sources.matrix, sources.range) {}

OwnBuffers KmsDisplay::buffers(const DisplayConfig& config) {
  const DisplayMode size = kms::expected_size(config);
  return {kms::Screen::kBuffers, sizeof(std::uint32_t) * static_cast<std::size_t>(size.width) *
                                     static_cast<std::size_t>(size.height)};
}

KmsDisplay::~KmsDisplay() {
  close();
}

Status KmsDisplay::open() noexcept try {
  close();
  screen_ = std::make_unique<kms::Screen>(config_, sources_, painter_);
  mode_ = screen_->mode();
  description_ = screen_->describe();
  looked_ns_ = clock::now_ns();
  hotplug_.heard();  // what was before does not count
  rehearse();
  return Status::ok;
} catch (const cl::Error& e) {
  problem_ = fmt::format("screen memory refused by the OpenCL device ({})", e.err());
  return Status::lost;
} catch (const std::exception& e) {
  problem_ = e.what();
  return Status::lost;
}

// Drivers compile a kernel when it first runs; the first picture would wait for that. A device that
// refuses is told of then: slates need none.
void KmsDisplay::rehearse() noexcept {
  if (screen_->door() != kms::Screen::Door::conversion) return;
  const auto& [view, panorama] = screen_->places();
  const auto& canvas = screen_->canvas(kms::Screen::kBlack + 1);
  painter_.paint(sources_.views->slot(0), view, canvas);
  if (sources_.panoramas) painter_.paint(sources_.panoramas->slot(0), panorama, canvas);
  screen_->buffer(kms::Screen::kBlack + 1).fill(0);
}

void KmsDisplay::close() noexcept {
  screen_.reset();
  shown_ = {}, queued_ = {}, prepared_ = {};
  flipping_ = has_prepared_ = false;
  drawn_ = {};
}

Status KmsDisplay::lose(std::string_view what, int error) noexcept {
  problem_ = error ? fmt::format("{}: {}", what, std::strerror(error)) : std::string(what);
  close();
  return Status::lost;
}

int KmsDisplay::free_buffer() const noexcept {
  int buffer = kms::Screen::kBlack + 1;
  while (buffer == shown_.buffer || buffer == queued_.buffer) ++buffer;
  return buffer;
}

Status KmsDisplay::paint(const ScreenPicture& picture, int buffer) noexcept {
  Drawn& drawn_before = drawn(buffer);
  const bool panorama = static_cast<bool>(picture.panorama);
  if (drawn_before.text || (drawn_before.panorama && !panorama)) screen_->buffer(buffer).fill(0);
  drawn_before = {false, panorama};
  const auto& places = screen_->places();
  const Status s = painter_.paint(*picture.view, places.view, screen_->canvas(buffer));
  if (s != Status::ok || !panorama) return s;
  return painter_.paint(*picture.panorama, places.panorama, screen_->canvas(buffer));
}

Status KmsDisplay::prepare(ScreenPicture&& picture) noexcept {
  if (!screen_) return Status::lost;
  has_prepared_ = false;
  prepared_ = {};
  if (screen_->door() != kms::Screen::Door::conversion) {
    write_back(picture.view);
    write_back(picture.panorama);
    prepared_.scene = screen_->scene_of(picture);
    prepared_.held = std::move(picture);
  } else {
    const int buffer = free_buffer();
    if (const Status s = paint(picture, buffer); s != Status::ok) return s;
    prepared_.scene = screen_->scene_of(buffer);
    prepared_.buffer = buffer;
  }
  has_prepared_ = true;
  return Status::ok;
}

Status KmsDisplay::prepare_slate(std::string_view text) noexcept {
  if (!screen_) return Status::lost;
  prepared_ = {};
  const int buffer = free_buffer();
  kms::DumbBuffer& b = screen_->buffer(buffer);
  b.fill(kGround);
  font::draw_centred(text, b.width(), b.height(), [&](int x, int y, int count) {
    std::fill_n(b.pixels() + static_cast<std::ptrdiff_t>(y) * b.pitch() + x, count, kInk);
  });
  drawn(buffer).text = true;
  prepared_.scene = screen_->scene_of(buffer);
  prepared_.buffer = buffer;
  has_prepared_ = true;
  return Status::ok;
}

Status KmsDisplay::flip() noexcept {
  if (!screen_) return Status::lost;
  if (flipping_ || !has_prepared_) return Status::again;
  const int error = screen_->flip(prepared_.scene);
  if (error == EBUSY) return Status::again;
  if (error == EACCES) return lose("another process has taken the display (DRM master)", 0);
  if (error) return lose("the picture is refused by the display", error);
  queued_ = std::exchange(prepared_, {});
  has_prepared_ = false;
  flipping_ = true;
  return Status::ok;
}

bool KmsDisplay::read_events(Flip& flip) noexcept {
  alignas(drm_event_vblank) std::byte events[1024];
  const ssize_t bytes = ::read(screen_->fd(), events, sizeof events);
  bool flipped = false;
  for (ssize_t at = 0; at + static_cast<ssize_t>(sizeof(drm_event)) <= bytes;) {
    drm_event_vblank event{};
    std::memcpy(&event, events + at, std::min(sizeof event, static_cast<std::size_t>(bytes - at)));
    if (event.base.type == DRM_EVENT_FLIP_COMPLETE) {
      flip.instant_ns = event.tv_sec * clock::kSecond_ns + event.tv_usec * std::int64_t{1000};
      flipped = true;
    }
    at += event.base.length;
  }
  return flipped;
}

Status KmsDisplay::wait_flip(std::int64_t deadline_ns, Flip& flip) noexcept {
  if (!screen_) return Status::lost;
  if (!flipping_) return Status::again;
  while (flipping_) {
    const auto left_ns = std::max<std::int64_t>(deadline_ns - clock::now_ns(), 0);
    const timespec left{left_ns / clock::kSecond_ns, left_ns % clock::kSecond_ns};
    pollfd event{screen_->fd(), POLLIN, 0};
    const int ready = ppoll(&event, 1, &left, nullptr);
    if (ready == 0) return Status::again;
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0 || event.revents & (POLLERR | POLLHUP))
      return lose("the display's device is gone", ready < 0 ? errno : 0);
    flipping_ = !read_events(flip);
  }
  shown_ = std::exchange(queued_, {});
  return Status::ok;
}

Status KmsDisplay::watch() noexcept try {
  const auto now_ns = clock::now_ns();
  const bool listen = now_ns >= listened_ns_ + kListenEvery_ns;
  if (listen) listened_ns_ = now_ns;
  const bool heard = listen && hotplug_.heard();
  if (!screen_) return heard ? Status::ok : Status::again;
  if (!heard && now_ns < looked_ns_ + kLookEvery_ns) return Status::ok;
  looked_ns_ = now_ns;
  return screen_->still_there(heard) ? Status::ok
                                     : lose("the display was unplugged, or lost its mode", 0);
} catch (const std::exception& e) {
  return lose(e.what(), 0);
}

}  // namespace gantry
