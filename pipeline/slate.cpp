// The drawing of slates.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/slate.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "kernels/font.hpp"

namespace gantry {

Slate::Slate(gpu::Device& device, ColourRange range)
    : queue_(device.make_queue()),
      ground_(range == ColourRange::limited ? 32 : 18),
      ink_(range == ColourRange::limited ? 200 : 214) {}

std::string_view Slate::waiting_text(double seconds, double delay_s, Text& text) noexcept {
  if (seconds <= 0) return "no signal";
  const auto whole = [](double s) {
    return static_cast<int>(std::isfinite(s) ? std::clamp(std::ceil(s), 0.0, 9999.0) : 0);
  };
  const auto end = fmt::format_to_n(text.data(), text.size(), "filling, {} s of {}", whole(seconds),
                                    whole(delay_s));
  return {text.data(), std::min<std::size_t>(end.size, text.size())};
}

void Slate::draw(const Surface& surface, std::string_view text) const noexcept {
  const Nv12Layout& l = surface.layout;
  std::memset(surface.luma(), ground_, l.chroma_offset());
  std::memset(surface.chroma(), 128, l.bytes() - l.chroma_offset());
  font::draw_centred(text, l.width, l.height, [&](int x, int y, int count) {
    std::memset(surface.luma() + static_cast<std::size_t>(y) * l.pitch + x, ink_,
                static_cast<std::size_t>(count));
  });
}

Status Slate::render(std::string_view text, SurfaceRef output, ViewFrame& out) noexcept {
  if (!output->memory.host) return Status::lost;
  draw(*output, text);
  cl::Event done;
  const Status s = gpu::upload(queue_, output->memory, output->layout.bytes(), {}, &done);
  if (s != Status::ok) return s;
  if (const Status flushed = gpu::flush(queue_); flushed != Status::ok) return flushed;
  out.surface = std::move(output);
  out.ready = done;
  out.pose = {};
  out.slate = true;
  return Status::ok;
}

}  // namespace gantry
