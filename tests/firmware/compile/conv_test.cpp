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
  const Shape all{c.n,         c.inputs,    c.outputs,   c.group,     c.height,      c.width,
                  c.kernel[0], c.kernel[1], c.stride[0], c.stride[1], c.dilation[0], c.dilation[1],
                  c.pad[0],    c.pad[1],    c.pad[2],    c.pad[3]};
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

std::string add_conv(Cases& cases, const Case& c, const std::string& x, const Tensor& w,
                     const Tensor& bias) {
  std::string y = cases.node("Conv", {x, cases.weights(w), cases.weights(bias)});
  cases.model.set("group", c.group).set("strides", Shape(c.stride, c.stride + 2));
  cases.model.set("dilations", Shape(c.dilation, c.dilation + 2))
      .set("pads", Shape(c.pad, c.pad + 4));
  return y;
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
  const std::int64_t least[2] = {c.dilation[0] * (c.kernel[0] - 1) + 1,
                                 c.dilation[1] * (c.kernel[1] - 1) + 1};
  c.height = least[0] + r.integer(0, 20);
  c.width = least[1] + r.integer(0, 70);
  return c;
}

struct Operands {
  Operands(const Case& c, Random& r)
      : x(r.tensor({c.n, c.inputs, c.height, c.width})),
        w(r.tensor({c.outputs, c.inputs / c.group, c.kernel[0], c.kernel[1]})),
        bias(r.tensor({c.outputs})) {}
  Tensor x, w, bias;
};

TEST(Conv, MatchesItsDefinition) {
  Random r(1);
  Cases cases;
  for (int i = 0; i < 80; ++i) {
    const Case c = random_case(r);
    const Operands o(c, r);
    cases.expect(add_conv(cases, c, cases.input(o.x), o.w, o.bias), convolve(c, o.x, o.w, o.bias),
                 describe(c));
  }
  cases.check();
}

// Activation and residual in the same launch, in both orders.
TEST(Conv, FusesActivationAndResidual) {
  Random r(2);
  Cases cases;
  for (int i = 0; i < 16; ++i) {
    const Case c = random_case(r);
    const Operands o(c, r);
    const Tensor plain = convolve(c, o.x, o.w, o.bias), residual = r.tensor(plain.shape);
    const std::string y = add_conv(cases, c, cases.input(o.x), o.w, o.bias),
                      added = cases.input(residual);
    Tensor want = plain;
    std::string z;
    if (r.flip()) {
      z = cases.node("Add", {added, cases.node("Mul", {y, cases.node("Sigmoid", {y})})});
      for (std::int64_t k = 0; k < count(want.shape); ++k)
        want[k] = plain[k] / (1 + std::exp(-plain[k])) + residual[k];
    } else {
      z = cases.node("Relu", {cases.node("Add", {y, added})});
      for (std::int64_t k = 0; k < count(want.shape); ++k)
        want[k] = std::max(0.0f, plain[k] + residual[k]);
    }
    cases.expect(z, want, describe(c));
  }
  cases.check();
  compile::Report report;
  compiled(cases.model, {}, &report);
  for (const auto& layer : report.layers) EXPECT_EQ(layer.variant.substr(0, 8), "nn_conv/");
}

// Rows that leave much of their last vector empty are one row together with their padding.
TEST(Conv, WastesLittleOfNarrowRows) {
  Random r(4);
  for (const std::int64_t stride : {1, 2}) {
    const Case c{1,      8,           8, 1, 20 * stride, 20 * stride, {3, 3}, {stride, stride},
                 {1, 1}, {1, 1, 1, 1}};
    const Operands o(c, r);
    Cases cases;
    cases.model.output(add_conv(cases, c, cases.input(o.x), o.w, o.bias));
    compile::Options options;
    options.target = "cpu";
    const Plan plan =
        Plan::from_bytes(compile::compile_bytes(cases.model.bytes(), "test.onnx", options));
    const auto& step = plan.steps().back();
    ASSERT_EQ(step.kernel, "conv");
    // Tiles of 3 vectors of 16 over rows of 22 or 21; 20 rows by themselves would be 14.
    EXPECT_EQ(step.global[0] * step.global[1] * step.global[2], stride == 1 ? 10u : 9u);
  }
}

