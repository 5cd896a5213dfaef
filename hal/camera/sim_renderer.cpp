// Set-up of the background and the launches of a frame.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/sim_renderer.hpp"

#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "hal/camera/sim_colour.hpp"

namespace gantry {
namespace {

void copy(const SimColour& c, float* out) {
  out[0] = c.r, out[1] = c.g, out[2] = c.b;
}

const RigCamera& camera_of(const Rig& rig, std::size_t index) {
  if (index >= rig.cameras.size())
    throw std::invalid_argument(
        fmt::format("sim camera {}: the rig has {} cameras", index, rig.cameras.size()));
  return rig.cameras[index];
}

const SimMast& checked(const SimMast& mast) {
  if (!(mast.height >= 1 && mast.height <= 50))
    throw std::invalid_argument(
        fmt::format("sim camera: mast height {} m; 1 to 50 are possible", mast.height));
  return mast;
}

void sent(Status status) {
  if (status != Status::ok) throw std::runtime_error("sim camera: the device takes no memory");
}

}  // namespace

SimRenderer::SimRenderer(gpu::Device& device, const Rig& rig, const SimLook& look,
                         const SimRendererConfig& config)
    : config_(config),
      view_(camera_of(rig, config.camera),
            config.width ? config.width : rig.cameras[config.camera].lens.width,
            config.height ? config.height : rig.cameras[config.camera].lens.height,
            checked(config.mast)),
      look_(look),
      from_rgb_(ycc_from_rgb(rig.matrix)),
      full_range_(rig.range == ColourRange::full),
      scene_(view_, look, from_rgb_, config.seed),
      layout_(view_.width(), view_.height()),
      queue_(device.make_queue()),
      program_(device.build_family("sim")) {
  allocate(device);
  draw_mesh();
  draw_background();
  for (Slot& slot : slots_) slot.memory = device.allocate(layout_.bytes, gpu::Access::upload);
  if (config_.time_code == TimeCode::band) band_cell(this->width());  // throws where it has no room
  if (config_.time_code == TimeCode::board) place_board(device, rig);
}

void SimRenderer::allocate(gpu::Device& device) {
  mesh_nodes_ = (width() + SIM_MESH_STEP - 1) / SIM_MESH_STEP + 3;
  const std::size_t picture_bytes = nv12_layout(width(), height()).bytes();
  mesh_ = device.allocate(mesh_bytes(), gpu::Access::upload);
  ground_ = device.allocate(sizeof(sim::SimGround), gpu::Access::upload);
  background_ = device.allocate(picture_bytes * sizeof(cl_ushort), gpu::Access::device);
  bind();
}

std::size_t SimRenderer::mesh_bytes() const {
  const int rows = (height() + SIM_MESH_STEP - 1) / SIM_MESH_STEP + 3;
  return static_cast<std::size_t>(mesh_nodes_) * rows * sizeof(cl_float4);
}

void SimRenderer::stage(const Rig& rig, const SimLook& look, const SimMast& mast,
                        std::uint64_t seed) {
  queue_.finish();
  config_.mast = mast;
  config_.seed = seed;
  view_ = SimView(camera_of(rig, config_.camera), width(), height(), checked(mast));
  look_ = look;
  scene_ = SimScene(view_, look, from_rgb_, seed);
  draw_mesh();
  draw_background();
}

// Directions every few pixels, one node beyond each edge; w = 0 where the lens sees nothing.
void SimRenderer::draw_mesh() {
  auto* nodes = reinterpret_cast<cl_float4*>(mesh_.host);
  const int rows = static_cast<int>(mesh_bytes() / sizeof(cl_float4)) / mesh_nodes_;
  for (int j = 0; j < rows; ++j)
    for (int i = 0; i < mesh_nodes_; ++i) {
      const auto d = view_.direction({(i - 1.0) * SIM_MESH_STEP, (j - 1.0) * SIM_MESH_STEP});
      cl_float4& node = nodes[j * mesh_nodes_ + i];
      node = {};
      if (d)
        node = {
            {static_cast<float>(d->x), static_cast<float>(d->y), static_cast<float>(d->z), 1.0f}};
    }
  // No command that waits: another camera's background may be under way.
  sent(gpu::upload(queue_, mesh_, mesh_bytes(), {}, nullptr));
}

void SimRenderer::draw_background() {
  const SimLook& look = look_;
  sim::SimGround g{};
  const Vector3 eye = view_.eye(), sun = sun_direction(look);
  g.camera[0] = static_cast<float>(eye.x), g.camera[1] = static_cast<float>(eye.y);
  g.camera[2] = static_cast<float>(eye.z);
  g.sun_direction[0] = static_cast<float>(sun.x), g.sun_direction[1] = static_cast<float>(sun.y);
  g.sun_direction[2] = static_cast<float>(sun.z);
  g.sun = look.sun, g.ambient = look.ambient;
  copy(look.grass_light, g.grass_light);
  copy(look.grass_dark, g.grass_dark);
  g.stripe_contrast = look.stripe_contrast, g.stripes = look.stripes;
  g.wear = look.wear, g.line_strength = look.line_strength;
  copy(look.surround, g.surround);
  g.texture = look.texture;
  copy(look.line_colour, g.line_colour);
  copy(look.other_line_colour, g.other_line_colour);
  g.other_lines = look.other_lines;
  g.letters = look.letters, g.specks = look.specks;
  g.running_track = look.running_track;
  g.stand = look.stand, g.crowd = look.crowd;
  copy(look.stand_colour, g.stand_colour);
  g.haze = look.haze, g.clouds = look.clouds;
  copy(look.sky_top, g.sky_top);
  copy(look.sky_horizon, g.sky_horizon);
  g.vignette = look.vignette;
  g.centre_x = static_cast<float>(0.5 * (width() - 1)),
  g.centre_y = static_cast<float>(0.5 * (height() - 1));
  g.inverse_radius_squared = 4.0f / static_cast<float>(width() * width() + height() * height());
  for (int i = 0; i < 9; ++i) g.from_rgb[i] = static_cast<float>(from_rgb_[i]);
  g.seed = sim_hash(config_.seed, 0, 0);
  g.samples = config_.samples;
  g.black = config_.black_background;
  std::memcpy(ground_.host, &g, sizeof g);
  sent(gpu::upload(queue_, ground_, sizeof g, {}, nullptr));

  cl::Kernel background(program_, "sim_background");
  background.setArg(0, ground_.buffer);
  background.setArg(1, mesh_.buffer);
  background.setArg(2, mesh_nodes_);
  background.setArg(3, background_.buffer);
  background.setArg(4, width());
  background.setArg(5, height());
  background.setArg(6, nv12_layout(width(), height()).pitch);
  queue_.enqueueNDRangeKernel(background, cl::NullRange, cl::NDRange(width() / 2, height() / 2));
  queue_.flush();  // drawn while the rest is set up
}

// Everything that stays the same from frame to frame.
void SimRenderer::bind() {
  const int pitch = nv12_layout(width(), height()).pitch;
  compose_ = cl::Kernel(program_, "sim_compose");
  actors_ = cl::Kernel(program_, "sim_actors");
  band_ = cl::Kernel(program_, "sim_band");
  board_ = cl::Kernel(program_, "sim_board");
  compose_.setArg(1, background_.buffer);
  compose_.setArg(3, height());
  compose_.setArg(4, pitch);
  actors_.setArg(1, static_cast<int>(layout_.tiles_offset));
  actors_.setArg(2, static_cast<int>(layout_.members_offset));
  actors_.setArg(3, background_.buffer);
  actors_.setArg(5, height());
  actors_.setArg(6, pitch);
  const int black = full_range_ ? 0 : 16, white = full_range_ ? 255 : 235;
  band_.setArg(2, height());
  band_.setArg(3, pitch);
  band_.setArg(4, black);
  band_.setArg(5, white);
  board_.setArg(5, height());
  board_.setArg(6, pitch);
  board_.setArg(7, black);
  board_.setArg(8, white);
}

}  // namespace gantry
