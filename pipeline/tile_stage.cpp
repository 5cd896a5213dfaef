// Binds the tile kernel once and launches it per analysis.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/tile_stage.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

void require_finite(const TileInput& input) {
  for (int c = 0; c < 3; ++c)
    if (!(input.scale[c] > 0) || !std::isfinite(input.scale[c]) || !std::isfinite(input.bias[c]))
      throw std::invalid_argument(
          fmt::format("detector input: channel {} has scale {} and bias {}; scale must be "
                      "positive, both finite",
                      c, input.scale[c], input.bias[c]));
  if (!(input.pad >= 0 && input.pad <= 255))
    throw std::invalid_argument(
        fmt::format("detector input: pad is {}; it must be from 0 to 255", input.pad));
}

// Whether a network's input has four fp16 channels together; else it has fp32 planes.
bool is_pixels(const PlanTensor& t) {
  const std::int64_t height = t.shape[2], width = t.shape[3];
  if (t.element == Plan::Element::f16 &&
      t.strides == std::vector<std::int64_t>{height * width * 4, 1, width * 4, 4})
    return true;
  if (t.element != Plan::Element::f32 ||
      t.strides != std::vector<std::int64_t>{3 * height * width, height * width, width, 1})
    throw std::invalid_argument("input " + t.name +
                                " has a form that the tile stage does not write");
  return false;
}

}  // namespace

TileInput TileInput::imagenet() {
  constexpr std::array mean{0.485, 0.456, 0.406}, deviation{0.229, 0.224, 0.225};
  TileInput input;
  for (std::size_t c = 0; c < 3; ++c) {
    input.scale[c] = 1 / (255 * deviation[c]);
    input.bias[c] = -mean[c] / deviation[c];
  }
  return input;
}

TileInput TileInput::raw_bgr() {
  return {ColourOrder::bgr, {1, 1, 1}, {0, 0, 0}, 114};
}

TileColour fold_colour(const TileInput& input, ColourMatrix matrix, ColourRange range) {
  require_finite(input);
  const double kr = matrix == ColourMatrix::bt601 ? 0.299 : 0.2126;
  const double kb = matrix == ColourMatrix::bt601 ? 0.114 : 0.0722;
  const double kg = 1 - kr - kb;
  const bool limited = range == ColourRange::limited;
  const double luma = limited ? 255.0 / 219 : 1, black = limited ? 16 : 0;
  const double chroma = limited ? 255.0 / 224 : 1;
  // R, G, B from Cb and Cr, both centred on 128.
  const double cb[3] = {0, -2 * (1 - kb) * kb / kg * chroma, 2 * (1 - kb) * chroma};
  const double cr[3] = {2 * (1 - kr) * chroma, -2 * (1 - kr) * kr / kg * chroma, 0};
  TileColour k{};
  for (int c = 0; c < 3; ++c) {
    const int rgb = input.order == ColourOrder::rgb ? c : 2 - c;
    const double scale = input.scale[c], bias = input.bias[c];
    const double constant = -luma * black - 128 * (cb[rgb] + cr[rgb]);
    k.row[c][0] = static_cast<float>(luma * scale);
    k.row[c][1] = static_cast<float>(cb[rgb] * scale);
    k.row[c][2] = static_cast<float>(cr[rgb] * scale);
    k.row[c][3] = static_cast<float>(constant * scale + bias);
    k.low[c] = static_cast<float>(bias);
    k.high[c] = static_cast<float>(255 * scale + bias);
    k.pad[c] = static_cast<float>(input.pad * scale + bias);
  }
  return k;
}

TileStage::TileStage(gpu::Device& device, const TilePlan& plan, const TileInput& input,
                     const Nv12Layout& layout, ColourMatrix matrix, ColourRange range,
                     const PlanTensor& tensor)
    : TileStage(device, plan, input, layout, matrix, range, tensor.memory.buffer,
                is_pixels(tensor)) {}

