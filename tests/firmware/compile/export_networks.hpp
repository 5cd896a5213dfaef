// Small networks in the style of the exports that users bring.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "tests/firmware/compile/peer.hpp"

namespace gantry::compile_test {

struct Image {
  std::string name;
  std::int64_t channels;
};

// Several networks in one model, so that programs are built and the peer is started once.
class Networks {
 public:
  Networks(std::int64_t opset, Shape input, unsigned seed)
      : cases_(opset), random_(seed), shape_(std::move(input)) {}

  void add_all() {
    yolov5();
    yolox();
    yolov9_and_v10();
    yolo11_and_v12();
    nanodet();
    rtmdet();
    mobilenet();
    heat_map();
  }

  const Model& model() const { return cases_.model; }
  const NamedTensors& inputs() const { return inputs_; }

 private:
  using Names = std::vector<std::string>;

  Model& last() { return cases_.model; }
  std::string node(const std::string& op, const Names& in) { return cases_.node(op, in); }
  std::string ints(const Shape& v) { return cases_.integers(v); }
  std::string number(float v) { return cases_.weights(Tensor({}, v)); }
  std::string random(const Shape& s, float low = -1, float high = 1) {
    return cases_.weights(random_.tensor(s, low, high));
  }
  void output(const std::string& name) { last().output(name); }

  Image input() {
    const Tensor t = random_.tensor(shape_, 0, 1);
    const std::string name = cases_.input(t);
    inputs_.emplace_back(name, t);
    return {name, shape_[1]};
  }

  // --- blocks
  Image conv(const Image& x, std::int64_t out, std::int64_t k = 1, std::int64_t stride = 1,
             std::int64_t group = 1, std::int64_t dilation = 1) {
    const float scale = 1.5f / std::sqrt(static_cast<float>(x.channels / group * k * k));
    const std::string y =
        node("Conv", {x.name, random({out, x.channels / group, k, k}, -scale, scale),
                      random({out}, -0.2f, 0.2f)});
    const std::int64_t pad = dilation * (k - 1) / 2;
    last()
        .set("strides", Shape{stride, stride})
        .set("pads", Shape{pad, pad, pad, pad})
        .set("dilations", Shape{dilation, dilation})
        .set("group", group);
    return {y, out};
  }
  Image silu(const Image& x) {
    return {node("Mul", {x.name, node("Sigmoid", {x.name})}), x.channels};
  }
  Image function(const std::string& op, const Image& x) { return {node(op, {x.name}), x.channels}; }
  Image add(const Image& a, const Image& b) { return {node("Add", {a.name, b.name}), a.channels}; }
  Image concat(const std::vector<Image>& parts) {
    Names names;
    std::int64_t channels = 0;
    for (const auto& p : parts) names.push_back(p.name), channels += p.channels;
    const std::string y = node("Concat", names);
    last().set("axis", 1);
    return {y, channels};
  }
  std::vector<Image> halves(const Image& x) {
    const std::string a = cases_.fresh(), b = cases_.fresh();
    last().node("Split", {x.name, ints({x.channels / 2, x.channels / 2})}, {a, b}).set("axis", 1);
    return {{a, x.channels / 2}, {b, x.channels / 2}};
  }
  Image doubled(const Image& x) {
    const std::string y = node("Resize", {x.name, "", cases_.weights(scales())});
    last()
        .set("mode", "nearest")
        .set("nearest_mode", "floor")
        .set("coordinate_transformation_mode", "asymmetric");
    return {y, x.channels};
  }
  static Tensor scales() {
    Tensor t({4}, 1);
    t[2] = t[3] = 2;
    return t;
  }
  Image max_pool(const Image& x, std::int64_t k, std::int64_t stride) {
    const std::string y = node("MaxPool", {x.name});
    last()
        .set("kernel_shape", Shape{k, k})
        .set("strides", Shape{stride, stride})
        .set("pads", Shape{k / 2, k / 2, k / 2, k / 2});
    return {y, x.channels};
  }
  std::string transpose(const std::string& x, const Shape& order) {
    const std::string y = node("Transpose", {x});
    last().set("perm", order);
    return y;
  }
  std::string softmax(const std::string& x, int axis) {
    const std::string y = node("Softmax", {x});
    last().set("axis", axis);
    return y;
  }
  std::string concat_names(const Names& parts, int axis) {
    const std::string y = node("Concat", parts);
    last().set("axis", axis);
    return y;
  }
  // [n, c, h, w] to [n, rows, -1] through the run-time shape, as exports with dynamic axes have it.
  std::string flattened(const Image& x) {
    const std::string shape = node("Shape", {x.name});
    const std::string batch = node("Gather", {shape, cases_.integers({0}, true)});
    const std::string first = node("Unsqueeze", {batch, ints({0})});
    return node("Reshape", {x.name, concat_names({first, ints({x.channels}), ints({-1})}, 0)});
  }

