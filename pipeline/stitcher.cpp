// One launch per panorama: arguments, order, and who holds which picture until when.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitcher.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "pipeline/slate.hpp"

namespace gantry {

StitcherConfig stitcher_config(const Rig& rig) {
  StitcherConfig config;
  config.format = {rig.matrix, rig.range};
  for (std::size_t c = 0; c < rig.cameras.size(); ++c)
    config.gain_limits[c] = {rig.cameras[c].gain_limit_low, rig.cameras[c].gain_limit_high};
  return config;
}

Stitcher::Stitcher(gpu::Device& device, const StitchMesh& mesh, std::span<const Nv12Layout> cameras,
                   const Nv12Layout& panorama, const StitcherConfig& config)
    : config_(config),
      cameras_(cameras.size()),
      queue_(device.make_queue(config.profile)),
      kernel_(device, mesh, cameras, panorama, config.format.range,
              StitchKernel::shape_for(device.info())),
      statistics_(device, mesh, cameras, config.format),
      match_(config.format, config.gain_limits, statistics_.pairs()),
      picture_bytes_(panorama.picture_bytes()) {
  std::copy(cameras.begin(), cameras.end(), layouts_.begin());
  for (const Nv12Layout& c : cameras) picture_bytes_ += c.picture_bytes();
  draw_slates(device);
}

void Stitcher::draw_slates(gpu::Device& device) {
  const Slate slate(device, config_.format.range);
  for (std::size_t c = 0; c < cameras_; ++c) {
    std::vector<std::byte> bytes(layouts_[c].bytes());
    Surface picture;
    picture.layout = layouts_[c];
    picture.memory.host = bytes.data();
    slate.draw(picture, config_.no_signal[c]);
    slates_[c] = device.constant(bytes.data(), bytes.size());
  }
}

Status Stitcher::rehearse(FramePair&& pair, PanoramaFrame& panorama) noexcept {
  if (const Status s = stitch(std::move(pair), std::move(panorama.surface), panorama);
      s != Status::ok)
    return s;
  drain();
  std::span<const OverlapSums> nobody_s;
  statistics_.poll(nobody_s);
  next_measurement_ns_ = INT64_MIN;
  bytes_moved_ = 0;
  return Status::ok;
}

Status Stitcher::stitch(FramePair&& pair, SurfaceRef&& surface, PanoramaFrame& out) noexcept {
  retire();
  update_colours();
  if (in_flight_ == kInFlight) return Status::again;
  StitchKernel::Pictures pictures{};
  StitchKernel::Colours colours{};
  gpu::Wait wait;
  unsigned present = 0;
  for (std::size_t c = 0; c < cameras_; ++c) {
    const CameraFrame& frame = pair.cameras[c];
    const bool here = static_cast<bool>(frame.surface);
    pictures[c] = here ? &frame.surface->memory.buffer : &slates_[c];
    colours[c] = kernel_colour(here ? match_.gains(c) : ColourGains{}, config_.format);
    if (!here) continue;
    wait.add(frame.ready());
    present |= 1u << c;
  }
  const Status launched =
      kernel_.launch(queue_, pictures, present, colours, surface->memory.buffer, wait, &out.ready);
  if (launched != Status::ok) return launched;
  if (gpu::flush(queue_) != Status::ok) return Status::device_lost;
  out.surface = std::move(surface);
  out.capture_ns = pair.capture_ns;
  out.number = pair.number;

  InFlight& slot = ring_[(oldest_ + in_flight_++) % kInFlight];
  slot.done = out.ready;
  measure_colours(pair, std::popcount(present), slot.measured);
  for (std::size_t c = 0; c < cameras_; ++c) {
    if (pair.cameras[c].surface) bytes_moved_ += layouts_[c].picture_bytes();
    slot.pictures[c] = std::move(pair.cameras[c].surface);
  }
  bytes_moved_ += out.surface->layout.picture_bytes() + kernel_.table_bytes();
  return Status::ok;
}

void Stitcher::measure_colours(const FramePair& pair, int present, cl::Event& done) noexcept {
  done = cl::Event();
  if (!config_.colour_match || match_.off() || statistics_.running() ||
      pair.capture_ns < next_measurement_ns_ || present < 2)
    return;
  next_measurement_ns_ = pair.capture_ns + config_.colour_interval_ns;
  statistics_.start(pair, &done);  // a failure shows in the next launch of the frame path
}

void Stitcher::update_colours() noexcept {
  std::span<const OverlapSums> sums;
  if (statistics_.poll(sums)) match_.add(sums);
}

void Stitcher::release_oldest() noexcept {
  InFlight& slot = ring_[oldest_];
  for (SurfaceRef& picture : slot.pictures) picture.reset();
  slot.done = cl::Event();
  slot.measured = cl::Event();
  oldest_ = (oldest_ + 1) % kInFlight;
  --in_flight_;
}

void Stitcher::retire() noexcept {
  while (in_flight_ && gpu::complete(ring_[oldest_].done) && gpu::complete(ring_[oldest_].measured))
    release_oldest();
}

void Stitcher::wait_oldest() noexcept {
  if (!in_flight_) return;
  gpu::wait(ring_[oldest_].done);
  gpu::wait(ring_[oldest_].measured);
  release_oldest();
}

bool Stitcher::measuring() const noexcept {
  for (std::size_t i = 0; i < in_flight_; ++i)
    if (ring_[(oldest_ + i) % kInFlight].measured()) return true;
  return false;
}

void Stitcher::drain() noexcept {
  while (in_flight_) wait_oldest();
}

}  // namespace gantry
