// Element-by-element operators, matrices, reductions and ordering against their definitions.
// SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

Tensor mapped(const Tensor& x, const std::function<double(double)>& f) {
  Tensor y(x.shape);
  for (std::int64_t i = 0; i < count(x.shape); ++i) y[i] = static_cast<float>(f(x[i]));
  return y;
}

TEST(Unary, MatchesTheFunctions) {
  Random r(1);
  Cases cases(20);
  const auto add = [&](const std::string& op, float low, float high,
                       const std::function<double(double)>& f,
                       const std::vector<std::pair<std::string, float>>& attributes = {}) {
    const Tensor x = r.tensor({1, 3, 7, 41}, low, high);
    const std::string y = cases.node(op, {cases.input(x)});
    for (const auto& [name, value] : attributes) cases.model.set(name, value);
    cases.expect(y, mapped(x, f), op, 2e-6f);
  };
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  add("Relu", -2, 2, [](double v) { return std::max(v, 0.0); });
  add("LeakyRelu", -2, 2, [](double v) { return v < 0 ? double{0.1f} * v : v; }, {{"alpha", 0.1f}});
  add("Sigmoid", -20, 20, sigmoid);
  add("HardSigmoid", -5, 5, [](double v) { return std::clamp(0.25 * v + 0.375, 0.0, 1.0); },
      {{"alpha", 0.25f}, {"beta", 0.375f}});
  add("HardSwish", -5, 5, [](double v) { return v * std::clamp(v / 6 + 0.5, 0.0, 1.0); });
  add("Tanh", -5, 5, [](double v) { return std::tanh(v); });
  add("Mish", -30, 30, [](double v) { return v * std::tanh(std::log1p(std::exp(v))); });
  add("Exp", -5, 5, [](double v) { return std::exp(v); });
  add("Log", 0.01f, 9, [](double v) { return std::log(v); });
  add("Sqrt", 0, 9, [](double v) { return std::sqrt(v); });
  add("Neg", -2, 2, [](double v) { return -v; });
  add("Abs", -2, 2, [](double v) { return std::fabs(v); });
  add("Erf", -3, 3, [](double v) { return std::erf(v); });
  add("Floor", -9, 9, [](double v) { return std::floor(v); });
  add("Ceil", -9, 9, [](double v) { return std::ceil(v); });
  add("Round", -9, 9, [](double v) { return std::nearbyint(v); });
  add("Reciprocal", 0.1f, 9, [](double v) { return 1 / v; });
  add("Elu", -3, 3, [](double v) { return v < 0 ? 1.5 * std::expm1(v) : v; }, {{"alpha", 1.5f}});
  add("Softplus", -30, 30, [](double v) { return v > 20 ? v : std::log1p(std::exp(v)); });
  add("Sin", -3, 3, [](double v) { return std::sin(v); });
  add("Cos", -3, 3, [](double v) { return std::cos(v); });
  add("Sign", -3, 3, [](double v) { return (v > 0) - (v < 0); });
  add("Gelu", -4, 4, [](double v) { return 0.5 * v * (1 + std::erf(v * M_SQRT1_2)); });
  cases.check();
}

TEST(Unary, KeepsSmallValuesExact) {
  // Relative, not absolute: sigmoid and exp far below 1.
  Cases cases;
  Tensor x({64});
  for (std::int64_t i = 0; i < 64; ++i) x[i] = -1.3f * static_cast<float>(i);
  const std::string in = cases.input(x);
  // Scaled up again by a constant, so that the comparison sees the small ones.
  Tensor up({64});
  for (std::int64_t i = 0; i < 64; ++i)
    up[i] = static_cast<float>(std::exp(1.3 * static_cast<double>(i)));
  const std::string factor = cases.weights(up);
  Tensor want({64}), want_sigmoid({64});
  for (std::int64_t i = 0; i < 64; ++i) {
    want[i] = static_cast<float>(std::exp(double{x[i]}) * up[i]);
    want_sigmoid[i] = static_cast<float>(1 / (1 + std::exp(-double{x[i]})) * up[i]);
  }
  cases.expect(cases.node("Mul", {cases.node("Exp", {in}), factor}), want, "exp", 1e-5f);
  cases.expect(cases.node("Mul", {cases.node("Sigmoid", {in}), factor}), want_sigmoid, "sigmoid",
               1e-5f);
  cases.check();
}

