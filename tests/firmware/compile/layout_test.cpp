// The layout that makes most operators free that only move values.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/layout.hpp"

#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

TEST(Layout, ReshapedStridesAreThoseOfTheSameElements) {
  Random r(9);
  int expressed = 0;
  for (int i = 0; i < 2000; ++i) {
    // A dense tensor seen through a random transpose and slice, then reshaped to random factors.
    const Shape base{r.integer(1, 4), r.integer(1, 4), r.integer(1, 6)};
    Shape strides = compile::dense_strides(base), shape = base;
    if (r.flip()) std::swap(shape[0], shape[2]), std::swap(strides[0], strides[2]);
    if (r.flip()) shape[1] = r.integer(1, shape[1]);
    Shape to;
    std::int64_t rest = count(shape);
    while (rest > 1) {
      std::int64_t f = r.integer(2, rest);
      while (rest % f) --f;
      if (f == 1) f = rest;
      to.push_back(f);
      rest /= f;
      if (r.flip()) to.push_back(1);
    }
    const auto found = compile::reshaped_strides(shape, strides, to);
    if (!found) continue;
    ++expressed;
    std::vector<std::int64_t> a, b;
    const auto offset = [](const Shape& index, const Shape& s) {
      std::int64_t o = 0;
      for (std::size_t d = 0; d < index.size(); ++d) o += index[d] * s[d];
      return o;
    };
    each_index(shape, [&](const Shape& k) { a.push_back(offset(k, strides)); });
    each_index(to, [&](const Shape& k) { b.push_back(offset(k, *found)); });
    ASSERT_EQ(a, b);
  }
  EXPECT_GT(expressed, 500);
}

// The block of YOLOv8 and 11: split, convolutions, residual, concat. Nothing is copied.
TEST(Layout, JoinsInPlace) {
  Random r(10);
  Cases cases;
  const Tensor x = r.tensor({2, 8, 20, 20});
  const std::string in = cases.input(x);
  const auto conv = [&](const std::string& v, std::int64_t from, std::int64_t to) {
    return cases.node("Conv", {v, cases.weights(r.tensor({to, from, 1, 1}))});
  };
  const std::string whole = conv(in, 8, 8), a = cases.fresh(), b = cases.fresh();
  cases.model.node("Split", {whole, cases.integers({4, 4})}, {a, b}).set("axis", 1);
  const std::string bottleneck = cases.node("Add", {b, conv(conv(b, 4, 2), 2, 4)});
  const std::string joined = cases.node("Concat", {a, b, bottleneck});
  cases.model.set("axis", 1);
  cases.model.output(conv(joined, 12, 8));
  compile::Report report;
  const Plan plan = compiled(cases.model, {}, &report);
  EXPECT_EQ(plan.steps().size(), 4u) << report.explain();
  // Fused and in place or one operator after the other: the same numbers.
  compile::Options plain;
  plain.fuse = false;
  expect_near(run(plan, {x})[0], run(compiled(cases.model, plain), {x})[0], "in place", 1e-5f);
}

// Tensors that live at the same time never share bytes.
TEST(Layout, ArenaKeepsLivingTensorsApart) {
  Random r(11);
  Cases cases;
  std::vector<std::string> values{cases.input(r.tensor({1, 4, 8, 8}))};
  for (int i = 0; i < 60; ++i) {
    const auto any = [&] {
      return values[static_cast<std::size_t>(
          r.integer(0, static_cast<std::int64_t>(values.size()) - 1))];
    };
    const std::string a = any(), b = any();
    values.push_back(r.flip() ? cases.node("Add", {a, b}) : cases.node("Tanh", {a}));
  }
  cases.model.output(values.back()).output(values[values.size() - 2]);
  compile::Options kept;
  kept.keep_all_tensors = true;
  compile::Report reused_report, kept_report;
  const Plan reused = compiled(cases.model, {}, &reused_report),
             apart = compiled(cases.model, kept, &kept_report);
  EXPECT_LT(reused_report.arena_bytes, kept_report.arena_bytes / 2);
  const Tensor x = r.tensor({1, 4, 8, 8});
  const auto want = run(apart, {x}), got = run(reused, {x});
  for (std::size_t i = 0; i < 2; ++i) expect_near(got[i], want[i], "output", 0);
}

}  // namespace
}  // namespace gantry::compile_test
