// What the renderer does for each frame: exposure and time code, and the launches.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "hal/camera/sim_colour.hpp"
#include "hal/camera/sim_renderer.hpp"

namespace gantry {

void SimRenderer::fill_frame(double time, const FrameStamp& stamp, sim::SimFrame& f) const {
  const std::size_t own = config_.camera % look_.exposure.size();
  const auto wave = [&](double period, float drift) {
    return 1 +
           drift * std::sin(2 * std::numbers::pi * time / period + 2.1 * static_cast<double>(own));
  };
  const double exposure = look_.exposure[own] * wave(37, look_.exposure_drift);
  const double warmth = look_.warmth[own] * wave(53, look_.warmth_drift);
  const auto t = balanced(
      from_rgb_, {std::sqrt(exposure * warmth), std::sqrt(exposure), std::sqrt(exposure / warmth)});
  const double luma_steps = full_range_ ? 255 : 219, chroma_steps = full_range_ ? 255 : 224;
  for (int i = 0; i < 9; ++i)
    f.transform[i] = static_cast<float>(t[i] * (i < 3 ? luma_steps : chroma_steps));
  f.offset[0] = full_range_ ? 0 : 16;
  f.offset[1] = f.offset[2] = 128;
  f.luma_noise = look_.noise;
  f.chroma_noise = 0.6f * look_.noise;
  f.noise_seed = sim_hash(config_.seed, config_.camera + 1, stamp.frame);
  f.ambient = look_.ambient;
  f.sun = look_.sun;
  f.vignette = look_.vignette;
  f.centre_x = static_cast<float>(0.5 * (width() - 1));
  f.centre_y = static_cast<float>(0.5 * (height() - 1));
  f.inverse_radius_squared = 4.0f / static_cast<float>(width() * width() + height() * height());
  f.code_cell = width() / 64 & ~1;
  std::ranges::copy(encode(stamp), f.code);
}

Status SimRenderer::render(const SimState& state, const FrameStamp& stamp, const SimCast& cast,
                           const Surface& out, cl::Event* done) noexcept {
  Slot& slot = slots_[next_slot_++ % kSlots];
  // The kernels of four pictures ago may still read this memory.
  if (const Status s = gpu::wait(slot.done); s != Status::ok) return s;
  auto& frame = *reinterpret_cast<sim::SimFrame*>(slot.memory.host);
  fill_frame(state.time, stamp, frame);
  const SimScene::Drawn drawn = scene_.draw(state, cast, slot.memory.host);
  cl::Event uploaded;
  Status s = gpu::upload(queue_, slot.memory, drawn.bytes, {}, &uploaded);
  const auto then = [&](Status next) {
    if (s == Status::ok) s = next;
  };
  then(gpu::set_argument(compose_, 0, slot.memory.buffer));
  then(gpu::set_argument(compose_, 2, out.memory.buffer));
  const gpu::Range blocks((static_cast<std::size_t>(width()) + 7) / 8,
                          static_cast<std::size_t>(height()) / 2);
  then(gpu::launch(queue_, compose_, blocks, nullptr, {}, &slot.done));
  if (drawn.tiles > 0) {
    constexpr std::size_t kPerTile = SIM_TILE / SIM_BLOCK_COLUMNS * (SIM_TILE / 2);
    const gpu::Range local(kPerTile);
    then(gpu::set_argument(actors_, 0, slot.memory.buffer));
    then(gpu::set_argument(actors_, 4, out.memory.buffer));
    then(gpu::launch(queue_, actors_, gpu::Range(drawn.tiles * kPerTile), &local, {}, &slot.done));
  }
  then(paint_code(slot, out));
  then(gpu::flush(queue_));
  if (done) *done = slot.done;
  return s;
}

Status SimRenderer::paint_code(Slot& slot, const Surface& out) noexcept {
  if (config_.time_code == TimeCode::none) return Status::ok;
  const bool band = config_.time_code == TimeCode::band;
  const cl::Kernel& kernel = band ? band_ : board_;
  Status s = gpu::set_argument(kernel, 0, slot.memory.buffer);
  if (s == Status::ok) s = gpu::set_argument(kernel, band ? 1 : 2, out.memory.buffer);
  if (s != Status::ok) return s;
  const int cell = width() / 64 & ~1;
  const gpu::Range range =
      band ? gpu::Range(32 * static_cast<std::size_t>(cell), static_cast<std::size_t>(cell))
           : gpu::Range(static_cast<std::size_t>(board_box_.columns),
                        static_cast<std::size_t>(board_box_.rows));
  return gpu::launch(queue_, kernel, range, nullptr, {}, &slot.done);
}

}  // namespace gantry