TEST(Unary, ClipsFromInputsAndAttributes) {
  Random r(2);
  const Tensor x = r.tensor({5, 77});
  Cases old(10), now(13);
  const std::string a = old.node("Clip", {old.input(x)});
  old.model.set("min", -0.5f).set("max", 1.25f);
  old.expect(a, mapped(x, [](double v) { return std::clamp(v, -0.5, 1.25); }), "attributes");
  old.check();
  Tensor high({}, 0.75f);
  now.expect(now.node("Clip", {now.input(x), "", now.weights(high)}),
             mapped(x, [](double v) { return std::min(v, 0.75); }), "inputs");
  now.check();
}

// Two tensors over their broadcast shape.
Tensor broadcast(const Tensor& a, const Tensor& b, const std::function<double(double, double)>& f) {
  Shape shape(std::max(a.shape.size(), b.shape.size()));
  const auto size = [&](const Tensor& t, std::size_t d) {
    const std::size_t missing = shape.size() - t.shape.size();
    return d < missing ? std::int64_t{1} : t.shape[d - missing];
  };
  for (std::size_t d = 0; d < shape.size(); ++d) shape[d] = std::max(size(a, d), size(b, d));
  Tensor y(shape);
  each_index(shape, [&](const Shape& i) {
    const auto value = [&](const Tensor& t) {
      Shape at;
      for (std::size_t d = shape.size() - t.shape.size(); d < shape.size(); ++d)
        at.push_back(size(t, d) == 1 ? 0 : i[d]);
      return double{t[t.at(at)]};
    };
    y[y.at(i)] = static_cast<float>(f(value(a), value(b)));
  });
  return y;
}

TEST(Binary, Broadcasts) {
  Random r(3);
  Cases cases(14);
  struct Op {
    const char* name;
    double (*f)(double, double);
    float low;
  };
  const Op ops[] = {{"Add", [](double a, double b) { return a + b; }, -2},
                    {"Sub", [](double a, double b) { return a - b; }, -2},
                    {"Mul", [](double a, double b) { return a * b; }, -2},
                    {"Div", [](double a, double b) { return a / b; }, 0.5f},
                    {"Pow", [](double a, double b) { return std::pow(a, b); }, 0.5f},
                    {"Min", [](double a, double b) { return std::min(a, b); }, -2},
                    {"Max", [](double a, double b) { return std::max(a, b); }, -2},
                    {"PRelu", [](double a, double b) { return a < 0 ? a * b : a; }, -2}};
  const Shape shapes[][2] = {{{2, 3, 5, 17}, {2, 3, 5, 17}}, {{2, 3, 5, 17}, {17}},
                             {{2, 3, 5, 17}, {3, 1, 1}},     {{2, 3, 5, 17}, {}},
                             {{2, 3, 5, 17}, {2, 1, 5, 1}},  {{4, 1, 300}, {1, 3, 1}},
                             {{1, 1, 1}, {3, 1, 7}}};
  for (const Op& op : ops)
    for (const auto& pair : shapes) {
      if (std::string(op.name) == "PRelu" && pair[0].size() > pair[1].size() + 3) continue;
      if (std::string(op.name) == "PRelu" && count(pair[0]) < count(pair[1])) continue;
      const Tensor a = r.tensor(pair[0], op.low), b = r.tensor(pair[1], op.low);
      cases.expect(
          cases.node(op.name, {cases.input(a), r.flip() ? cases.input(b) : cases.weights(b)}),
          broadcast(a, b, op.f), op.name, 1e-5f);
    }
  cases.check();
}