TileStage::TileStage(gpu::Device& device, const TilePlan& plan, const TileInput& input,
                     const Nv12Layout& layout, ColourMatrix matrix, ColourRange range,
                     const cl::Buffer& tensor, bool pixels)
    : pixels_(pixels), plan_(plan), layout_(layout) {
  const bool gpu = device.info().kind == gpu::Kind::gpu, native = plan.scale == 1;
  const int vector = gpu ? 4 : 16, lanes = native ? vector : 1, rows = native ? 2 : 1;
  program_ = device.build_family(
      "tile", fmt::format("-DTILE_LANES={}{}{}", vector,
                          plan.network_width % vector == 0 ? " -DTILE_ALIGNED" : "",
                          pixels ? " -DTILE_PIXELS" : ""));
  kernel_ = cl::Kernel(program_, native ? "tile_native" : "tile_scaled");
  origins_ = device.allocate(plan.tiles.size() * sizeof(cl_int2), gpu::Access::upload);
  std::vector<std::uint16_t> all(plan.tiles.size());
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  const cl::CommandQueue queue = device.make_queue();
  if (choose(queue, all) != Status::ok || queue.finish() != CL_SUCCESS)
    throw std::runtime_error(device.info().name + ": the tiles' places cannot be written");
  const TileColour colour = fold_colour(input, matrix, range);
  colour_ = device.constant(&colour, sizeof colour);
  const cl_int2 size{{layout.width, layout.height}};
  const cl_int2 network{{plan.network_width, plan.network_height}};
  kernel_.setArg(1, layout.pitch);
  kernel_.setArg(2, static_cast<cl_int>(layout.chroma_offset()));
  kernel_.setArg(3, size);
  kernel_.setArg(4, origins_.buffer);
  kernel_.setArg(6, network);
  kernel_.setArg(7, colour_);
  kernel_.setArg(8, tensor);
  if (!native) kernel_.setArg(9, static_cast<float>(1 / plan.scale));
  const std::size_t groups = round_up(plan.network_width, lanes) / lanes;
  const std::size_t bands = round_up(plan.network_height, rows) / rows;
  // A warp writes one run of a row, a core whole rows; the same however many tiles there are, so that
  // drivers compile one size.
  local_ = gpu ? gpu::Range(32, 4, 1) : gpu::Range(groups, 4, 1);
  global_ = gpu::Range(round_up(groups, local_.size[0]), round_up(bands, local_.size[1]), 1);
}

Status TileStage::choose(const cl::CommandQueue& queue,
                         std::span<const std::uint16_t> tiles) noexcept {
  auto* origins = reinterpret_cast<cl_int2*>(origins_.host);
  for (std::size_t i = 0; i < tiles.size(); ++i)
    origins[i] = {{plan_.tiles[tiles[i]].x, plan_.tiles[tiles[i]].y}};
  return gpu::upload(queue, origins_, tiles.size() * sizeof(cl_int2), {}, nullptr);
}

Status TileStage::cut(const cl::CommandQueue& queue, const cl::Buffer& picture, int first,
                      int count, const gpu::Wait& wait, cl::Event* done) noexcept {
  if (Status s = gpu::set_argument(kernel_, 0, picture); s != Status::ok) return s;
  if (Status s = gpu::set_value(kernel_, 5, static_cast<cl_int>(first)); s != Status::ok) return s;
  gpu::Range global = global_;
  global.size[2] = static_cast<std::size_t>(count);
  return gpu::launch(queue, kernel_, global, &local_, wait, done);
}

std::uint64_t TileStage::bytes_read(int tile) const {
  const PixelRect r = plan_.rect(plan_.tiles[static_cast<std::size_t>(tile)]);
  const double width = std::min<double>(r.right, layout_.width) - std::max(r.left, 0.0);
  const double height = std::min<double>(r.bottom, layout_.height) - std::max(r.top, 0.0);
  return static_cast<std::uint64_t>(std::max(width, 0.0) * std::max(height, 0.0) * 1.5);
}

std::uint64_t TileStage::bytes_written() const {
  const std::uint64_t pixel = pixels_ ? 4 * sizeof(std::uint16_t) : 3 * sizeof(float);
  return static_cast<std::uint64_t>(plan_.network_width) * plan_.network_height * pixel;
}

}  // namespace gantry
