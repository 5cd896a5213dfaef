// Pools in a chain and convolutions of joins with an enlarged image: to the bit what they replace, in
// every family, and found by structure alone.
// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

constexpr const char* kFamilies[] = {"cpu", "gpu", "nvidia"};

Plan plan_of(const Model& model, const char* target, bool fuse) {
  compile::Options options;
  options.target = target;
  options.fuse = fuse;
  return Plan::from_bytes(compile::compile_bytes(model.bytes(), "test.onnx", options));
}

std::ptrdiff_t steps(const Plan& plan, const std::string& kernel) {
  return std::ranges::count_if(plan.steps(), [&](const auto& s) { return s.kernel == kernel; });
}

std::vector<std::vector<float>> results(const Plan& plan, const std::vector<Tensor>& inputs) {
  const auto queue = device().make_queue();
  PlanRunner runner(device(), plan, queue, PlanRunner::Foreign::run);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const PlanTensor& in = runner.inputs()[i];
    put(in, inputs[i]);
    EXPECT_EQ(gpu::upload(queue, in.memory, in.memory.bytes, {}, nullptr), Status::ok);
  }
  EXPECT_EQ(runner.compute({}, nullptr), Status::ok);
  queue.finish();
  std::vector<std::vector<float>> values;
  for (const auto& o : runner.outputs()) values.push_back(runner.read(o.name));
  return values;
}

// Both forms of a model in each family.
void expect_same_bits(const Model& model, const std::vector<Tensor>& inputs) {
  for (const char* target : kFamilies) {
    const auto got = results(plan_of(model, target, true), inputs),
               want = results(plan_of(model, target, false), inputs);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      EXPECT_EQ(got[i], want[i]) << target << ", output " << i;
  }
}

struct Pooling {
  std::int64_t kernel = 5, stride = 1, pad = 2, dilation = 1;
};

std::string pool(Cases& c, const std::string& x, const Pooling& p = {}) {
  const std::string y = c.node("MaxPool", {x});
  c.model.set("kernel_shape", Shape{p.kernel, p.kernel})
      .set("strides", Shape{p.stride, p.stride})
      .set("dilations", Shape{p.dilation, p.dilation})
      .set("pads", Shape{p.pad, p.pad, p.pad, p.pad});
  return y;
}

std::string join(Cases& c, const std::vector<std::string>& parts) {
  const std::string y = c.node("Concat", parts);
  c.model.set("axis", 1);
  return y;
}

TEST(PoolChain, IsWhatThreePoolsMake) {
  Random r(1);
  std::vector<Shape> shapes{{1, 8, 1, 1}, {1, 16, 4, 3}, {2, 8, 20, 20}, {1, 8, 33, 64}};
  for (int i = 0; i < 4; ++i)
    shapes.push_back({r.integer(1, 2), 8 * r.integer(1, 3), r.integer(1, 40), r.integer(1, 40)});
  Cases c;
  std::vector<Tensor> images;
  for (const Shape& s : shapes) {
    images.push_back(r.tensor(s, -3, -1));  // below the zeros that padding might bring
    const std::string x = c.input(images.back()), a = pool(c, x), b = pool(c, a), d = pool(c, b);
    c.model.output(join(c, {x, a, b, d}));
  }
  for (const char* target : kFamilies) {
    const Plan plan = plan_of(c.model, target, true);
    EXPECT_EQ(steps(plan, "max_pool_chain"), std::ssize(shapes)) << target;
    EXPECT_EQ(steps(plan, "max_pool"), 0) << target;
  }
  expect_same_bits(c.model, images);
}

// All three results are made, so that others may read them.
TEST(PoolChain, MayBeReadInTheMiddle) {
  Random r(2);
  Cases c;
  const Tensor image = r.tensor({1, 8, 9, 21});
  const std::string x = c.input(image), a = pool(c, x), b = pool(c, a);
  const std::string sum = c.node("Add", {a, b}), d = pool(c, b);
  c.model.output(a);
  c.model.output(c.node("Mul", {sum, d}));
  EXPECT_EQ(steps(plan_of(c.model, "cpu", true), "max_pool_chain"), 1);
  expect_same_bits(c.model, {image});
}