TEST(Binary, ComparesAndChooses) {
  Random r(4);
  Cases cases(16);
  Tensor a = r.tensor({3, 40}, -2, 2), b = r.tensor({40}, -2, 2);
  for (auto* t : {&a, &b})
    for (auto& v : t->values) v = std::round(v);
  const std::string ia = cases.input(a), ib = cases.input(b);
  const std::string less = cases.node("Less", {ia, ib}), equal = cases.node("Equal", {ia, ib});
  cases.expect(less, broadcast(a, b, [](double x, double y) { return x < y; }), "less");
  cases.expect(cases.node("GreaterOrEqual", {ia, ib}),
               broadcast(a, b, [](double x, double y) { return x >= y; }), "greater or equal");
  cases.expect(cases.node("Or", {less, equal}),
               broadcast(a, b, [](double x, double y) { return x <= y; }), "or");
  cases.expect(cases.node("Not", {equal}),
               broadcast(a, b, [](double x, double y) { return x != y; }), "not");
  cases.expect(cases.node("Where", {less, ia, ib}),
               broadcast(a, b, [](double x, double y) { return x < y ? x : y; }), "where");
  cases.check();
}

TEST(MatMul, MatchesItsDefinition) {
  Random r(5);
  Cases cases;
  const auto product = [](const Tensor& a, const Tensor& b) {
    const std::int64_t m = a.shape[a.shape.size() - 2], k = a.shape.back(), n = b.shape.back();
    Tensor batch_a(Shape(a.shape.begin(), a.shape.end() - 2)),
        batch_b(Shape(b.shape.begin(), b.shape.end() - 2));
    std::iota(batch_a.values.begin(), batch_a.values.end(), 0.0f);
    std::iota(batch_b.values.begin(), batch_b.values.end(), 0.0f);
    const Tensor ia = broadcast(batch_a, batch_b, [](double x, double) { return x; });
    const Tensor ib = broadcast(batch_a, batch_b, [](double, double y) { return y; });
    Shape shape = ia.shape;
    shape.insert(shape.end(), {m, n});
    Tensor y(shape);
    for (std::int64_t i = 0; i < count(ia.shape); ++i)
      for (std::int64_t row = 0; row < m; ++row)
        for (std::int64_t column = 0; column < n; ++column) {
          double sum = 0;
          for (std::int64_t j = 0; j < k; ++j)
            sum += double{a[static_cast<std::int64_t>(ia[i]) * m * k + row * k + j]} *
                   b[static_cast<std::int64_t>(ib[i]) * k * n + j * n + column];
          y[(i * m + row) * n + column] = static_cast<float>(sum);
        }
    return y;
  };
  const Shape shapes[][2] = {{{5, 7}, {7, 33}},
                             {{2, 3, 5, 7}, {2, 3, 7, 9}},
                             {{2, 3, 5, 7}, {7, 9}},
                             {{3, 1, 4, 6}, {1, 2, 6, 17}},
                             {{1, 64}, {64, 1}}};
  for (const auto& pair : shapes) {
    const Tensor a = r.tensor(pair[0]), b = r.tensor(pair[1]);
    cases.expect(
        cases.node("MatMul", {cases.input(a), r.flip() ? cases.input(b) : cases.weights(b)}),
        product(a, b), "matmul");
  }
  // Transposed operands stay views where the kernel can read them.
  const Tensor q = r.tensor({1, 2, 8, 20}), k = r.tensor({1, 2, 8, 20});
  const std::string qi = cases.input(q), ki = cases.input(k);
  const std::string turned = cases.node("Transpose", {qi});
  cases.model.set("perm", Shape{0, 1, 3, 2});
  Tensor qt({1, 2, 20, 8}), kt({1, 2, 20, 8});
  each_index(qt.shape, [&](const Shape& i) {
    qt[qt.at(i)] = q[q.at({i[0], i[1], i[3], i[2]})];
    kt[kt.at(i)] = k[k.at({i[0], i[1], i[3], i[2]})];
  });
  cases.expect(cases.node("MatMul", {turned, ki}), product(qt, k), "left transposed");
  const std::string turned_right = cases.node("Transpose", {ki});
  cases.model.set("perm", Shape{0, 1, 3, 2});
  cases.expect(cases.node("MatMul", {qi, turned_right}), product(q, kt), "right transposed");
  cases.check();
}

