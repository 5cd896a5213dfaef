// Operators that only move values.
// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

// y[i] = x[f(i)] for every index of `shape`.
Tensor picked(const Tensor& x, const Shape& shape, const std::function<Shape(const Shape&)>& f) {
  Tensor y(shape);
  each_index(shape, [&](const Shape& i) { y[y.at(i)] = x[x.at(f(i))]; });
  return y;
}

TEST(Shapes, TransposeEveryOrder) {
  Random r(1);
  Cases cases;
  Shape order{0, 1, 2, 3};
  do {
    const Tensor x = r.tensor({2, 17, 9, 33});
    Shape to;
    for (const auto p : order) to.push_back(x.shape[static_cast<std::size_t>(p)]);
    const Tensor want = picked(x, to, [&](const Shape& i) {
      Shape from(4);
      for (std::size_t d = 0; d < 4; ++d) from[static_cast<std::size_t>(order[d])] = i[d];
      return from;
    });
    // The function after it makes the view visible to a strided kernel; the output is a copy.
    const std::string in = cases.input(x), turned = cases.node("Transpose", {in});
    cases.model.set("perm", order);
    cases.expect(turned, want, "transpose", 0);
    Tensor doubled = want;
    for (auto& v : doubled.values) v += v;
    cases.expect(cases.node("Add", {turned, turned}), doubled, "transposed operands", 0);
  } while (std::next_permutation(order.begin(), order.end()));
  cases.check();
}

TEST(Shapes, SliceWithStepsAndBackwards) {
  Random r(2);
  Cases cases;
  for (int i = 0; i < 30; ++i) {
    const Tensor x = r.tensor({3, 11, 20});
    Shape starts, ends, axes, steps, size = x.shape, first(3, 0), step(3, 1);
    for (std::size_t d = 0; d < 3; ++d) {
      if (r.flip()) continue;
      const std::int64_t n = x.shape[d];
      step[d] = r.flip() ? r.integer(1, 4) : -r.integer(1, 4);
      const std::int64_t from = r.integer(0, n - 1),
                         to = step[d] > 0 ? r.integer(from + 1, n) : r.integer(-1, from - 1);
      first[d] = from;
      size[d] = (std::abs(to - from) + std::abs(step[d]) - 1) / std::abs(step[d]);
      starts.push_back(r.flip() ? from : from - n);
      ends.push_back(to == -1 ? -n - 1 : to == n ? std::int64_t{1} << 62 : to);
      axes.push_back(r.flip() ? static_cast<std::int64_t>(d) : static_cast<std::int64_t>(d) - 3);
      steps.push_back(step[d]);
    }
    if (axes.empty()) continue;
    const Tensor want = picked(x, size, [&](const Shape& o) {
      Shape from(3);
      for (std::size_t d = 0; d < 3; ++d) from[d] = first[d] + o[d] * step[d];
      return from;
    });
    cases.expect(cases.node("Slice", {cases.input(x), cases.integers(starts), cases.integers(ends),
                                      cases.integers(axes), cases.integers(steps)}),
                 want, "slice " + std::to_string(i), 0);
  }
  cases.check();
}

TEST(Shapes, SplitAndConcat) {
  Random r(3);
  Cases cases;
  for (const std::int64_t axis : {0, 1, 2, 3}) {
    const auto d = static_cast<std::size_t>(axis);
    const Tensor x = r.tensor({6, 6, 6, 6}), z = r.tensor({6, 6, 6, 6});
    const std::string in = cases.input(x), other = cases.input(z), a = cases.fresh(),
                      b = cases.fresh(), c = cases.fresh();
    cases.model.node("Split", {in, cases.integers({1, 3, 2})}, {a, b, c}).set("axis", axis);
    const std::string relu = cases.node("Relu", {b});
    // A view, a computed part, an input, the same part twice.
    const std::string y = cases.node("Concat", {c, relu, other, a, relu});
    cases.model.set("axis", axis);
    Shape shape = x.shape;
    shape[d] = 2 + 3 + 6 + 1 + 3;
    Tensor want(shape);
    each_index(shape, [&](const Shape& i) {
      Shape from = i;
      const std::int64_t k = i[d];
      float v;
      if (k >= 5 && k < 11) {
        from[d] = k - 5;
        v = z[z.at(from)];
      } else {
        const bool positive = k != 0 && k != 1 && k != 11;
        from[d] = k < 2 ? 4 + k : k < 5 ? k - 1 : k == 11 ? 0 : k - 11;
        v = x[x.at(from)];
        if (positive) v = std::max(v, 0.0f);
      }
      want[want.at(i)] = v;
    });
    cases.expect(y, want, "axis " + std::to_string(axis), 0);
  }
  cases.check();
}

