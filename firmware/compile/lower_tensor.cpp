// Channels-last fp16 operations: convolutions and attention by matrix units, pools, resizing, heads.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "firmware/compile/lower.hpp"
#include "pipeline/plan/half.hpp"
#include "pipeline/plan/tensor_tiles.hpp"

namespace gantry::compile {
namespace {

constexpr std::int64_t kChunk = 8;   // channels of an item's load
constexpr std::int64_t kLanes = 32;  // of a warp
constexpr std::int64_t kRun = 4;     // output pixels of an item of a depthwise convolution
constexpr std::int64_t kGroup = 128;

std::int64_t rounded_up(std::int64_t n, std::int64_t to) {
  return (n + to - 1) / to;
}

// Buffer, then strides of image, row and pixel.
void add_image(std::vector<KernelArgument>& arguments, const Operand& o) {
  arguments.insert(arguments.end(), {o, o.strides[0], o.strides[2], o.strides[3]});
}

// What the four items of a quad load at a step: taps and channels in chunks of 8, or for pictures of
// up to 4 channels rows of 4 pixels in two halves. -1: nothing. `rest`: to be multiplied by what
// fp16 leaves of the weights. Pictures need it: their pixels are alike over large areas, and the
// error of a weight, which others would average out, is the same in all of them.
struct Load {
  std::int64_t ky = -1, kx = 0, channel = 0;
  bool rest = false;
};
struct Walk {
  bool pixels4 = false;
  std::int64_t width = kChunk;  // channels of a load
  std::vector<Load> loads;      // whole steps of 32 channels
  std::int64_t steps() const {
    return static_cast<std::int64_t>(loads.size()) * width / (4 * kChunk);
  }
};

Walk walk_of(const Window& w, std::int64_t inputs) {
  Walk walk;
  walk.pixels4 = inputs % kChunk != 0;
  walk.width = walk.pixels4 ? 4 : kChunk;
  if (walk.pixels4) {
    for (const bool rest : {false, true})
      for (std::int64_t ky = 0; ky < w.kernel[0]; ++ky)
        for (std::int64_t kx = 0; kx < 4; ++kx)
          walk.loads.push_back({kx < w.kernel[1] ? ky : -1, kx, 0, rest});
  } else {
    for (std::int64_t ky = 0; ky < w.kernel[0]; ++ky)
      for (std::int64_t kx = 0; kx < w.kernel[1]; ++kx)
        for (std::int64_t c = 0; c < inputs; c += kChunk) walk.loads.push_back({ky, kx, c});
  }
  while (static_cast<std::int64_t>(walk.loads.size()) * walk.width % (4 * kChunk))
    walk.loads.emplace_back();
  return walk;
}

std::vector<std::int64_t> taps_of(const Walk& walk, const Window& w, const Operand& x) {
  constexpr std::int64_t kNever = std::int64_t{1} << 31;  // a bit that no row has
  std::vector<std::int64_t> table;
  for (const Load& l : walk.loads) {
    if (l.ky < 0) {
      table.insert(table.end(), {0, -kNever});
      continue;
    }
    table.push_back(l.ky * w.dilation[0] * x.strides[2] + l.kx * w.dilation[1] * x.strides[3] +
                    l.channel);
    std::int64_t bits = std::int64_t{1} << l.kx | std::int64_t{1} << (16 + l.ky);
    if (bits >= kNever) bits -= 2 * kNever;
    table.push_back(bits);
  }
  return table;
}

float as_half(double v) {
  return float_of_half(half_of(static_cast<float>(v)));
}

// Weights as fp16 holds them. Each filter hands the error of a weight on to its next one: where
// neighbouring pixels are alike, they cancel. Order: outputs, inputs, rows, columns.
std::vector<float> half_filters(const Constant& w) {
  const auto filters = static_cast<std::size_t>(w.shape[0]);
  const std::size_t each =
      static_cast<std::size_t>(count(w.shape)) / std::max<std::size_t>(1, filters);
  std::vector<float> rounded;
  rounded.reserve(filters * each);
  for (std::size_t f = 0; f < filters; ++f) {
    double carried = 0;
    for (std::size_t i = 0; i < each; ++i) {
      const double wanted = w.at(f * each + i) + carried;
      rounded.push_back(as_half(wanted));
      carried = wanted - double{rounded.back()};
    }
  }
  return rounded;
}

// [step][fragment][lane][8]; see kernels/nn_tensor.cl for which channel a fragment's column is.
std::vector<float> fragments_of(const Walk& walk, const Constant& w, std::int64_t fragments,
                                std::int64_t group) {
  const std::int64_t outputs = w.shape[0], inputs = w.shape[1], height = w.shape[2],
                     width = w.shape[3];
  const std::vector<float> rounded = half_filters(w);
  const auto weight = [&](const Load& l, std::int64_t out, std::int64_t in) {
    const auto at = static_cast<std::size_t>(((out * inputs + in) * height + l.ky) * width + l.kx);
    if (!walk.pixels4) return rounded[at];
    const double exact = w.at(at);
    return l.rest ? as_half(exact - double{as_half(exact)}) : as_half(exact);
  };
  std::vector<float> packed;
  packed.reserve(static_cast<std::size_t>(walk.steps() * fragments * kLanes * 8));
  const std::int64_t halves = kChunk / walk.width;
  for (std::int64_t step = 0; step < walk.steps(); ++step)
    for (std::int64_t f = 0; f < fragments; ++f)
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        const std::int64_t g = lane / 4, t = lane % 4;
        const std::int64_t out = f / group * group * 8 + g / 2 * 2 * group + f % group * 2 + g % 2;
        for (std::int64_t i = 0; i < 8; ++i) {
          const Load& l =
              walk.loads[static_cast<std::size_t>((step * halves + i / walk.width) * 4 + t)];
          const std::int64_t in = l.channel + i % walk.width;
          packed.push_back(l.ky < 0 || out >= outputs || in >= inputs ? 0.0f : weight(l, out, in));
        }
      }
  return packed;
}

std::int64_t fragment_group(std::int64_t outputs) {
  return outputs % 32 == 0 ? 4 : outputs > 8 ? 2 : 1;
}

bool stores_whole(const Operand& y, std::int64_t outputs, std::int64_t group) {
  return outputs % (2 * group) == 0 && y.strides[3] % 8 == 0;
}

void lower_depthwise(Lowering& l, const Node& node, const Conv& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const bool has_residual = node.inputs[3] != kAbsent;
  const Operand residual = has_residual ? l.operand(node.inputs[3]) : y;
  const Constant& w = *l.constant(node.inputs[1]);
  const std::int64_t channels = w.shape[0], taps = w.shape[2] * w.shape[3];
  const std::vector<float> rounded = half_filters(w);
  std::vector<float> packed;
  for (std::int64_t t = 0; t < taps; ++t)
    for (std::int64_t c = 0; c < channels; ++c)
      packed.push_back(rounded[static_cast<std::size_t>(c * taps + t)]);
  std::vector<KernelArgument> arguments;
  add_image(arguments, x);
  arguments.emplace_back(l.half_weights(packed));
  arguments.emplace_back(l.weights(bias_of(l, node.inputs[2], channels)));
  add_image(arguments, y);
  add_image(arguments, residual);
  const Window& v = op.window;
  const std::int64_t chunks = channels / kChunk;
  arguments.insert(arguments.end(), {has_residual, op.residual_first, x.shape[2], x.shape[3],
                                     y.shape[3], chunks, v.stride[0], v.dilation[0], v.pad_begin[0],
                                     v.pad_begin[1], op.activation.alpha, op.activation.beta});
  l.step({"nn_channels",
          "depthwise",
          {rounded_up(chunks * rounded_up(y.shape[3], kRun), kGroup), y.shape[2], y.shape[0]},
          Lowering::Items::groups,
          static_cast<std::uint64_t>(count(y.shape) * taps),
          fmt::format(" -DFUNCTION={} -DKERNEL_Y={} -DKERNEL_X={} -DSTRIDE_X={} -DRUN={}",
                      static_cast<int>(op.activation.function), v.kernel[0], v.kernel[1],
                      v.stride[1], kRun),
          {kGroup, 1, 1}},
         y, arguments);
}

}  // namespace

