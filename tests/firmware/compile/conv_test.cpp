// Convolutions of every form against their definition.
// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

struct Case {
  std::int64_t n, inputs, outputs, group, height, width;
  std::int64_t kernel[2], stride[2], dilation[2], pad[4];  // pads: top, left, bottom, right
};

std::string describe(const Case& c) {
  const Shape all{c.n, c.inputs, c.outputs, c.group, c.height, c.width, c.kernel[0], c.kernel[1],
                  c.stride[0], c.stride[1], c.dilation[0], c.dilation[1], c.pad[0], c.pad[1],
                  c.pad[2], c.pad[3]};
  std::string s;
  for (const auto v : all) s += std::to_string(v) + " ";
  return s;
}

std::int64_t out_size(const Case& c, int a) {
  const std::int64_t in = a == 0 ? c.height : c.width;
  return (in + c.pad[a] + c.pad[a + 2] - c.dilation[a] * (c.kernel[a] - 1) - 1) / c.stride[a] + 1;
}

Tensor convolve(const Case& c, const Tensor& x, const Tensor& w, const Tensor& bias) {
  Tensor y({c.n, c.outputs, out_size(c, 0), out_size(c, 1)});
  const std::int64_t inputs = c.inputs / c.group, outputs = c.outputs / c.group;
  each_index(y.shape, [&](const Shape& i) {
    double sum = bias[i[1]];
    for (std::int64_t k = 0; k < inputs; ++k)
      for (std::int64_t ky = 0; ky < c.kernel[0]; ++ky)
        for (std::int64_t kx = 0; kx < c.kernel[1]; ++kx) {
          const std::int64_t iy = i[2] * c.stride[0] - c.pad[0] + ky * c.dilation[0];
          const std::int64_t ix = i[3] * c.stride[1] - c.pad[1] + kx * c.dilation[1];
          if (iy < 0 || iy >= c.height || ix < 0 || ix >= c.width) continue;
          sum += double{x[x.at({i[0], i[1] / outputs * inputs + k, iy, ix})]} *
                 w[w.at({i[1], k, ky, kx})];
        }
    y[y.at(i)] = static_cast<float>(sum);
  });
  return y;
}

Model conv_model(const Case& c, const Tensor& w, const Tensor& bias) {
  Model m;
  m.input("x", {c.n, c.inputs, c.height, c.width}).weights("w", w).weights("b", bias);
  m.node("Conv", {"x", "w", "b"}, {"y"});
  m.set("group", c.group).set("strides", Shape(c.stride, c.stride + 2));
  m.set("dilations", Shape(c.dilation, c.dilation + 2)).set("pads", Shape(c.pad, c.pad + 4));
  return m;
}

Case random_case(Random& r) {
  Case c{};
  c.n = r.integer(1, 2);
  const int kind = static_cast<int>(r.integer(0, 3));
  c.group = kind == 0 ? r.integer(2, 9) : kind == 1 ? r.integer(2, 3) : 1;
  c.inputs = c.group * (kind == 0 ? 1 : r.integer(1, 7));
  c.outputs = c.group * (kind == 0 ? r.integer(1, 2) : r.integer(1, 19));
  for (int a = 0; a < 2; ++a) {
    c.kernel[a] = r.flip() ? 1 : r.integer(1, 5);
    c.stride[a] = r.flip() ? 1 : r.integer(1, 3);
    c.dilation[a] = r.flip() ? 1 : r.integer(1, 3);
    c.pad[a] = r.flip() ? 0 : r.integer(0, c.kernel[a]);
    c.pad[a + 2] = r.flip() ? 0 : r.integer(0, c.kernel[a]);
  }
  const std::int64_t least[2] = {c.dilation[0] * (c.kernel[0] - 1) + 1, c.dilation[1] * (c.kernel[1] - 1) + 1};
  c.height = least[0] + r.integer(0, 20);
  c.width = least[1] + r.integer(0, 70);
  return c;
}

