// Convolutions: packed weights, the prepared input, and the tiles of the launch.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "firmware/compile/lower.hpp"

namespace gantry::compile {
namespace {

// What a core's second-level cache keeps from one tile to the next, in bytes.
constexpr std::int64_t kCached = 512 * 1024;

std::int64_t rounded_up(std::int64_t n, std::int64_t to) {
  return (n + to - 1) / to;
}

// How the kernel walks its input: rows and taps as distances in elements.
struct Source {
  Operand operand;
  std::int64_t image, plane, row_step;
  std::vector<std::int64_t> taps;
  std::int64_t width, rows;       // of the output as the kernel sees it
  std::int64_t padded_width = 0;  // of the rows that it sees as one, where there are such
};

bool is_pointwise(const Window& w) {
  return w.kernel[0] == 1 && w.kernel[1] == 1 && w.stride[0] == 1 && w.stride[1] == 1 &&
         w.pad_begin[0] == 0 && w.pad_begin[1] == 0 && w.pad_end[0] == 0 && w.pad_end[1] == 0;
}

Source direct(const Operand& x, const Window& w, const Shape& out) {
  Source s{x, x.strides[0], x.strides[1], x.shape[3] * w.stride[0], {}, out[3], out[2]};
  for (std::int64_t ky = 0; ky < w.kernel[0]; ++ky)
    for (std::int64_t kx = 0; kx < w.kernel[1]; ++kx)
      s.taps.push_back(ky * w.dilation[0] * x.shape[3] + kx * w.dilation[1]);
  if (is_pointwise(w)) {
    s.width = out[2] * out[3];
    s.rows = 1;
  }
  return s;
}

// The padded copy with its rows and columns apart by phase; see kernels/nn_conv.cl.
Source prepared(Lowering& l, const Operand& x, const Window& w, const Shape& out) {
  const std::int64_t row_phases = w.stride[0], phases = w.stride[1];
  const std::int64_t rows = out[2] + (w.kernel[0] - 1) * w.dilation[0] / row_phases;
  const std::int64_t columns = out[3] + (w.kernel[1] - 1) * w.dilation[1] / phases;
  const Operand copy = l.scratch({x.shape[0], x.shape[1], row_phases * phases, rows, columns});
  l.step({"nn_conv",
          "prepare",
          {row_phases * phases * rows, x.shape[1], x.shape[0]},
          Lowering::Items::tiles},
         copy,
         {x, x.strides[0], x.strides[1], x.shape[3], x.shape[2], x.shape[3], copy, x.shape[1],
          row_phases, phases, rows, columns, w.pad_begin[0], w.pad_begin[1]});
  Source s{copy, copy.strides[0], copy.strides[1], columns, {}, out[3], out[2]};
  for (std::int64_t ky = 0; ky < w.kernel[0]; ++ky)
    for (std::int64_t kx = 0; kx < w.kernel[1]; ++kx) {
      const std::int64_t row = ky * w.dilation[0], column = kx * w.dilation[1];
      const std::int64_t phase = row % row_phases * phases + column % phases;
      s.taps.push_back((phase * rows + row / row_phases) * columns + column / phases);
    }
  // One row of all, where its gaps are smaller than what is left of the last vector of each row.
  const std::int64_t vector = l.target().vector;
  if (columns >= vector && columns < rounded_up(out[3], vector) * vector) {
    s.padded_width = columns;
    s.width = (out[2] - 1) * columns + out[3];
    s.rows = 1;
  }
  return s;
}

Source source_of(Lowering& l, const Operand& x, const Window& w, const Shape& out) {
  const bool padded = w.pad_begin[0] || w.pad_begin[1] || w.pad_end[0] || w.pad_end[1];
  return padded || w.stride[1] != 1 ? prepared(l, x, w, out) : direct(x, w, out);
}

// [group][block of `block` outputs][input][tap][output in block], zeros past the last output.
std::vector<float> packed_weights(const Constant& w, std::int64_t groups, std::int64_t block) {
  const std::int64_t outputs = w.shape[0] / groups, inputs = w.shape[1],
                     taps = w.shape[2] * w.shape[3];
  const std::int64_t blocks = rounded_up(outputs, block);
  std::vector<float> packed(static_cast<std::size_t>(groups * blocks * inputs * taps * block),
                            0.0f);
  std::size_t to = 0;
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t b = 0; b < blocks; ++b)
      for (std::int64_t i = 0; i < inputs; ++i)
        for (std::int64_t t = 0; t < taps; ++t)
          for (std::int64_t c = 0; c < block; ++c, ++to) {
            const std::int64_t out = b * block + c;
            if (out < outputs)
              packed[to] = static_cast<float>(
                  w.at(static_cast<std::size_t>(((g * outputs + out) * inputs + i) * taps + t)));
          }
  return packed;
}

// One bias per channel of every block, in the order of the packed weights.
std::vector<float> packed_bias(const std::vector<float>& bias, std::int64_t groups,
                               std::int64_t block) {
  const std::int64_t outputs = static_cast<std::int64_t>(bias.size()) / groups;
  const std::int64_t blocks = rounded_up(outputs, block);
  std::vector<float> packed(static_cast<std::size_t>(groups * blocks * block), 0.0f);
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t c = 0; c < outputs; ++c)
      packed[static_cast<std::size_t>(g * blocks * block + c)] =
          bias[static_cast<std::size_t>(g * outputs + c)];
  return packed;
}