TEST(PoolChain, IsNothingElse) {
  Random r(3);
  const Tensor image = r.tensor({1, 8, 24, 24});
  for (const Pooling& other : {Pooling{3, 1, 1, 1}, {5, 1, 1, 1}, {5, 2, 2, 1}, {5, 1, 4, 2}}) {
    for (const int which : {0, 1, 2}) {
      Cases c;
      std::string x = c.input(image);
      for (const int i : {0, 1, 2}) x = pool(c, x, i == which ? other : Pooling{});
      c.model.output(x);
      for (const char* target : kFamilies) {
        EXPECT_EQ(steps(plan_of(c.model, target, true), "max_pool_chain"), 0);
        EXPECT_EQ(steps(plan_of(c.model, target, true), "max_pool"), 3);
      }
    }
  }
  Cases c;  // a function between them
  c.model.output(pool(c, pool(c, c.node("Tanh", {pool(c, c.input(image))}))));
  EXPECT_EQ(steps(plan_of(c.model, "cpu", true), "max_pool_chain"), 0);
}

// Small whole numbers: every order of summing them has the same result, in fp16 too.
Tensor whole_numbers(Random& r, const Shape& s) {
  Tensor t(s);
  for (float& v : t.values) v = static_cast<float>(r.integer(-3, 3));
  return t;
}

std::string enlarged(Cases& c, const std::string& x, const Shape& to,
                     const char* mode = "nearest") {
  const std::string y = c.node("Resize", {x, "", "", c.integers(to)});
  c.model.set("mode", mode).set("coordinate_transformation_mode", "asymmetric");
  c.model.set("nearest_mode", "floor");
  return y;
}

std::string convolved(Cases& c, Random& r, const std::string& x, std::int64_t inputs,
                      std::int64_t outputs, std::int64_t kernel = 1) {
  const std::string y =
      c.node("Conv", {x, c.weights(whole_numbers(r, {outputs, inputs, kernel, kernel})),
                      c.weights(whole_numbers(r, {outputs}))});
  c.model.set("pads", Shape{kernel / 2, kernel / 2, kernel / 2, kernel / 2});
  return y;
}

TEST(EnlargedPart, IsConvolvedBeforeItIsEnlarged) {
  Random r(4);
  std::vector<Shape> shapes{{1, 8, 1, 1}, {1, 16, 3, 5}, {2, 8, 10, 10}, {1, 8, 7, 20}};
  for (int i = 0; i < 4; ++i)
    shapes.push_back({r.integer(1, 2), 8 * r.integer(1, 3), r.integer(1, 12), r.integer(1, 24)});
  Cases c;
  std::vector<Tensor> images;
  std::ptrdiff_t convolutions = 0;
  for (const Shape& s : shapes) {
    images.push_back(whole_numbers(r, s));
    const std::string x = c.input(images.back());
    const Shape large{s[0], s[1], 2 * s[2], 2 * s[3]};
    const std::string up = enlarged(c, x, large);
    // One or two images beside it, and it at any place among them.
    std::vector<std::string> parts;
    for (std::int64_t i = r.integer(1, 2); i > 0; --i) {
      images.push_back(whole_numbers(r, large));
      parts.push_back(c.input(images.back()));
    }
    parts.insert(parts.begin() + r.integer(0, std::ssize(parts)), up);
    const std::string all = join(c, parts);
    for (std::int64_t i = r.integer(1, 2); i > 0; --i, ++convolutions) {
      const std::string y = convolved(c, r, all, std::ssize(parts) * s[1], 16);
      c.model.output(c.node("Relu", {y}));
    }
  }
  for (const char* target : kFamilies) {
    const char* kernel = std::string(target) == "nvidia" ? "conv" : "conv_1x1";
    const Plan fused = plan_of(c.model, target, true), other = plan_of(c.model, target, false);
    EXPECT_EQ(steps(fused, kernel), 2 * convolutions) << target;
    EXPECT_EQ(steps(fused, "resize_nearest"), 0) << target;
    EXPECT_EQ(steps(other, kernel), convolutions) << target;
  }
  expect_same_bits(c.model, images);
}