void lower_tensor_convolution(Lowering& l, const Node& node, const Conv& op) {
  if (op.group > 1) return lower_depthwise(l, node, op);
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const bool has_residual = node.inputs[3] != kAbsent;
  const Operand residual = has_residual ? l.operand(node.inputs[3]) : y;
  const Constant& w = *l.constant(node.inputs[1]);
  const Window& v = op.window;
  const std::int64_t outputs = w.shape[0], inputs = w.shape[1];
  const std::int64_t group = fragment_group(outputs);
  const std::int64_t fragments = rounded_up(outputs, 8 * group) * group;
  const Walk walk = walk_of(v, inputs);
  const bool pointwise = !walk.pixels4 && v.kernel[0] == 1 && v.kernel[1] == 1 &&
                         v.stride[0] == 1 && v.stride[1] == 1 && v.pad_begin[0] == 0 &&
                         v.pad_begin[1] == 0 && v.pad_end[0] == 0 && v.pad_end[1] == 0;
  auto bias = bias_of(l, node.inputs[2], outputs);
  bias.resize(static_cast<std::size_t>(fragments * 8));

  std::vector<KernelArgument> arguments;
  add_image(arguments, x);
  arguments.emplace_back(l.half_weights(fragments_of(walk, w, fragments, group)));
  arguments.emplace_back(l.weights(bias));
  arguments.emplace_back(l.table(taps_of(walk, v, x)));
  arguments.insert(arguments.end(), {walk.steps(), inputs});
  add_image(arguments, y);
  add_image(arguments, residual);
  arguments.insert(arguments.end(), {x.shape[2], x.shape[3], y.shape[0], y.shape[2], y.shape[3],
                                     outputs, fragments, v.kernel[0], v.kernel[1], v.stride[0],
                                     v.stride[1], v.dilation[0], v.dilation[1], v.pad_begin[0],
                                     v.pad_begin[1], op.activation.alpha, op.activation.beta});
  const char* enlarged = op.residual_enlarged ? " -DENLARGED" : "";
  const int residual_kind = !has_residual ? 0 : op.residual_first ? 2 : 1;
  Plan::Step& step =
      l.step({"nn_tensor",
              "conv",
              {1, 1, 1},  // the tile's matter
              Lowering::Items::groups,
              static_cast<std::uint64_t>(count(y.shape) * inputs) *
                  static_cast<std::uint64_t>(v.kernel[0] * v.kernel[1]),
              fmt::format("{}{}{}{} -DGROUP={} -DFUNCTION={} -DRESIDUAL={}",
                          pointwise ? " -DPOINTWISE" : "", walk.pixels4 ? " -DPIXELS4" : "",
                          stores_whole(y, outputs, group) ? " -DWHOLE" : "", enlarged, group,
                          static_cast<int>(op.activation.function), residual_kind),
              {kLanes, 1, 1}},
             y, arguments);
  const TensorWork work = *tensor_work(step);
  cut(step, work, usual_tile(work));
}