  // --- networks
  // Focus, bottlenecks, SPPF, a neck, and an anchor head that is decoded in place (ScatterND).
  void yolov5() {
    const Image x = input();
    std::vector<Image> parts;
    for (const std::int64_t row : {0, 1})
      for (const std::int64_t column : {0, 1})
        parts.push_back({node("Slice", {x.name, ints({row, column}), ints({INT64_MAX, INT64_MAX}),
                                        ints({2, 3}), ints({2, 2})}),
                         x.channels});
    const Image stem = silu(conv(concat(parts), 8, 3));
    Image c3 = silu(conv(stem, 16, 3, 2));
    c3 = concat({add(c3, silu(conv(silu(conv(c3, 8)), 16, 3))), silu(conv(c3, 8))});
    const Image p = silu(conv(c3, 8)), p1 = max_pool(p, 5, 1), p2 = max_pool(p1, 5, 1);
    const Image sppf = silu(conv(concat({p, p1, p2, max_pool(p2, 5, 1)}), 16));
    const Image neck = silu(conv(concat({doubled(sppf), stem}), 16, 3));
    const std::int64_t h = shape_[2] / 2, w = shape_[3] / 2, n = shape_[0];
    const std::string raw = conv(neck, 3 * 7).name;
    const std::string apart =
        transpose(node("Reshape", {raw, ints({n, 3, 7, h, w})}), {0, 1, 3, 4, 2});
    std::string y = node("Sigmoid", {apart});
    const std::string xy = node("Slice", {y, ints({0}), ints({2}), ints({4})});
    const std::string centred =
        node("Add", {node("Mul", {xy, number(2)}), random({1, 1, h, w, 2})});
    y = node("ScatterND",
             {y, indices_of_columns(n, 3, h, w, 0, 2), node("Mul", {centred, number(8)})});
    const std::string size = node("Slice", {y, ints({2}), ints({4}), ints({4})});
    const std::string squared = node("Pow", {node("Mul", {size, number(2)}), number(2)});
    y = node("ScatterND", {y, indices_of_columns(n, 3, h, w, 2, 4),
                           node("Mul", {squared, random({1, 3, 1, 1, 2}, 1, 9)})});
    output(node("Reshape", {y, ints({n, -1, 7})}));
  }
  std::string indices_of_columns(std::int64_t n, std::int64_t a, std::int64_t h, std::int64_t w,
                                 std::int64_t from, std::int64_t to) {
    Tensor unused({n, a, h, w, to - from});
    std::vector<std::int64_t> tuples;
    each_index(unused.shape, [&](const Shape& i) {
      for (std::size_t d = 0; d < 4; ++d) tuples.push_back(i[d]);
      tuples.push_back(from + i[4]);
    });
    const std::string flat = ints(tuples);
    return node("Reshape", {flat, ints({n, a, h, w, to - from, 5})});
  }

  // Space to depth, a decoupled head, exponentials of sizes.
  void yolox() {
    const Image x = input();
    const std::string deep = node("SpaceToDepth", {x.name});
    last().set("blocksize", 2);
    const Image stem = silu(conv({deep, 4 * x.channels}, 8, 3));
    const Image down = silu(conv(stem, 8, 3, 2, 8));
    Names levels;
    for (const Image& level : {stem, down}) {
      const Image box = conv(silu(conv(level, 8, 3)), 4),
                  seen = function("Sigmoid", conv(level, 1)),
                  kind = function("Sigmoid", conv(silu(conv(level, 8)), 3));
      levels.push_back(flattened(concat({box, seen, kind})));
    }
    const std::string all = transpose(concat_names(levels, 2), {0, 2, 1});
    const std::string size = node("Exp", {node("Slice", {all, ints({2}), ints({4}), ints({-1})})});
    output(concat_names({node("Slice", {all, ints({0}), ints({2}), ints({-1})}), size,
                         node("Slice", {all, ints({4}), ints({8}), ints({-1})})},
                        2));
  }