TEST(Gemm, TransposesAndScales) {
  Random r(6);
  Cases cases;
  for (int i = 0; i < 8; ++i) {
    const bool ta = i & 1, tb = i & 2;
    const std::int64_t m = r.integer(1, 6), k = r.integer(1, 9), n = r.integer(1, 40);
    const Tensor a = r.tensor(ta ? Shape{k, m} : Shape{m, k}),
                 b = r.tensor(tb ? Shape{n, k} : Shape{k, n}), c = r.tensor({n});
    Tensor want({m, n});
    each_index(want.shape, [&](const Shape& o) {
      double sum = 0;
      for (std::int64_t j = 0; j < k; ++j)
        sum += double{a[a.at(ta ? Shape{j, o[0]} : Shape{o[0], j})]} *
               b[b.at(tb ? Shape{o[1], j} : Shape{j, o[1]})];
      want[want.at(o)] = static_cast<float>(0.5 * sum + 2 * c[o[1]]);
    });
    const std::string y = cases.node("Gemm", {cases.input(a), cases.weights(b), cases.weights(c)});
    cases.model.set("alpha", 0.5f).set("beta", 2.0f).set("transA", int{ta}).set("transB", int{tb});
    cases.expect(y, want, "gemm");
  }
  cases.check();
}

TEST(Softmax, TakesEveryAxis) {
  Random r(7);
  Cases cases;
  for (std::int64_t axis = -4; axis < 4; ++axis) {
    const Tensor x = r.tensor({2, 5, 9, 35}, -30, 30);
    Tensor want(x.shape), log_want(x.shape);
    each_index(x.shape, [&](const Shape& i) {
      double sum = 0;
      const auto d = static_cast<std::size_t>(axis < 0 ? axis + 4 : axis);
      for (std::int64_t k = 0; k < x.shape[d]; ++k) {
        Shape at = i;
        at[d] = k;
        sum += std::exp(double{x[x.at(at)]} - x[x.at(i)]);
      }
      want[want.at(i)] = static_cast<float>(1 / sum);
      log_want[want.at(i)] = static_cast<float>(-std::log(sum));
    });
    const std::string in = cases.input(x);
    const std::string y = cases.node("Softmax", {in});
    cases.model.set("axis", axis);
    cases.expect(y, want, "axis " + std::to_string(axis), 1e-5f);
    const std::string z = cases.node("LogSoftmax", {in});
    cases.model.set("axis", axis);
    cases.expect(z, log_want, "log, axis " + std::to_string(axis), 1e-5f);
  }
  cases.check();
}

// The distances of a head: a softmax beside a transpose goes by columns, straight into what the
// convolution reads.
TEST(Softmax, GoesByColumnsWhereTheyLieTogether) {
  Random r(9);
  Cases cases;
  const std::string x = cases.input(r.tensor({1, 4, 16, 40}));
  const std::string bins = cases.node("Transpose", {x});
  cases.model.set("perm", Shape{0, 3, 1, 2});
  const std::string soft = cases.node("Softmax", {bins});
  cases.model.set("axis", 3);
  const std::string turned = cases.node("Transpose", {soft});
  cases.model.set("perm", Shape{0, 3, 2, 1});
  cases.model.output(cases.node("Conv", {turned, cases.weights(r.tensor({1, 16, 1, 1}))}));
  const Plan plan = compiled(cases.model);
  ASSERT_EQ(plan.steps().size(), 2u);
  EXPECT_EQ(plan.steps()[0].kernel, "softmax_columns");
  EXPECT_EQ(plan.steps()[1].kernel, "conv_1x1");
}