void lower_channels_pool(Lowering& l, const Node& node, const Pool& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const Window& w = op.window;
  const std::int64_t chunks = x.shape[1] / kChunk;
  std::vector<KernelArgument> arguments;
  add_image(arguments, x);
  add_image(arguments, y);
  arguments.insert(arguments.end(), {x.shape[2], x.shape[3], y.shape[3], chunks, w.kernel[0],
                                     w.kernel[1], w.stride[0], w.stride[1], w.dilation[0],
                                     w.dilation[1], w.pad_begin[0], w.pad_begin[1]});
  l.step({"nn_channels",
          "max_pool",
          {rounded_up(chunks * y.shape[3], kGroup), y.shape[2], y.shape[0]},
          Lowering::Items::groups,
          0,
          {},
          {kGroup, 1, 1}},
         y, arguments);
}

void lower_channels_pool_chain(Lowering& l, const Node& node) {
  constexpr std::int64_t kRows = 8;  // POOL_ROWS of kernels/nn_channels.cl
  const Operand x = l.operand(node.inputs[0]);
  const std::int64_t pairs = x.shape[1] / 2;
  std::vector<KernelArgument> arguments;
  add_image(arguments, x);
  for (const int v : node.outputs) add_image(arguments, l.operand(v));
  arguments.insert(arguments.end(), {x.shape[2], x.shape[3], pairs});
  l.step({"nn_channels",
          "max_pool_chain",
          {rounded_up(pairs * x.shape[3], kGroup), rounded_up(x.shape[2], kRows), x.shape[0]},
          Lowering::Items::groups,
          0,
          {},
          {kGroup, 1, 1}},
         l.operand(node.outputs[2]), arguments);
}