  // Average down-sampling, branches that add up, and a head that keeps the best k itself.
  void yolov9_and_v10() {
    const Image x = input();
    Image y = silu(add(conv(x, 16, 3, 2), conv(x, 16, 1, 2)));
    const std::string smooth = node("AveragePool", {y.name});
    last().set("kernel_shape", Shape{2, 2}).set("strides", Shape{1, 1}).set("ceil_mode", 0);
    const auto parts = halves({smooth, 16});
    y = concat({conv(parts[0], 8, 3, 2), conv(max_pool(parts[1], 3, 2), 8)});
    y = add(silu(conv(y, 16, 7, 1, 16)), y);
    const std::string rows = transpose(flattened(conv(y, 6)), {0, 2, 1});  // [n, anchors, 4 + 2]
    const std::string boxes = node("Slice", {rows, ints({0}), ints({4}), ints({2})});
    const std::string scores =
        node("Sigmoid", {node("Slice", {rows, ints({4}), ints({6}), ints({2})})});
    const std::string best = node("ReduceMax", {scores});
    last().set("axes", Shape{-1}).set("keepdims", 0);
    const std::string values = cases_.fresh(), places = cases_.fresh();
    last().node("TopK", {best, ints({10})}, {values, places});
    const std::string column = node("Unsqueeze", {places, ints({-1})});
    const std::string picks = node("Tile", {column, ints({1, 1, 4})});
    const std::string chosen = node("GatherElements", {boxes, picks});
    last().set("axis", 1);
    const std::string kinds =
        node("GatherElements", {scores, node("Tile", {column, ints({1, 1, 2})})});
    last().set("axis", 1);
    const std::string flat = node("Flatten", {kinds}), top = cases_.fresh(), index = cases_.fresh();
    last().node("TopK", {flat, ints({10})}, {top, index});
    const std::string kind = node("Mod", {index, cases_.integers({2}, true)});
    const std::string row = node("Div", {index, cases_.integers({2}, true)});
    const std::string real_kind = node("Cast", {kind});
    last().set("to", 1);
    const std::string real_row = node("Cast", {row});
    last().set("to", 1);
    output(chosen);
    output(top);
    output(real_kind);
    output(real_row);
  }

  // Attention over positions and over areas, layer normalisation, distributions of distances.
  void yolo11_and_v12() {
    const Image x = input();
    Image y = silu(conv(silu(conv(x, 16, 3, 2)), 32, 3, 2));
    const std::int64_t n = shape_[0], h = (shape_[2] + 3) / 4, w = (shape_[3] + 3) / 4;
    const std::string joined = node("Reshape", {conv(y, 64).name, ints({n, 2, 32, h * w})});
    const std::string q = cases_.fresh(), k = cases_.fresh(), v = cases_.fresh();
    last().node("Split", {joined, ints({8, 8, 16})}, {q, k, v}).set("axis", 2);
    const std::string weights =
        node("Mul", {node("MatMul", {transpose(q, {0, 1, 3, 2}), k}), number(0.35355338f)});
    const std::string seen = node("MatMul", {v, transpose(softmax(weights, -1), {0, 1, 3, 2})});
    const Image local = conv({node("Reshape", {v, ints({n, 32, h, w})}), 32}, 32, 3, 1, 32);
    y = add(y, conv(add({node("Reshape", {seen, ints({n, 32, h, w})}), 32}, local), 32));
    // The same as one Einsum, in four areas.
    const std::string tokens =
        transpose(node("Reshape", {y.name, ints({n, 32, h * w})}), {0, 2, 1});
    const std::string areas = node("Reshape", {tokens, ints({n * 4, h * w / 4, 32})});
    const std::string normal = node("LayerNormalization", {areas, random({32}), random({32})});
    const std::string scores = node("Einsum", {normal, areas});
    last().set("equation", "bic,bjc->bij");
    const std::string mixed = node("Einsum", {softmax(scores, 2), areas});
    last().set("equation", "bij, bjc -> bic");
    const std::string mlp = node("MatMul", {mixed, random({32, 24}, -0.3f, 0.3f)});
    const std::string half = node("Mul", {mlp, number(0.5f)});
    const std::string gelu = node(
        "Mul",
        {half, node("Add", {node("Erf", {node("Div", {mlp, number(1.4142135f)})}), number(1)})});
    output(gelu);
    // Boxes as expectations over bins.
    const std::string bins = node("Reshape", {conv(y, 4 * 8).name, ints({n, 4, 8, -1})});
    const std::string turned = softmax(transpose(bins, {0, 2, 1, 3}), 1);
    Tensor steps({1, 8, 1, 1});
    for (std::int64_t i = 0; i < 8; ++i) steps[i] = static_cast<float>(i);
    const std::string far = node("Conv", {turned, cases_.weights(steps)});
    const std::string near = node("Reshape", {far, ints({n, 4, -1})});
    const std::string low = node("Slice", {near, ints({0}), ints({2}), ints({1})}),
                      high = node("Slice", {near, ints({2}), ints({4}), ints({1})});
    output(concat_names(
        {node("Div", {node("Add", {low, high}), number(2)}), node("Sub", {high, low})}, 1));
  }