TEST(Conv, FoldsScaleShiftAndNormalisation) {
  Random r(3);
  const Case c{1, 3, 5, 1, 9, 20, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
  const Operands o(c, r);
  const Tensor scale = r.tensor({5}), shift = r.tensor({5}), mean = r.tensor({5}),
               variance = r.tensor({5}, 0.5f, 2), factor = r.tensor({5, 1, 1}),
               offset = r.tensor({1, 5, 1, 1});
  Cases cases;
  const std::string y = add_conv(cases, c, cases.input(o.x), o.w, o.bias);
  const std::string normal =
      cases.node("BatchNormalization", {y, cases.weights(scale), cases.weights(shift),
                                        cases.weights(mean), cases.weights(variance)});
  cases.model.set("epsilon", 1e-3f);
  const std::string z = cases.node(
      "Sub", {cases.weights(offset), cases.node("Mul", {cases.weights(factor), normal})});
  Tensor want = convolve(c, o.x, o.w, o.bias);
  each_index(want.shape, [&](const Shape& i) {
    const std::int64_t k = i[1];
    float& v = want[want.at(i)];
    v = (v - mean[k]) / std::sqrt(variance[k] + 1e-3f) * scale[k] + shift[k];
    v = offset[k] - factor[k] * v;
  });
  cases.expect(z, want, "normalised");
  cases.check();
  EXPECT_EQ(compiled(cases.model).steps().size(), 2u);  // the prepared input, the convolution
}

TEST(Conv, PadsAutomatically) {
  Random r(4);
  Cases cases;
  for (const bool upper : {true, false}) {
    // 11 wide, stride 2, kernel 4: 6 outputs, 3 columns of padding, the odd one at one side.
    const std::int64_t first = upper ? 1 : 2, last = 3 - first;
    const Case c{1, 2, 3, 1, 11, 11, {4, 4}, {2, 2}, {1, 1}, {first, first, last, last}};
    const Operands o(c, r);
    const std::string y =
        cases.node("Conv", {cases.input(o.x), cases.weights(o.w), cases.weights(o.bias)});
    cases.model.set("strides", Shape{2, 2}).set("auto_pad", upper ? "SAME_UPPER" : "SAME_LOWER");
    cases.expect(y, convolve(c, o.x, o.w, o.bias), upper ? "upper" : "lower");
  }
  cases.check();
}

TEST(Conv, TakesOneDimension) {
  Random r(5);
  const Case c{1, 4, 6, 2, 1, 37, {1, 3}, {1, 2}, {1, 1}, {0, 1, 0, 2}};
  Operands o(c, r);
  Tensor want = convolve(c, o.x, o.w, o.bias);
  o.x.shape = {1, 4, 37};
  o.w.shape = {6, 2, 3};
  want.shape = {1, 6, want.shape[3]};
  Cases cases;
  const std::string y =
      cases.node("Conv", {cases.input(o.x), cases.weights(o.w), cases.weights(o.bias)});
  cases.model.set("group", 2).set("strides", Shape{2}).set("pads", Shape{1, 2});
  cases.expect(y, want, "one-dimensional");
  cases.check();
}

TEST(ConvTranspose, MatchesItsDefinition) {
  Random r(6);
  Cases cases;
  for (int i = 0; i < 30; ++i) {
    const std::int64_t group = r.integer(1, 2), inputs = group * r.integer(1, 4),
                       outputs = r.integer(1, 5);
    const std::int64_t h = r.integer(1, 7), w = r.integer(1, 19), stride = r.integer(1, 3),
                       kernel = r.integer(1, 4), dilation = r.integer(1, 2);
    const std::int64_t reach = dilation * (kernel - 1);
    const std::int64_t pad = r.integer(0, std::min<std::int64_t>(1, reach)),
                       extra = r.integer(0, stride - 1);
    const std::int64_t out_h = (h - 1) * stride + reach + 1 - 2 * pad + extra;
    const std::int64_t out_w = (w - 1) * stride + reach + 1 - 2 * pad + extra;
    if (out_h < 1 || out_w < 1) continue;
    const Tensor x = r.tensor({2, inputs, h, w}),
                 weights = r.tensor({inputs, outputs, kernel, kernel}),
                 bias = r.tensor({outputs * group});
    Tensor want({2, outputs * group, out_h, out_w});
    each_index(want.shape, [&](const Shape& o) { want[want.at(o)] = bias[o[1]]; });
    // Each input is scattered.
    each_index(x.shape, [&](const Shape& s) {
      for (std::int64_t o = 0; o < outputs; ++o)
        for (std::int64_t ky = 0; ky < kernel; ++ky)
          for (std::int64_t kx = 0; kx < kernel; ++kx) {
            const std::int64_t y = s[2] * stride - pad + ky * dilation,
                               xx = s[3] * stride - pad + kx * dilation;
            if (y < 0 || y >= out_h || xx < 0 || xx >= out_w) continue;
            const std::int64_t channel = s[1] / (inputs / group) * outputs + o;
            want[want.at({s[0], channel, y, xx})] +=
                x[x.at(s)] * weights[weights.at({s[1], o, ky, kx})];
          }
    });
    const std::string y =
        cases.node("ConvTranspose", {cases.input(x), cases.weights(weights), cases.weights(bias)});
    cases.model.set("group", group).set("strides", Shape{stride, stride});
    cases.model.set("pads", Shape{pad, pad, pad, pad}).set("output_padding", Shape{extra, extra});
    cases.model.set("dilations", Shape{dilation, dilation});
    cases.expect(y, want, "case " + std::to_string(i));
  }
  cases.check();
}

}  // namespace
}  // namespace gantry::compile_test