// Walking all blocks of channels of a tile first reads the weights once per tile; walking all tiles of
// a block first reads the input once per block. What a cache keeps costs nothing.
bool walk_blocks_first(std::int64_t weight_bytes, std::int64_t tiles, std::int64_t input_bytes,
                       std::int64_t blocks) {
  const std::int64_t blocks_first = weight_bytes <= kCached ? 0 : weight_bytes * tiles;
  const std::int64_t tiles_first = input_bytes <= kCached ? 0 : input_bytes * blocks;
  return blocks_first <= tiles_first;
}

}  // namespace

std::vector<float> bias_of(const Lowering& l, int value, std::int64_t channels) {
  std::vector<float> bias(static_cast<std::size_t>(channels), 0.0f);
  if (const Constant* c = l.constant(value))
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(c->at(i));
  return bias;
}

void lower_convolution(Lowering& l, const Node& node, const Conv& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const bool has_residual = node.inputs[3] != kAbsent;
  const Operand residual = has_residual ? l.operand(node.inputs[3]) : y;
  const Constant& w = *l.constant(node.inputs[1]);
  const Source s = source_of(l, x, op.window, y.shape);

  const Target& target = l.target();
  const std::int64_t inputs = w.shape[1], outputs = w.shape[0] / op.group;
  const bool depthwise = inputs == 1 && op.group > 1;
  const std::int64_t units_per_row = rounded_up(s.width, target.vector);
  const std::int64_t units = units_per_row * s.rows;
  const std::int64_t tiles = rounded_up(units, target.units);
  const std::int64_t blocks = rounded_up(outputs, target.channels);
  const auto bias = bias_of(l, node.inputs[2], w.shape[0]);
  const Operand weights = l.weights(depthwise ? packed_weights(w, w.shape[0], 1)
                                              : packed_weights(w, op.group, target.channels));
  const Operand biases = l.weights(depthwise ? bias : packed_bias(bias, op.group, target.channels));
  std::vector<KernelArgument> arguments{s.operand,
                                        s.image,
                                        s.plane,
                                        s.row_step,
                                        weights,
                                        biases,
                                        l.table(s.taps),
                                        static_cast<int>(s.taps.size()),
                                        y,
                                        y.strides[0],
                                        y.strides[1],
                                        residual,
                                        residual.strides[0],
                                        residual.strides[1],
                                        has_residual,
                                        op.residual_first,
                                        op.residual_enlarged ? residual.shape[3] : 0,
                                        s.width,
                                        s.padded_width,
                                        y.shape[3],
                                        units_per_row,
                                        units,
                                        inputs,
                                        outputs,
                                        op.group,
                                        static_cast<int>(op.activation.function),
                                        op.activation.alpha,
                                        op.activation.beta};
  const auto macs = static_cast<std::uint64_t>(count(y.shape) * inputs) * s.taps.size();
  if (depthwise) {
    l.step({target.convolutions,
            "conv_depthwise",
            {tiles, w.shape[0], y.shape[0]},
            Lowering::Items::tiles,
            macs},
           y, arguments);
    return;
  }
  const std::int64_t input_bytes = count(s.operand.shape) * 4 / (op.group * y.shape[0]);
  const bool blocks_first =
      walk_blocks_first(weights.shape[0] * 4 / op.group, tiles, input_bytes, blocks);
  arguments.emplace_back(blocks_first);
  std::vector<std::int64_t> global{tiles, blocks, y.shape[0] * op.group};
  if (blocks_first) std::swap(global[0], global[1]);
  const bool single = s.taps.size() == 1 && s.taps[0] == 0;
  l.step({target.convolutions, single ? "conv_1x1" : "conv", global, Lowering::Items::tiles, macs},
         y, arguments);
}

void lower_convolution_transpose(Lowering& l, const Node& node, const ConvTranspose& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const Constant& w = *l.constant(node.inputs[1]);
  std::vector<float> values(w.count());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(w.at(i));
  const Window& v = op.window;
  const auto macs =
      static_cast<std::uint64_t>(count(x.shape) * w.shape[1] * v.kernel[0] * v.kernel[1]);
  l.step({"nn_conv",
          "conv_transpose",
          {y.shape[2] * y.shape[3], y.shape[0] * y.shape[1]},
          Lowering::Items::elements,
          macs},
         y,
         {x,
          x.strides[0],
          x.strides[1],
          x.shape[3],
          x.shape[2],
          x.shape[3],
          l.weights(values),
          l.weights(bias_of(l, node.inputs[2], y.shape[1])),
          y,
          y.strides[0],
          y.strides[1],
          y.shape[3],
          x.shape[1] / op.group,
          w.shape[1],
          op.group,
          v.kernel[0],
          v.kernel[1],
          v.stride[0],
          v.stride[1],
          v.dilation[0],
          v.dilation[1],
          v.pad_begin[0],
          v.pad_begin[1],
          y.shape[2] * y.shape[3]});
}

}  // namespace gantry::compile