TEST(Shapes, ReshapeFlattenSqueezeExpandTile) {
  Random r(4);
  Cases cases;
  const Tensor x = r.tensor({2, 3, 1, 8});
  const std::string in = cases.input(x);
  const auto as = [&](Shape shape) {
    Tensor t = x;
    t.shape = std::move(shape);
    return t;
  };
  cases.expect(cases.node("Reshape", {in, cases.integers({0, -1, 4})}), as({2, 6, 4}), "reshape",
               0);
  const std::string flat = cases.node("Flatten", {in});
  cases.model.set("axis", 2);
  cases.expect(flat, as({6, 8}), "flatten", 0);
  const std::string squeezed = cases.node("Squeeze", {in, cases.integers({2})});
  cases.expect(squeezed, as({2, 3, 8}), "squeeze", 0);
  cases.expect(cases.node("Unsqueeze", {squeezed, cases.integers({0, -1})}), as({1, 2, 3, 8, 1}),
               "unsqueeze", 0);
  cases.expect(cases.node("Expand", {in, cases.integers({4, 1, 1, 5, 1})}),
               picked(x, {4, 2, 3, 5, 8},
                      [](const Shape& i) {
                        return Shape{i[1], i[2], 0, i[4]};
                      }),
               "expand", 0);
  cases.expect(cases.node("Tile", {in, cases.integers({1, 2, 3, 1})}),
               picked(x, {2, 6, 3, 8},
                      [](const Shape& i) {
                        return Shape{i[0], i[1] % 3, 0, i[3]};
                      }),
               "tile", 0);
  // A reshape of a view that no strides can express.
  const std::string turned = cases.node("Transpose", {squeezed});
  cases.model.set("perm", Shape{2, 0, 1});
  Tensor want = picked(as({2, 3, 8}), {8, 2, 3}, [](const Shape& i) {
    return Shape{i[1], i[2], i[0]};
  });
  want.shape = {4, 12};
  cases.expect(cases.node("Reshape", {turned, cases.integers({4, 12})}), want,
               "reshape of a transpose", 0);
  cases.check();
}

TEST(Shapes, PadInEveryMode) {
  Random r(5);
  Cases cases;
  for (const std::string mode : {"constant", "reflect", "edge"})
    for (int i = 0; i < 4; ++i) {
      const Tensor x = r.tensor({2, 5, 7});
      Shape pads, size;
      for (int k = 0; k < 6; ++k) pads.push_back(r.integer(0, k % 3 == 0 ? 1 : 4));
      for (std::size_t d = 0; d < 3; ++d) size.push_back(x.shape[d] + pads[d] + pads[d + 3]);
      Tensor want(size);
      each_index(size, [&](const Shape& o) {
        Shape from(3);
        bool outside = false;
        for (std::size_t d = 0; d < 3; ++d) {
          std::int64_t k = o[d] - pads[d];
          const std::int64_t n = x.shape[d];
          outside = outside || k < 0 || k >= n;
          if (mode == "reflect") k = k < 0 ? -k : k >= n ? 2 * n - 2 - k : k;
          from[d] = std::clamp<std::int64_t>(k, 0, n - 1);
        }
        want[want.at(o)] = mode == "constant" && outside ? 0.75f : x[x.at(from)];
      });
      const std::string y = cases.node(
          "Pad", {cases.input(x), cases.integers(pads), cases.weights(Tensor({}, 0.75f))});
      cases.model.set("mode", mode.c_str());
      cases.expect(y, want, mode, 0);
    }
  cases.check();
}

TEST(Shapes, GatherByConstantsAndByResults) {
  Random r(6);
  Cases cases;
  const Tensor x = r.tensor({4, 9, 5});
  const std::string in = cases.input(x);
  const Shape picks{7, 0, -1};
  const std::string y = cases.node("Gather", {in, cases.integers(picks)});
  cases.model.set("axis", 1);
  cases.expect(y,
               picked(x, {4, 3, 5},
                      [&](const Shape& i) {
                        const std::int64_t k = picks[static_cast<std::size_t>(i[1])];
                        return Shape{i[0], k < 0 ? k + 9 : k, i[2]};
                      }),
               "gather", 0);
  const std::string one = cases.node("Gather", {in, cases.integers({-2}, true)});
  cases.model.set("axis", 2);
  cases.expect(one,
               picked(x, {4, 9},
                      [](const Shape& i) {
                        return Shape{i[0], i[1], 3};
                      }),
               "one", 0);
  // The largest of each column by its place: what NMS-free heads do.
  const std::string best = cases.node("ArgMax", {in});
  cases.model.set("axis", 1);
  const std::string taken = cases.node("GatherElements", {in, best});
  cases.model.set("axis", 1);
  Tensor largest({4, 1, 5}, -100);
  each_index(x.shape, [&](const Shape& i) {
    float& v = largest[largest.at({i[0], 0, i[2]})];
    v = std::max(v, x[x.at(i)]);
  });
  cases.expect(taken, largest, "by places", 0);
  cases.check();
}

