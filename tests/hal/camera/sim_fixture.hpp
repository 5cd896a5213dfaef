// What the simulator's tests share: a rig, a device, and pictures in host memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "hal/camera/sim_renderer.hpp"
#include "hal/camera/sim_truth.hpp"

namespace gantry::simtest {

constexpr double kDegree = std::numbers::pi / 180;

// Two cameras 85° apart, 15° down, 100° of equidistant lens: the reference's geometry.
inline Rig rig(int width = 640, int height = 360) {
  Rig r;
  for (int i = 0; i < 2; ++i) {
    RigCamera c;
    c.name = i ? "right" : "left";
    c.lens.model = Lens::Model::fisheye;
    c.lens.width = width;
    c.lens.height = height;
    c.lens.fx = c.lens.fy = 0.5 * width / (50 * kDegree);
    c.lens.cx = 0.5 * (width - 1);
    c.lens.cy = 0.5 * (height - 1);
    c.lens.distortion = {-0.02, 0.004};
    c.mounting = {(i ? 42.5 : -42.5) * kDegree, -15 * kDegree, 0};
    r.cameras.push_back(c);
  }
  r.panorama = {1900, 634, -90 * kDegree, 90 * kDegree, 13 * kDegree, -46 * kDegree};
  return r;
}

// One light from everywhere, no shadows, no noise: what a ruler needs.
inline SimLook flat_look() {
  SimLook look = plain_look();
  look.sun = 0;
  look.ambient = 1;
  look.noise = 0;
  look.vignette = 0;
  look.haze = 0;
  look.exposure = {1, 1, 1, 1};
  look.warmth = {1, 1, 1, 1};
  look.exposure_drift = look.warmth_drift = 0;
  look.ball_patches = 0;
  return look;
}

inline gpu::Device& device() {
  // Compiled once per machine, not once per test program.
  static gpu::Device d({}, std::filesystem::temp_directory_path() / "gantry-sim-test-programs");
  return d;
}

struct Picture {
  Nv12Layout layout;
  std::vector<std::uint8_t> bytes;
  int luma(int x, int y) const { return bytes[static_cast<std::size_t>(y) * layout.pitch + x]; }
  int cb(int x, int y) const {
    return bytes[layout.chroma_offset() + static_cast<std::size_t>(y / 2) * layout.pitch +
                 (x & ~1)];
  }
  int cr(int x, int y) const {
    return bytes[layout.chroma_offset() + static_cast<std::size_t>(y / 2) * layout.pitch + (x | 1)];
  }
  LumaView view() const { return {bytes.data(), layout.width, layout.height, layout.pitch}; }
  double bilinear(double x, double y) const {
    const int ix = static_cast<int>(std::floor(x)), iy = static_cast<int>(std::floor(y));
    const double u = x - ix, v = y - iy;
    return (luma(ix, iy) * (1 - u) + luma(ix + 1, iy) * u) * (1 - v) +
           (luma(ix, iy + 1) * (1 - u) + luma(ix + 1, iy + 1) * u) * v;
  }
};

inline Picture render(SimRenderer& renderer, const SimState& state, const FrameStamp& stamp = {},
                      const SimCast& cast = {}) {
  const auto layout = nv12_layout(renderer.width(), renderer.height());
  auto pool = make_surface_pool(device(), layout, 1, gpu::Access::download);
  auto surface = pool->acquire();
  if (surface->memory.host) std::fill_n(surface->luma(), layout.bytes(), std::uint8_t{0x5a});
  cl::Event drawn, down;
  EXPECT_EQ(renderer.render(state, stamp, cast, *surface, &drawn), Status::ok);
  const auto queue = device().make_queue();
  EXPECT_EQ(gpu::download(queue, surface->memory, layout.bytes(), {drawn()}, &down), Status::ok);
  EXPECT_EQ(gpu::flush(queue), Status::ok);
  EXPECT_EQ(gpu::wait(down), Status::ok);
  return {layout, {surface->luma(), surface->luma() + layout.bytes()}};
}

inline SimState state_at(double time, std::uint64_t seed = 1) {
  SimWorld world(seed);
  SimState s;
  world.at(time, s);
  return s;
}

// A world with nobody in sight.
inline SimState deserted() {
  SimState s = state_at(0);
  for (SimPerson& p : s.persons) p.y = -500;
  s.ball.velocity = {};
  return s;
}

}  // namespace gantry::simtest