TEST(Conv, MatchesItsDefinition) {
  Random r(1);
  for (int i = 0; i < 60; ++i) {
    const Case c = random_case(r);
    const Tensor x = r.tensor({c.n, c.inputs, c.height, c.width});
    const Tensor w = r.tensor({c.outputs, c.inputs / c.group, c.kernel[0], c.kernel[1]});
    const Tensor bias = r.tensor({c.outputs});
    Model m = conv_model(c, w, bias);
    expect_near(run(m.output("y"), {x})[0], convolve(c, x, w, bias), describe(c));
    if (HasFatalFailure()) return;
  }
}

// Activation and residual in the same launch, in both orders.
TEST(Conv, FusesActivationAndResidual) {
  Random r(2);
  for (int i = 0; i < 12; ++i) {
    Case c = random_case(r);
    const Tensor w = r.tensor({c.outputs, c.inputs / c.group, c.kernel[0], c.kernel[1]});
    const Tensor x = r.tensor({c.n, c.inputs, c.height, c.width}), bias = r.tensor({c.outputs});
    const Tensor plain = convolve(c, x, w, bias);
    const Tensor residual = r.tensor(plain.shape);
    const bool activation_first = r.flip();
    Model m = conv_model(c, w, bias);
    m.input("residual", plain.shape);
    if (activation_first)
      m.node("Sigmoid", {"y"}, {"s"}).node("Mul", {"y", "s"}, {"a"}).node("Add", {"residual", "a"}, {"z"});
    else
      m.node("Add", {"y", "residual"}, {"a"}).node("Relu", {"a"}, {"z"});
    Tensor want = plain;
    for (std::int64_t k = 0; k < count(want.shape); ++k) {
      const float v = plain[k];
      want[k] = activation_first ? v / (1 + std::exp(-v)) + residual[k] : std::max(0.0f, v + residual[k]);
    }
    compile::Report report;
    const Plan plan = compiled(m.output("z"), {}, &report);
    for (const auto& layer : report.layers) EXPECT_EQ(layer.variant.substr(0, 8), "nn_conv/");
    expect_near(run(plan, {x, residual})[0], want, describe(c));
    if (HasFatalFailure()) return;
  }
}