  // Shuffled channels, depthwise convolutions, leaky units, and a projected distribution.
  void nanodet() {
    const Image x = input();
    Image y = function("LeakyRelu", conv(x, 16, 3, 2));
    const auto parts = halves(y);
    const Image right = conv(conv(function("Relu", conv(parts[1], 8)), 8, 5, 1, 8), 8);
    const std::int64_t n = shape_[0], h = (shape_[2] + 1) / 2, w = (shape_[3] + 1) / 2;
    const std::string mixed = transpose(
        node("Reshape", {concat({parts[0], right}).name, ints({n, 2, 8, h, w})}), {0, 2, 1, 3, 4});
    y = {node("Reshape", {mixed, ints({n, 16, h, w})}), 16};
    const std::string rows = transpose(flattened(conv(y, 8, 3, 2, 2)), {0, 2, 1});
    const std::string bins = softmax(node("Reshape", {rows, ints({n, -1, 2, 4})}), 3);
    output(node("MatMul", {bins, cases_.weights(Tensor({4}, 1.5f))}));
  }

  // Large depthwise kernels, channel attention.
  void rtmdet() {
    const Image x = input();
    Image y = silu(conv(x, 12, 3, 2));
    y = add(y, silu(conv(silu(conv(y, 12, 5, 1, 12)), 12)));
    const Image mean = function("GlobalAveragePool", y);
    const std::string gate = node("HardSigmoid", {conv(mean, 12).name});
    last().set("alpha", 1.0f / 6).set("beta", 0.5f);
    y = {node("Mul", {y.name, gate}), 12};
    output(conv(y, 5, 3, 1, 1, 2).name);
    output(node("GlobalMaxPool", {y.name}));
  }

  // Inverted residuals, squeeze and excitation, unfused normalisation, a classifier.
  void mobilenet() {
    const Image x = input();
    const std::string six = node("Clip", {conv(x, 8, 3, 2).name, number(0), number(6)});
    Image y = conv({six, 8}, 16);
    y = {node("BatchNormalization",
              {y.name, random({16}), random({16}), random({16}), random({16}, 0.5f, 2)}),
         16};
    y = conv(function("HardSwish", y), 16, 5, 2, 16);
    const std::string squeezed = node("ReduceMean", {y.name});
    last().set("axes", Shape{2, 3}).set("keepdims", 1);
    const Image gate = conv(function("Relu", conv({squeezed, 16}, 4)), 16);
    const std::string shifted =
        node("Clip", {node("Add", {gate.name, number(3)}), number(0), number(6)});
    y = {node("Mul", {y.name, node("Div", {shifted, number(6)})}), 16};
    const std::string flat = node("Flatten", {node("GlobalAveragePool", {y.name})});
    const std::string kept = node("Dropout", {node("Identity", {flat})});
    const std::string scores = node("Gemm", {kept, random({10, 16}), random({10})});
    last().set("transB", 1);
    output(softmax(scores, 1));
  }

  // Transposed convolutions, linear resizing, normalised groups, every other activation.
  void heat_map() {
    const Image x = input();
    Image y = conv(x, 8, 3, 2);
    y = {node("PRelu", {y.name, random({8, 1, 1}, 0, 0.5f)}), 8};
    y = {node("InstanceNormalization", {y.name, random({8}), random({8})}), 8};
    const std::string softplus = node("Tanh", {node("Softplus", {y.name})});
    y = {node("Mul", {y.name, softplus}), 8};
    const std::string up = node("ConvTranspose", {y.name, random({8, 3, 4, 4}), random({6})});
    last().set("strides", Shape{2, 2}).set("pads", Shape{1, 1, 1, 1}).set("group", 2);
    y = function("Elu", {up, 6});
    const std::string padded = node("Pad", {y.name, ints({0, 0, 1, 2, 0, 0, 2, 1})});
    last().set("mode", "reflect");
    y = conv({padded, 6}, 4, 3, 2);
    for (const char* mode : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"}) {
      const std::string wide = node("Resize", {y.name, "", cases_.weights(scales())});
      last().set("mode", "linear").set("coordinate_transformation_mode", mode);
      output(softmax(wide, 1));
    }
    const std::string blocks = node("DepthToSpace", {y.name});
    last().set("blocksize", 2).set("mode", "CRD");
    output(blocks);
    // What torch makes of arithmetic on shapes.
    const std::string shape = node("Shape", {y.name});
    const std::string rank = node("Shape", {shape});
    const std::string ones = node("ConstantOfShape", {rank});
    const std::string counts =
        node("Range",
             {cases_.integers({0}, true), cases_.integers({4}, true), cases_.integers({1}, true)});
    const std::string same = node("Equal", {counts, ints({1})});
    const std::string whole = node("Cast", {ones});
    last().set("to", 7);
    const std::string chosen = node("Cast", {node("Where", {same, counts, whole})});
    last().set("to", 1);
    output(node("Mul", {node("Expand", {node("Sqrt", {node("Abs", {y.name})}), shape}),
                        node("Reshape", {chosen, ints({1, 4, 1, 1})})}));
  }

  Cases cases_;
  Random random_;
  Shape shape_;
  NamedTensors inputs_;
};

}  // namespace gantry::compile_test