TEST(Shapes, MovesBlocksBetweenDepthAndSpace) {
  Random r(7);
  Cases cases;
  const Tensor x = r.tensor({1, 8, 3, 5});
  const std::string in = cases.input(x);
  for (const bool depth_first : {true, false}) {
    const std::string y = cases.node("DepthToSpace", {in});
    cases.model.set("blocksize", 2).set("mode", depth_first ? "DCR" : "CRD");
    cases.expect(y,
                 picked(x, {1, 2, 6, 10},
                        [&](const Shape& i) {
                          const std::int64_t block = i[2] % 2 * 2 + i[3] % 2;
                          return Shape{0, depth_first ? block * 2 + i[1] : i[1] * 4 + block,
                                       i[2] / 2, i[3] / 2};
                        }),
                 "depth to space", 0);
  }
  cases.check();
}

// Shape arithmetic, as exporters write it for a reshape, folds away.
TEST(Shapes, FoldShapeArithmetic) {
  Random r(8);
  Cases cases;
  const Tensor x = r.tensor({2, 3, 4, 5});
  const std::string in = cases.input(x);
  const std::string shape = cases.node("Shape", {in});
  const std::string batch = cases.node("Gather", {shape, cases.integers({0}, true)});
  const std::string height = cases.node("Gather", {shape, cases.integers({2}, true)});
  const std::string twice = cases.node("Mul", {height, cases.integers({2}, true)});
  const std::string half = cases.node(
      "Div", {cases.node("Add", {twice, cases.integers({1}, true)}), cases.integers({2}, true)});
  const std::string to = cases.node(
      "Concat", {cases.node("Unsqueeze", {batch, cases.integers({0})}), cases.integers({-1}),
                 cases.node("Unsqueeze", {half, cases.integers({0})})});
  cases.model.set("axis", 0);
  Tensor want = x;
  want.shape = {2, 15, 4};
  cases.expect(cases.node("Reshape", {in, to}), want, "folded", 0);
  cases.check();
  EXPECT_EQ(compiled(cases.model).steps().size(), 1u);  // the copy to the output
}

TEST(Shapes, FoldRangesFillsAndCasts) {
  Cases cases;
  const Tensor x({6}, 2);
  const std::string range = cases.node(
      "Range", {cases.integers({1}, true), cases.integers({13}, true), cases.integers({2}, true)});
  const std::string real = cases.node("Cast", {range});
  cases.model.set("to", 1);
  const std::string ones = cases.node("ConstantOfShape", {cases.integers({6})});
  const std::string sum = cases.node("Add", {real, ones});
  Tensor want({6});
  for (std::int64_t i = 0; i < 6; ++i) want[i] = 2 * static_cast<float>(1 + 2 * i);
  cases.expect(cases.node("Mul", {cases.input(x), sum}), want, "range", 0);
  cases.check();
  EXPECT_EQ(compiled(cases.model).steps().size(), 1u);  // the product alone
}

// What was an attribute before it became an input.
TEST(Shapes, ReadOlderOpsets) {
  Random r(12);
  Cases cases(9);
  const Tensor x = r.tensor({2, 1, 6, 8});
  const std::string in = cases.input(x);
  const std::string cut = cases.node("Slice", {in});
  cases.model.set("starts", Shape{1, -3}).set("ends", Shape{100, -1}).set("axes", Shape{2, 3});
  cases.expect(cut,
               picked(x, {2, 1, 5, 2},
                      [](const Shape& i) {
                        return Shape{i[0], 0, i[2] + 1, i[3] + 5};
                      }),
               "slice", 0);
  const std::string squeezed = cases.node("Squeeze", {in});
  cases.model.set("axes", Shape{1});
  Tensor flat = x;
  flat.shape = {2, 6, 8};
  cases.expect(squeezed, flat, "squeeze", 0);
  const std::string back = cases.node("Unsqueeze", {squeezed});
  cases.model.set("axes", Shape{1});
  cases.expect(back, x, "unsqueeze", 0);
  const std::string padded = cases.node("Pad", {in});
  cases.model.set("pads", Shape{0, 0, 1, 0, 0, 0, 0, 2});
  cases.expect(
      padded,
      [&] {
        Tensor want({2, 1, 7, 10});
        each_index(x.shape, [&](const Shape& i) {
          want[want.at({i[0], 0, i[2] + 1, i[3]})] = x[x.at(i)];
        });
        return want;
      }(),
      "pad", 0);
  const std::string a = cases.fresh(), b = cases.fresh();
  cases.model.node("Split", {in}, {a, b}).set("axis", 3).set("split", Shape{3, 5});
  cases.expect(b,
               picked(x, {2, 1, 6, 5},
                      [](const Shape& i) {
                        return Shape{i[0], 0, i[2], i[3] + 3};
                      }),
               "split", 0);
  // Softmax over everything from the axis on.
  const std::string soft = cases.node("Softmax", {in});
  cases.model.set("axis", 1);
  Tensor want(x.shape);
  for (std::int64_t n = 0; n < 2; ++n) {
    double sum = 0;
    for (std::int64_t i = 0; i < 48; ++i) sum += std::exp(double{x[n * 48 + i]});
    for (std::int64_t i = 0; i < 48; ++i)
      want[n * 48 + i] = static_cast<float>(std::exp(double{x[n * 48 + i]}) / sum);
  }
  cases.expect(soft, want, "softmax", 1e-5f);
  cases.check();
}

}  // namespace
}  // namespace gantry::compile_test