void lower_channels_resize(Lowering& l, const Node& node, const Resize& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const bool has_residual = node.inputs.size() > 1;
  const Operand residual = has_residual ? l.operand(node.inputs[1]) : y;
  const std::int64_t chunks = x.shape[1] / kChunk;
  std::vector<KernelArgument> arguments;
  for (const Operand& o : {x, y, residual}) add_image(arguments, o);
  arguments.insert(arguments.end(), {y.shape[2], y.shape[3], chunks});
  arguments.emplace_back(l.table(nearest_places(op, x.shape, y.shape)));
  arguments.insert(arguments.end(), {op.activation.alpha, op.activation.beta});
  l.step({"nn_channels",
          "resize_nearest",
          {rounded_up(chunks * y.shape[3], kGroup), y.shape[2], y.shape[0]},
          Lowering::Items::groups,
          0,
          has_residual
              ? fmt::format(" -DRESIDUAL=1 -DFUNCTION={}", static_cast<int>(op.activation.function))
              : "",
          {kGroup, 1, 1}},
         y, arguments);
}

bool lower_channels_copy(Lowering& l, const Operand& x, const Operand& y) {
  if (l.element(x) != Plan::Element::f16 || l.element(y) != Plan::Element::f16) return false;
  const std::size_t rank = y.shape.size();
  std::size_t channels = rank;
  std::vector<std::size_t> others;
  for (std::size_t d = 0; d < rank; ++d) {
    if (x.strides[d] == 1 && y.strides[d] == 1 && y.shape[d] % kChunk == 0)
      channels = d;
    else
      others.push_back(d);
  }
  if (channels == rank || others.size() > 3) return false;
  for (const auto d : others)
    if (x.strides[d] % kChunk || y.strides[d] % kChunk) return false;
  if (l.offset(x) % kChunk || l.offset(y) % kChunk) return false;
  std::int64_t size[3] = {1, 1, 1}, from[3] = {}, to[3] = {};
  const std::size_t first = 3 - others.size();
  for (std::size_t i = 0; i < others.size(); ++i) {
    size[first + i] = y.shape[others[i]];
    from[first + i] = x.strides[others[i]];
    to[first + i] = y.strides[others[i]];
  }
  const std::int64_t chunks = y.shape[channels] / kChunk;
  l.step({"nn_channels",
          "copy",
          {rounded_up(chunks * size[2], kGroup), size[1], size[0]},
          Lowering::Items::groups,
          0,
          {},
          {kGroup, 1, 1}},
         y, {x, from[0], from[1], from[2], y, to[0], to[1], to[2], size[2], chunks});
  return true;
}

void lower_attention(Lowering& l, const Node& node, const Attention& op) {
  const Operand q = l.operand(node.inputs[0]), k = l.operand(node.inputs[1]),
                v = l.operand(node.inputs[2]), y = l.operand(node.outputs[0]);
  constexpr std::int64_t kWarps = 4, kQueries = 16;
  std::vector<KernelArgument> arguments;
  for (const Operand& o : {q, k, v, y})
    arguments.insert(arguments.end(), {o, o.strides[0], o.strides[1], o.strides[3]});
  const std::int64_t tokens = q.shape[3], depth = q.shape[2];
  arguments.insert(arguments.end(), {tokens, depth, op.scale});
  l.step({"nn_tensor",
          "attention",
          {rounded_up(tokens, kWarps * kQueries), q.shape[1], q.shape[0]},
          Lowering::Items::groups,
          static_cast<std::uint64_t>(count(q.shape) * tokens * (depth + v.shape[2]) / depth),
          fmt::format(" -DATTENTION -DFX=1 -DFY=1 -DN_FRAGS=1 -DGROUP=1 -DWARPS_M={} -DWARPS_N=1",
                      kWarps),
          {kLanes, kWarps, 1}},
         y, arguments);
}

void lower_distance_boxes(Lowering& l, const Node& node) {
  const Operand bins = l.operand(node.inputs[0]), scores = l.operand(node.inputs[1]),
                anchors = l.operand(node.inputs[2]), steps = l.operand(node.inputs[3]),
                y = l.operand(node.outputs[0]);
  const std::int64_t count = y.shape[2];
  l.step({"nn_channels",
          "distance_boxes",
          {rounded_up(count, kGroup), y.shape[0]},
          Lowering::Items::groups,
          0,
          {},
          {kGroup, 1, 1}},
         y,
         {bins, bins.strides[0], bins.strides[2], scores, scores.strides[0], scores.strides[2],
          anchors, steps, y, y.strides[0], y.strides[1], count, scores.shape[1]});
}

}  // namespace gantry::compile