// The enlarged image is not written where nobody else reads it, and MACs and bytes are fewer.
TEST(EnlargedPart, CostsAQuarter) {
  Random r(5);
  Cases c;
  const std::string x = c.input(whole_numbers(r, {1, 32, 20, 20})),
                    skip = c.input(whole_numbers(r, {1, 32, 40, 40}));
  c.model.output(convolved(c, r, join(c, {enlarged(c, x, {1, 32, 40, 40}), skip}), 64, 32));
  for (const char* target : kFamilies) {
    const Plan plan = plan_of(c.model, target, true);
    EXPECT_EQ(steps(plan, "resize_nearest"), 0) << target;
    std::uint64_t macs = 0;
    for (const auto& s : plan.steps()) macs += s.macs;
    EXPECT_EQ(macs, 32u * 32 * (400 + 1600)) << target;
  }
}

// Pyramids: on either side of the sum, with the function behind it; what more than one reads stays a
// tensor of its own.
TEST(EnlargedSum, IsOneStep) {
  Random r(7);
  Cases c;
  std::vector<Tensor> images;
  const auto input = [&](const Shape& s) {
    images.push_back(r.tensor(s));
    return c.input(images.back());
  };
  for (const Shape& s : {Shape{1, 8, 1, 1}, Shape{2, 8, 5, 9}, Shape{1, 16, 3, 70}}) {
    const Shape large{s[0], s[1], 2 * s[2], 2 * s[3]};
    const std::string small = input(s), skip = input(large);
    c.model.output(c.node("Relu", {c.node("Add", {enlarged(c, small, large), skip})}));
    const std::string sum = c.node("Add", {skip, enlarged(c, small, large)});
    c.model.output(c.node("Add", {sum, c.node("Relu", {sum})}));
  }
  for (const char* target : kFamilies) {
    const Plan plan = plan_of(c.model, target, true);
    EXPECT_EQ(steps(plan, "resize_nearest"), 6) << target;
    EXPECT_EQ(steps(plan, "binary"), 3) << target;
  }
  expect_same_bits(c.model, images);
}

TEST(EnlargedPart, StaysWhereOthersReadTheJoin) {
  Random r(6);
  const Tensor image = whole_numbers(r, {1, 8, 6, 10});
  const Shape large{1, 8, 12, 20};
  const auto kept = [&](const std::function<void(Cases&, const std::string&)>& build) {
    Cases c;
    build(c, c.input(image));
    for (const char* target : kFamilies)
      EXPECT_EQ(steps(plan_of(c.model, target, true), "resize_nearest"), 1) << target;
  };
  const auto joined = [&](Cases& c, const std::string& up) {
    return join(c, {c.node("Tanh", {up}), up});
  };
  kept([&](Cases& c, const std::string& x) {  // a wider window
    c.model.output(convolved(c, r, joined(c, enlarged(c, x, large)), 16, 8, 3));
  });
  kept([&](Cases& c, const std::string& x) {  // the join is a result
    const std::string all = joined(c, enlarged(c, x, large));
    c.model.output(all);
    c.model.output(convolved(c, r, all, 16, 8));
  });
  kept([&](Cases& c, const std::string& x) {  // another factor
    c.model.output(convolved(c, r, joined(c, enlarged(c, x, {1, 8, 18, 30})), 16, 8));
  });
}

}  // namespace
}  // namespace gantry::compile_test