TEST(Conv, FoldsScaleShiftAndNormalisation) {
  Random r(3);
  const Case c{1, 3, 5, 1, 9, 20, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
  const Tensor x = r.tensor({1, 3, 9, 20}), w = r.tensor({5, 3, 3, 3}), bias = r.tensor({5});
  const Tensor scale = r.tensor({5}), shift = r.tensor({5}), mean = r.tensor({5}),
               variance = r.tensor({5}, 0.5f, 2), factor = r.tensor({5, 1, 1}), offset = r.tensor({1, 5, 1, 1});
  Model m = conv_model(c, w, bias);
  m.weights("scale", scale).weights("shift", shift).weights("mean", mean).weights("variance", variance);
  m.weights("factor", factor).weights("offset", offset);
  m.node("BatchNormalization", {"y", "scale", "shift", "mean", "variance"}, {"n"}).set("epsilon", 1e-3f);
  m.node("Mul", {"factor", "n"}, {"f"}).node("Sub", {"offset", "f"}, {"z"}).output("z");
  Tensor want = convolve(c, x, w, bias);
  each_index(want.shape, [&](const Shape& i) {
    const std::int64_t k = i[1];
    float& v = want[want.at(i)];
    v = (v - mean[k]) / std::sqrt(variance[k] + 1e-3f) * scale[k] + shift[k];
    v = offset[k] - factor[k] * v;
  });
  compile::Report report;
  const Plan plan = compiled(m, {}, &report);
  EXPECT_EQ(plan.steps().size(), 2u) << report.explain();  // the prepared input, the convolution
  expect_near(run(plan, {x})[0], want, "normalised");
}

TEST(Conv, PadsAutomatically) {
  Random r(4);
  for (const bool upper : {true, false}) {
    // 11 wide, stride 2, kernel 4: 6 outputs, 3 columns of padding, the odd one at one side.
    const Case c{1, 2, 3, 1, 11, 11, {4, 4}, {2, 2}, {1, 1}, {upper ? 1 : 2, upper ? 1 : 2, upper ? 2 : 1, upper ? 2 : 1}};
    const Tensor x = r.tensor({1, 2, 11, 11}), w = r.tensor({3, 2, 4, 4}), bias = r.tensor({3});
    Model m;
    m.input("x", x.shape).weights("w", w).weights("b", bias).node("Conv", {"x", "w", "b"}, {"y"});
    m.set("strides", Shape{2, 2}).set("auto_pad", upper ? "SAME_UPPER" : "SAME_LOWER").output("y");
    expect_near(run(m, {x})[0], convolve(c, x, w, bias), upper ? "upper" : "lower");
  }
}

TEST(Conv, TakesOneDimension) {
  Random r(5);
  const Case c{1, 4, 6, 2, 1, 37, {1, 3}, {1, 2}, {1, 1}, {0, 1, 0, 2}};
  const Tensor x = r.tensor({1, 4, 37}), w = r.tensor({6, 2, 3}), bias = r.tensor({6});
  Model m;
  m.input("x", x.shape).weights("w", w).weights("b", bias).node("Conv", {"x", "w", "b"}, {"y"});
  m.set("group", 2).set("strides", Shape{2}).set("pads", Shape{1, 2}).output("y");
  Tensor want = convolve(c, x, w, bias);
  want.shape = {1, 6, want.shape[3]};
  expect_near(run(m, {x})[0], want, "one-dimensional");
}

TEST(ConvTranspose, MatchesItsDefinition) {
  Random r(6);
  for (int i = 0; i < 20; ++i) {
    const std::int64_t group = r.integer(1, 2), inputs = group * r.integer(1, 4), outputs = r.integer(1, 5);
    const std::int64_t h = r.integer(1, 7), w = r.integer(1, 19), stride = r.integer(1, 3),
                       kernel = r.integer(1, 4), dilation = r.integer(1, 2);
    const std::int64_t reach = dilation * (kernel - 1);
    const std::int64_t pad = r.integer(0, std::min<std::int64_t>(1, reach)), extra = r.integer(0, stride - 1);
    const std::int64_t out_h = (h - 1) * stride + reach + 1 - 2 * pad + extra;
    const std::int64_t out_w = (w - 1) * stride + reach + 1 - 2 * pad + extra;
    if (out_h < 1 || out_w < 1) continue;
    const Tensor x = r.tensor({2, inputs, h, w}), weights = r.tensor({inputs, outputs, kernel, kernel}),
                 bias = r.tensor({outputs * group});
    Tensor want({2, outputs * group, out_h, out_w});
    each_index(want.shape, [&](const Shape& o) { want[want.at(o)] = bias[o[1]]; });
    // Each input is scattered.
    each_index(x.shape, [&](const Shape& s) {
      for (std::int64_t o = 0; o < outputs; ++o)
        for (std::int64_t ky = 0; ky < kernel; ++ky)
          for (std::int64_t kx = 0; kx < kernel; ++kx) {
            const std::int64_t y = s[2] * stride - pad + ky * dilation, xx = s[3] * stride - pad + kx * dilation;
            if (y < 0 || y >= out_h || xx < 0 || xx >= out_w) continue;
            const std::int64_t channel = s[1] / (inputs / group) * outputs + o;
            want[want.at({s[0], channel, y, xx})] += x[x.at(s)] * weights[weights.at({s[1], o, ky, kx})];
          }
    });
    Model m;
    m.input("x", x.shape).weights("w", weights).weights("b", bias);
    m.node("ConvTranspose", {"x", "w", "b"}, {"y"}).set("group", group).set("strides", Shape{stride, stride});
    m.set("pads", Shape{pad, pad, pad, pad}).set("output_padding", Shape{extra, extra});
    m.set("dilations", Shape{dilation, dilation}).output("y");
    expect_near(run(m, {x})[0], want, "case " + std::to_string(i));
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace gantry::compile_test
