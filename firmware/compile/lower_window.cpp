// Pools and resizing.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "firmware/compile/lower.hpp"

namespace gantry::compile {
namespace {

// One axis of a resize: the ONNX definitions, in fp32 as the reference implementation has them.
struct Axis {
  std::int64_t in, out;
  float scale;  // output over input

  float source(Resize::Coordinates mode, std::int64_t at) const {
    const auto o = static_cast<float>(at);
    const float size = static_cast<float>(in), half = (o + 0.5f) / scale - 0.5f;
    using enum Resize::Coordinates;
    switch (mode) {
      case pytorch_half_pixel:
        return out > 1 ? half : 0.0f;
      case align_corners:
        return out > 1 ? o * (size - 1) / static_cast<float>(out - 1) : 0.0f;
      case asymmetric:
        return o / scale;
      case tf_half_pixel_for_nn:
        return (o + 0.5f) / scale;
      case half_pixel_symmetric:
        return size / 2 * (1 - static_cast<float>(out) / (scale * size)) + half;
      case half_pixel:
        break;
    }
    return half;
  }

  std::int64_t nearest(const Resize& op, std::int64_t at) const {
    const float s = source(op.coordinates, at);
    float r = std::floor(s);
    using enum Resize::Rounding;
    if (op.rounding == round_prefer_floor) r = std::ceil(s - 0.5f);
    if (op.rounding == round_prefer_ceil) r = std::floor(s + 0.5f);
    if (op.rounding == ceil || (op.rounding == simple && scale < 1)) r = std::ceil(s);
    return static_cast<std::int64_t>(std::clamp(r, 0.0f, static_cast<float>(in - 1)));
  }
};

}  // namespace

std::vector<std::int64_t> nearest_places(const Resize& op, const Shape& in, const Shape& out) {
  std::vector<std::int64_t> places;
  for (std::size_t a = 0; a < 2; ++a) {
    const Axis axis{in[in.size() - 2 + a], out[out.size() - 2 + a], op.scale[a]};
    for (std::int64_t i = 0; i < axis.out; ++i) places.push_back(axis.nearest(op, i));
  }
  return places;
}

void lower_pool(Lowering& l, const Node& node, const Pool& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const Window& w = op.window;
  std::vector<KernelArgument> arguments{x,
                                        x.strides[0],
                                        x.strides[1],
                                        x.shape[2],
                                        x.shape[3],
                                        y,
                                        y.strides[0],
                                        y.strides[1],
                                        y.shape[3],
                                        y.shape[1],
                                        w.kernel[0],
                                        w.kernel[1],
                                        w.stride[0],
                                        w.stride[1],
                                        w.dilation[0],
                                        w.dilation[1],
                                        w.pad_begin[0],
                                        w.pad_begin[1]};
  if (op.average)
    for (const KernelArgument& more : {KernelArgument(w.pad_end[0]), KernelArgument(w.pad_end[1]),
                                       KernelArgument(op.count_padding)})
      arguments.push_back(more);
  l.step({"nn_window",
          op.average ? "average_pool" : "max_pool",
          {chunks(y.shape[3]), y.shape[2], y.shape[0] * y.shape[1]},
          Lowering::Items::tiles},
         y, arguments);
}

void lower_pool_chain(Lowering& l, const Node& node) {
  constexpr std::int64_t kRows = 8;  // of kernels/nn_window.cl
  const Operand x = l.operand(node.inputs[0]);
  std::vector<KernelArgument> arguments{x,          x.strides[0], x.strides[1],
                                        x.shape[2], x.shape[3],   x.shape[1]};
  for (const int v : node.outputs) {
    const Operand y = l.operand(v);
    arguments.insert(arguments.end(), {y, y.strides[0], y.strides[1]});
  }
  const std::int64_t vector = l.target().vector;
  l.step({"nn_window",
          "max_pool_chain",
          {(x.shape[3] + vector - 1) / vector, (x.shape[2] + kRows - 1) / kRows,
           x.shape[0] * x.shape[1]},
          Lowering::Items::tiles},
         l.operand(node.outputs[2]), arguments);
}

void lower_resize(Lowering& l, const Node& node, const Resize& op) {
  // Any leading dimensions become images and channels: the last of them stays a channel.
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const std::size_t rank = x.shape.size();
  if (rank > 4) throw std::invalid_argument("images of rank 5 and more cannot be resized");
  const auto dimension = [&](const Shape& s, std::size_t from_end, std::int64_t otherwise) {
    return rank >= from_end ? s[rank - from_end] : otherwise;
  };
  const std::int64_t images = dimension(x.shape, 4, 1), channels = dimension(x.shape, 3, 1);
  const Axis axes[2] = {{x.shape[rank - 2], op.size[0], op.scale[0]},
                        {x.shape[rank - 1], op.size[1], op.scale[1]}};
  std::vector<std::int64_t> places;
  std::vector<float> weights;
  if (!op.linear) places = nearest_places(op, x.shape, y.shape);
  for (const Axis& axis : axes) {
    if (!op.linear) break;
    std::vector<std::int64_t> next;
    for (std::int64_t i = 0; i < axis.out; ++i) {
      const float s =
          std::clamp(axis.source(op.coordinates, i), 0.0f, static_cast<float>(axis.in - 1));
      places.push_back(static_cast<std::int64_t>(s));
      next.push_back(std::min(places.back() + 1, axis.in - 1));
      weights.push_back(s - static_cast<float>(places.back()));
    }
    places.insert(places.end(), next.begin(), next.end());
  }
  std::vector<KernelArgument> arguments{x,
                                        dimension(x.strides, 4, 0),
                                        dimension(x.strides, 3, 0),
                                        x.shape[rank - 1],
                                        y,
                                        dimension(y.strides, 4, 0),
                                        dimension(y.strides, 3, 0),
                                        op.size[0],
                                        op.size[1],
                                        channels,
                                        l.table(places)};
  if (op.linear) {
    arguments.emplace_back(l.weights(weights));
  } else {
    const bool has_sum = node.inputs.size() > 1;
    const Operand other = has_sum ? l.operand(node.inputs[1]) : y;
    arguments.insert(
        arguments.end(),
        {other, dimension(other.strides, 4, 0), dimension(other.strides, 3, 0), has_sum,
         static_cast<int>(op.activation.function), op.activation.alpha, op.activation.beta});
  }
  l.step({"nn_window",
          op.linear ? "resize_linear" : "resize_nearest",
          {chunks(op.size[1]), op.size[0], images * channels},
          Lowering::Items::tiles},
         y, arguments);
}

}  // namespace gantry::compile