TEST(Reduce, TakesAnyAxes) {
  Random r(8);
  Cases cases;
  const std::pair<const char*, int> ops[] = {{"ReduceMean", 0}, {"ReduceMax", 1},  {"ReduceMin", 2},
                                             {"ReduceL2", 3},   {"ReduceProd", 4}, {"ReduceL1", 5}};
  const Shape axes_lists[] = {{0}, {1}, {-1}, {1, 2}, {2, 3}, {0, 3}, {0, 1, 2, 3}};
  for (const auto& op : ops)
    for (const auto& axes : axes_lists) {
      const char* name = op.first;
      const int kind = op.second;
      const bool keep = r.flip();
      const Tensor x = r.tensor({2, 3, 4, 19}, -1.5f, 1.5f);
      std::vector<bool> reduced(4);
      for (const auto a : axes) reduced[static_cast<std::size_t>(a < 0 ? a + 4 : a)] = true;
      Shape wide = x.shape, narrow;
      double covered = 1;
      for (std::size_t d = 0; d < 4; ++d) {
        if (reduced[d])
          covered *= static_cast<double>(x.shape[d]), wide[d] = 1;
        else
          narrow.push_back(x.shape[d]);
      }
      const double start = kind == 1 ? -1e30 : kind == 2 ? 1e30 : kind == 4 ? 1 : 0;
      std::vector<double> sums(static_cast<std::size_t>(count(wide)), start);
      Tensor want(wide);
      each_index(x.shape, [&](const Shape& i) {
        Shape at = i;
        for (std::size_t d = 0; d < 4; ++d) at[d] = reduced[d] ? 0 : i[d];
        double& s = sums[static_cast<std::size_t>(want.at(at))];
        const double v = x[x.at(i)];
        s = kind == 0   ? s + v / covered
            : kind == 1 ? std::max(s, v)
            : kind == 2 ? std::min(s, v)
            : kind == 3 ? s + v * v
            : kind == 4 ? s * v
                        : s + std::fabs(v);
      });
      for (std::size_t i = 0; i < sums.size(); ++i)
        want.values[i] = static_cast<float>(kind == 3 ? std::sqrt(sums[i]) : sums[i]);
      if (!keep) want.shape = narrow;
      const std::string y = cases.node(name, {cases.input(x)});
      cases.model.set("axes", axes).set("keepdims", int{keep});
      cases.expect(y, want, name, 1e-5f);
    }
  const Tensor x = r.tensor({3, 5});
  Tensor sum({3});
  each_index(x.shape, [&](const Shape& i) { sum[i[0]] += x[x.at(i)]; });
  const std::string y = cases.node("ReduceSum", {cases.input(x), cases.integers({1})});
  cases.model.set("keepdims", 0);
  cases.expect(y, sum, "sum");
  cases.check();
}

TEST(Order, FindsExtremesAndSorts) {
  Random r(9);
  Cases cases;
  for (const std::int64_t axis : {0, 1, 2}) {
    Tensor x = r.tensor({4, 9, 21}, -5, 5);
    for (auto& v : x.values) v = std::round(v);  // many ties
    const auto d = static_cast<std::size_t>(axis);
    const std::int64_t length = x.shape[d], k = r.integer(1, length);
    Shape one = x.shape, some = x.shape;
    one[d] = 1;
    some[d] = k;
    Tensor first(one), values(some), places(some);
    each_index(one, [&](const Shape& i) {
      std::vector<std::int64_t> order(static_cast<std::size_t>(length));
      std::iota(order.begin(), order.end(), 0);
      const auto value = [&](std::int64_t j) {
        Shape at = i;
        at[d] = j;
        return x[x.at(at)];
      };
      std::stable_sort(order.begin(), order.end(),
                       [&](auto a, auto b) { return value(a) > value(b); });
      first[first.at(i)] = static_cast<float>(order[0]);
      for (std::int64_t j = 0; j < k; ++j) {
        Shape at = i;
        at[d] = j;
        values[values.at(at)] = value(order[static_cast<std::size_t>(j)]);
        places[places.at(at)] = static_cast<float>(order[static_cast<std::size_t>(j)]);
      }
    });
    const std::string in = cases.input(x);
    const std::string best = cases.node("ArgMax", {in});
    cases.model.set("axis", axis);
    cases.expect(best, first, "argmax");
    const std::string top = cases.fresh(), where = cases.fresh();
    cases.model.node("TopK", {in, cases.integers({k})}, {top, where}).set("axis", axis);
    cases.expect(top, values, "top values");
    cases.expect(where, places, "top places");
  }
  cases.check();
}

}  // namespace
}  // namespace gantry::compile_test
