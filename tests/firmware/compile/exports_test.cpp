// Networks in the style of the exports that users bring, and operators that only those hold, beside
// onnxruntime. Needs what peer.hpp needs.
// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware/compile/export_networks.hpp"

namespace gantry::compile_test {
namespace {

TEST(Exports, NetworksInTheirStyleAgree) {
  if (!have_peer())
    GTEST_SKIP() << "no onnxruntime-node in " << peers() << " (npm ci of tests/peers)";
  const Shape sizes[] = {{1, 3, 64, 64}, {3, 3, 32, 96}};
  for (const Shape& size : sizes) {
    Networks networks(17, size, 5);
    networks.add_all();
    expect_peer_agrees(networks.model(), networks.inputs(), "batch " + std::to_string(size[0]));
  }
}

// Operators that none of the networks above holds.
TEST(Exports, RarerOperatorsAgree) {
  if (!have_peer())
    GTEST_SKIP() << "no onnxruntime-node in " << peers() << " (npm ci of tests/peers)";
  Random random(3);
  Cases cases(21);
  NamedTensors inputs;
  const auto input = [&](const Shape& s) {
    const Tensor t = random.tensor(s);
    inputs.emplace_back(cases.input(t), t);
    return inputs.back().first;
  };
  const auto weights = [&](const Shape& s) { return cases.weights(random.tensor(s)); };
  const auto shaped = [&](const std::vector<std::int64_t>& values, const Shape& shape) {
    return cases.node("Reshape", {cases.integers(values), cases.integers(shape)});
  };
  const auto output = [&](const std::string& name) { cases.model.output(name); };
  const std::string x = input({2, 6, 5, 7});
  const std::string grouped = cases.node("GroupNormalization", {x, weights({6}), weights({6})});
  cases.model.set("num_groups", 3);
  output(grouped);
  const std::string layer = cases.node("LayerNormalization", {x, weights({5, 7})});
  cases.model.set("axis", 2);
  output(layer);
  for (const char* op : {"Mish", "Gelu", "HardSwish"}) output(cases.node(op, {x}));
  output(cases.node("GatherND", {x, shaped({1, 5, 0, -6, 1, 2}, {3, 2})}));
  output(cases.node("ScatterND", {x, shaped({1, 0, 1}, {3, 1}), weights({3, 6, 5, 7})}));
  const std::string scattered =
      cases.node("ScatterElements",
                 {x, shaped({0, 4, 2, 1, -1, 3, 3, 2}, {2, 2, 2, 1}), weights({2, 2, 2, 1})});
  cases.model.set("axis", 2);
  output(scattered);
  const std::string a = input({3, 4, 5}), b = input({5, 4, 6});
  for (const char* equation : {"aij,jik->ak", "aij,jik->kia", "xyz,zyw"}) {
    const std::string y = cases.node("Einsum", {a, b});
    cases.model.set("equation", equation);
    output(y);
  }
  const std::string one = cases.node("Einsum", {a});
  cases.model.set("equation", "abc->ca");
  output(one);
  const char* modes[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
                         "half_pixel_symmetric"};
  const char* roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  const std::string image = input({1, 2, 8, 12});
  for (const char* mode : modes)
    for (const Shape& size : {Shape{1, 2, 16, 24}, Shape{1, 2, 4, 48}}) {
      for (const char* rounding : roundings) {
        // Quotients that are not exact may round either way.
        if (std::string(mode) == "align_corners") continue;
        const std::string y = cases.node("Resize", {image, "", "", cases.integers(size)});
        cases.model.set("coordinate_transformation_mode", mode).set("nearest_mode", rounding);
        output(y);
      }
      const std::string y = cases.node("Resize", {image, "", "", cases.integers(size)});
      cases.model.set("coordinate_transformation_mode", mode).set("mode", "linear");
      output(y);
    }
  expect_peer_agrees(cases.model, inputs, "rarer operators");
}

// A model that was exported for one image, compiled for three: each as if it were alone.
TEST(Exports, AnotherBatchThanTheModels) {
  Random random(9);
  Model m;
  m.input("x", {1, 4, 8, 8})
      .weights("w", random.tensor({8, 4, 3, 3}))
      .integers("apart", {1, 2, 4, -1})
      .integers("image", {1, 8, 8, 8})
      .integers("size", {1, 8, 16, 16});
  m.node("Conv", {"x", "w"}, {"c"}).set("pads", Shape{1, 1, 1, 1});
  m.node("Reshape", {"c", "apart"}, {"r"}).node("Softmax", {"r"}, {"s"}).set("axis", 3);
  m.node("Reshape", {"s", "image"}, {"i"}).node("Resize", {"i", "", "", "size"}, {"y"}).output("y");
  const Tensor x = random.tensor({3, 4, 8, 8});
  compile::Options options;
  options.batch = 3;
  const Tensor all = run(compiled(m, options), {x})[0];
  EXPECT_EQ(all.shape, (Shape{3, 8, 16, 16}));
  const Plan single = compiled(m);
  for (std::int64_t n = 0; n < 3; ++n) {
    Tensor image({1, 4, 8, 8});
    std::copy_n(x.values.begin() + n * count(image.shape), count(image.shape),
                image.values.begin());
    const Tensor want = run(single, {image})[0];
    Tensor got(want.shape);
    std::copy_n(all.values.begin() + n * count(got.shape), count(got.shape), got.values.begin());
    expect_near(got, want, "image " + std::to_string(n), 1e-6f);
  }
  // Where the batch cannot be followed the model is refused, not miscomputed.
  const auto refused = [&](const char* op, const Shape& shape) {
    Model tied;
    tied.input("x", {1, 4, 8, 8}).integers("to", shape).node(op, {"x", "to"}, {"y"}).output("y");
    EXPECT_THROW(compiled(tied, options), std::runtime_error) << op;
  };
  refused("Reshape", {4, 64, -1});
  refused("Reshape", {2, -1});
  refused("Gather", {0});
}

}  // namespace
}  // namespace gantry::compile_test
