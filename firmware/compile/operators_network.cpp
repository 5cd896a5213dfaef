// Convolutions, pools, resizing and matrices, from every opset that is read.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "firmware/compile/operators.hpp"

namespace gantry::compile {
namespace {

// [n, c, l] becomes [n, c, 1, l]; anything but one or two spatial dimensions is refused.
int as_image(OperatorCall& call, int x) {
  const Shape s = call.builder.shape(x);
  if (s.size() == 4) return x;
  if (s.size() != 3)
    throw std::invalid_argument("one or two spatial dimensions are supported, not " +
                                std::to_string(static_cast<std::int64_t>(s.size()) - 2));
  return call.builder.reshape(x, {s[0], s[1], 1, s[2]});
}

int like_input(OperatorCall& call, int y) {
  if (call.rank(0) == 4) return y;
  const Shape s = call.builder.shape(y);
  return call.builder.reshape(y, {s[0], s[1], s[3]});
}

void two(const std::vector<std::int64_t>& values, std::int64_t* to, const char* what) {
  if (values.empty()) return;
  if (values.size() > 2) throw std::invalid_argument(std::string(what) + " has too many entries");
  for (const auto v : values)
    if (v < -(1 << 30) || v > 1 << 30)
      throw std::invalid_argument(std::string(what) + " is out of range");
  to[1] = values.back();
  if (values.size() == 2) to[0] = values[0];
}

// Attributes of every windowed operator; `kernel` for those whose weights say it.
Window read_window(OperatorCall& call, const Shape& image, std::vector<std::int64_t> kernel) {
  Window w;
  if (call.has("kernel_shape")) kernel = call.integers("kernel_shape");
  if (kernel.empty()) throw std::invalid_argument("kernel_shape is missing");
  two(kernel, w.kernel, "kernel_shape");
  two(call.integers("strides"), w.stride, "strides");
  two(call.integers("dilations"), w.dilation, "dilations");
  const std::string automatic = call.text("auto_pad", "NOTSET");
  const auto pads = call.integers("pads");
  if (automatic == "NOTSET" && !pads.empty()) {
    if (pads.size() % 2 || pads.size() > 4) throw std::invalid_argument("pads has a wrong length");
    const std::size_t half = pads.size() / 2;
    two({pads.begin(), pads.begin() + static_cast<std::int64_t>(half)}, w.pad_begin, "pads");
    two({pads.begin() + static_cast<std::int64_t>(half), pads.end()}, w.pad_end, "pads");
  } else if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    for (int a = 0; a < 2; ++a) {
      if (w.stride[a] < 1) throw std::invalid_argument("strides must be 1 or more");
      const std::int64_t in = image[2 + static_cast<std::size_t>(a)];
      const std::int64_t out = (in + w.stride[a] - 1) / w.stride[a];
      const std::int64_t total = std::max<std::int64_t>(
          0, (out - 1) * w.stride[a] + w.dilation[a] * (w.kernel[a] - 1) + 1 - in);
      const std::int64_t small = total / 2;
      w.pad_begin[a] = automatic == "SAME_UPPER" ? small : total - small;
      w.pad_end[a] = total - w.pad_begin[a];
    }
  } else if (automatic != "NOTSET" && automatic != "VALID") {
    throw std::invalid_argument("auto_pad '" + automatic + "' is not supported");
  }
  return w;
}

void check_finite(OperatorCall& call, int v) {
  const Constant* c = call.builder.constant(v);
  if (!c) throw std::invalid_argument("weights and bias must be constants");
  for (std::size_t i = 0; i < c->count(); ++i)
    if (!std::isfinite(c->at(i))) throw std::invalid_argument("the weights hold NaN or infinity");
}

std::vector<std::int64_t> spatial(const Shape& weights) {
  if (weights.size() < 3)
    throw std::invalid_argument("weights of rank " + std::to_string(weights.size()));
  return {weights.begin() + 2, weights.end()};
}

void conv(OperatorCall& call) {
  const int x = as_image(call, call.input(0));
  check_finite(call, call.input(1));
  if (call.optional(2) != kAbsent) check_finite(call, call.input(2));
  const int weights = as_image(call, call.input(1));
  Conv op;
  op.window = read_window(call, call.builder.shape(x), spatial(call.shape(1)));
  op.group = call.integer("group", 1);
  call.give(like_input(call, call.builder.add(op, {x, weights, call.optional(2), kAbsent})));
}

void conv_transpose(OperatorCall& call) {
  const int x = as_image(call, call.input(0));
  check_finite(call, call.input(1));
  if (call.optional(2) != kAbsent) check_finite(call, call.input(2));
  const int weights = as_image(call, call.input(1));
  ConvTranspose op;
  op.group = call.integer("group", 1);
  if (call.text("auto_pad", "NOTSET") != "NOTSET" || call.has("output_shape"))
    throw std::invalid_argument(
        "auto_pad and output_shape are not supported; export explicit pads");
  op.window = read_window(call, call.builder.shape(x), spatial(call.shape(1)));
  std::int64_t extra[2] = {0, 0};
  two(call.integers("output_padding"), extra, "output_padding");
  for (int a = 0; a < 2; ++a) op.window.pad_end[a] -= extra[a];
  call.give(like_input(call, call.builder.add(op, {x, weights, call.optional(2)})));
}

void pool(OperatorCall& call, bool average) {
  if (call.node.output_size() > 1 && !call.node.output(1).empty())
    throw std::invalid_argument("the indices of a pool are not supported");
  if (call.integer("storage_order", 0) != 0)
    throw std::invalid_argument("storage_order is not supported");
  const int x = as_image(call, call.input(0));
  Pool op;
  op.window = read_window(call, call.builder.shape(x), {});
  op.average = average;
  op.count_padding = call.integer("count_include_pad", 0) != 0;
  op.ceil = call.integer("ceil_mode", 0) != 0;
  call.give(like_input(call, call.builder.add(op, {x})));
}

void max_pool(OperatorCall& call) {
  pool(call, false);
}
void average_pool(OperatorCall& call) {
  pool(call, true);
}

void global_pool(OperatorCall& call, Reduction reduction) {
  Reduce op{reduction, std::vector<bool>(call.shape(0).size(), true)};
  if (op.reduced.size() < 3) throw std::invalid_argument("an image needs three dimensions or more");
  op.reduced[0] = op.reduced[1] = false;
  call.give(call.builder.add(op, {call.input(0)}));
}

void global_average_pool(OperatorCall& call) {
  global_pool(call, Reduction::mean);
}
void global_max_pool(OperatorCall& call) {
  global_pool(call, Reduction::maximum);
}

int scaled(OperatorCall& call, int x, float factor) {
  return factor == 1 ? x : call.builder.binary(Combine::multiply, x, call.builder.scalar(factor));
}

void gemm(OperatorCall& call) {
  Builder& b = call.builder;
  int left = call.input(0), right = call.input(1);
  if (call.rank(0) != 2 || call.rank(1) != 2) throw std::invalid_argument("matrices have rank 2");
  if (call.integer("transA", 0)) left = b.swap_last_two(left);
  if (call.integer("transB", 0)) right = b.swap_last_two(right);
  right = scaled(call, right, call.real("alpha", 1));
  int y = b.add(MatMul{}, {left, right});
  if (call.optional(2) != kAbsent)
    y = b.binary(Combine::add, y, scaled(call, call.input(2), call.real("beta", 1)));
  call.give(y);
}

void matmul(OperatorCall& call) {
  Builder& b = call.builder;
  int left = call.input(0), right = call.input(1);
  const bool row = call.rank(0) == 1, column = call.rank(1) == 1;
  if (row) left = b.reshape(left, {1, call.shape(0)[0]});
  if (column) right = b.reshape(right, {call.shape(1)[0], 1});
  int y = b.add(MatMul{}, {left, right});
  if (row || column) {
    Shape s = b.shape(y);
    if (column) s.pop_back();
    if (row) s.erase(s.end() - (column ? 1 : 2));
    y = b.reshape(y, s);
  }
  call.give(y);
}

void softmax_of(OperatorCall& call, bool log) {
  Builder& b = call.builder;
  const int x = call.input(0);
  const Shape s = call.shape(0);
  const auto rank = call.rank(0);
  const auto last = static_cast<std::size_t>(rank) - 1;
  if (call.opset >= 13 || call.axis(call.integer("axis", 1), rank) == last) {
    const auto axis = call.axis(call.integer("axis", call.opset >= 13 ? -1 : 1), rank);
    return call.give(b.add(Softmax{static_cast<std::int64_t>(axis), log}, {x}));
  }
  // Older ones treat everything from the axis on as one dimension.
  const auto axis = static_cast<std::int64_t>(call.axis(call.integer("axis", 1), rank));
  const Shape outer(s.begin(), s.begin() + axis), inner(s.begin() + axis, s.end());
  const int flat = b.reshape(x, {count(outer), count(inner)});
  call.give(b.reshape(b.add(Softmax{1, log}, {flat}), s));
}

void softmax(OperatorCall& call) {
  softmax_of(call, false);
}
void log_softmax(OperatorCall& call) {
  softmax_of(call, true);
}

template <std::size_t N>
int choice(const std::string& word, const char* const (&words)[N], const char* what) {
  for (std::size_t i = 0; i < N; ++i)
    if (word == words[i]) return static_cast<int>(i);
  throw std::invalid_argument(std::string(what) + " '" + word + "' is not supported");
}

// In the order of Resize::Coordinates and Resize::Rounding.
constexpr const char* kCoordinates[] = {"half_pixel",           "pytorch_half_pixel",
                                        "align_corners",        "asymmetric",
                                        "tf_half_pixel_for_nn", "half_pixel_symmetric"};
constexpr const char* kRounding[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil",
                                     "simple"};

void resize(OperatorCall& call) {
  const bool first_version = call.opset < 11 || call.node.op_type() == "Upsample";
  const Shape s = call.shape(0);
  const std::size_t rank = s.size();
  const std::string mode = call.text("mode", "nearest");
  Resize op;
  op.linear = mode == "linear" || mode == "bilinear";
  if (!op.linear && mode != "nearest")
    throw std::invalid_argument("mode '" + mode + "'; nearest and linear are supported");
  op.coordinates = static_cast<Resize::Coordinates>(choice(
      call.text("coordinate_transformation_mode", first_version ? "asymmetric" : "half_pixel"),
      kCoordinates, "coordinate_transformation_mode"));
  op.rounding = static_cast<Resize::Rounding>(
      choice(call.text("nearest_mode", first_version ? "simple" : "round_prefer_floor"), kRounding,
             "nearest_mode"));
  if (call.integer("antialias", 0)) throw std::invalid_argument("antialias is not supported");
  if (call.text("keep_aspect_ratio_policy", "stretch") != "stretch")
    throw std::invalid_argument("keep_aspect_ratio_policy is not supported");

  std::vector<float> scales = call.has("scales") ? call.reals("scales") : std::vector<float>{};
  if (scales.empty() && (call.opset > 8 || !first_version))
    scales = call.constant_reals(first_version ? 1 : 2).value_or(std::vector<float>{});
  const auto sizes = first_version ? std::nullopt : call.constant_integers(3);
  const auto axes = call.integers("axes");
  const std::size_t given = sizes && !sizes->empty() ? sizes->size() : scales.size();
  if (rank < 2 || given == 0 || given != (axes.empty() ? rank : axes.size()))
    throw std::invalid_argument("one scale or size for each dimension is needed");
  op.size[0] = s[rank - 2];
  op.size[1] = s[rank - 1];
  for (std::size_t i = 0; i < given; ++i) {
    const std::size_t d = axes.empty() ? i : call.axis(axes[i], call.rank(0));
    const bool by_size = sizes && !sizes->empty();
    const float scale =
        by_size ? static_cast<float>((*sizes)[i]) / static_cast<float>(s[d]) : scales[i];
    if (!(scale > 0) || scale > 65536) throw std::invalid_argument("a scale out of range");
    const auto size = by_size
                          ? (*sizes)[i]
                          : static_cast<std::int64_t>(std::floor(static_cast<float>(s[d]) * scale));
    if (size < 1) throw std::invalid_argument("the result is empty");
    if (d + 2 < rank) {
      const bool own_batch = d == 0 && by_size && size == call.builder.own_batch;
      if (size != s[d] && !own_batch)
        throw std::invalid_argument("only the last two dimensions can be resized");
      continue;
    }
    op.size[d + 2 - rank] = size;
    op.scale[d + 2 - rank] = scale;
  }
  call.give(call.builder.add(op, {call.input(0)}));
}

}  // namespace

void add_network_operators(OperatorTable& table) {
  table["Conv"] = conv;
  table["ConvTranspose"] = conv_transpose;
  table["MaxPool"] = max_pool;
  table["AveragePool"] = average_pool;
  table["GlobalAveragePool"] = global_average_pool;
  table["GlobalMaxPool"] = global_max_pool;
  table["Gemm"] = gemm;
  table["MatMul"] = matmul;
  table["Softmax"] = softmax;
  table["LogSoftmax"] = log_softmax;
  table["Resize"] = resize;
  table["Upsample"] = resize;
}

}  // namespace gantry::compile
