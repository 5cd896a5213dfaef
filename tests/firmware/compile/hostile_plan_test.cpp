// Whole plans with arguments that mean harm: refused when they are read, or harmless when they run.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <optional>

#include "pipeline/plan/plan_format.hpp"
#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

using namespace plan_format;

// Steps of most kernels.
Model every_kernel() {
  Random r(1);
  Cases c;
  const std::string x = c.input(r.tensor({2, 4, 12, 20}));
  const auto out = [&](const std::string& name) { c.model.output(name); };
  const auto w = [&](const Shape& s) { return c.weights(r.tensor(s)); };
  const std::string y = c.node("Conv", {x, w({8, 4, 3, 3}), w({8})});
  c.model.set("pads", Shape{1, 1, 1, 1}).set("strides", Shape{2, 2});
  const std::string deep = c.node("Conv", {y, w({8, 1, 3, 3})});
  c.model.set("group", 8);
  out(c.node("Relu", {c.node("Conv", {deep, w({10, 8, 1, 1})})}));
  const std::string up = c.node("ConvTranspose", {y, w({8, 4, 2, 2})});
  c.model.set("strides", Shape{2, 2});
  out(c.node("Add", {c.node("Sigmoid", {up}), w({4, 1, 1})}));
  for (const char* op : {"MaxPool", "AveragePool"}) {
    out(c.node(op, {x}));
    c.model.set("kernel_shape", Shape{3, 3}).set("pads", Shape{1, 1, 1, 1});
  }
  for (const char* mode : {"nearest", "linear"}) {
    out(c.node("Resize", {y, "", "", c.integers({2, 8, 9, 25})}));
    c.model.set("mode", mode);
  }
  const std::string twice = c.node("Resize", {y, "", "", c.integers({2, 8, 12, 20})});
  c.model.set("mode", "nearest").set("coordinate_transformation_mode", "asymmetric");
  c.model.set("nearest_mode", "floor");
  const std::string fine = c.node("Conv", {x, w({8, 4, 1, 1})});
  out(c.node("Relu", {c.node("Add", {twice, fine})}));
  const std::string joined = c.node("Concat", {twice, fine});
  c.model.set("axis", 1);
  out(c.node("Conv", {joined, w({8, 16, 1, 1})}));
  std::string pooled = x;
  for (int i = 0; i < 3; ++i) {
    pooled = c.node("MaxPool", {pooled});
    c.model.set("kernel_shape", Shape{5, 5}).set("pads", Shape{2, 2, 2, 2});
  }
  out(pooled);
  out(c.node("MatMul", {x, w({20, 7})}));
  for (const int axis : {1, 3}) {
    out(c.node("Softmax", {x}));
    c.model.set("axis", axis);
  }
  out(c.node("ReduceMax", {x}));
  c.model.set("axes", Shape{1, 3});
  out(c.node("Pad", {x, c.integers({0, 0, 1, 2, 0, 0, 2, 1})}));
  out(c.node("Gather", {x, c.integers({3, 0, 1})}));
  c.model.set("axis", 1);
  const std::string values = c.fresh(), places = c.fresh();
  c.model.node("TopK", {x, c.integers({5})}, {values, places});
  out(c.node("GatherElements", {x, places}));
  c.model.set("axis", 3);
  out(c.node("Transpose", {x}));
  c.model.set("perm", Shape{0, 2, 3, 1});
  return c.model;
}

template <typename Record>
Record* records(std::vector<std::byte>& file, const Section& s) {
  return reinterpret_cast<Record*>(file.data() + s.offset);
}

void seal(std::vector<std::byte>& file) {
  auto& header = *reinterpret_cast<FileHeader*>(file.data());
  header.checksum = file_checksum(file);
}

// Changes one number that a kernel works with.
void damage(std::vector<std::byte>& file, Random& r) {
  const auto& h = *reinterpret_cast<const FileHeader*>(file.data());
  const auto one_of = [&](std::uint64_t n) {
    return static_cast<std::size_t>(r.integer(0, static_cast<std::int64_t>(n) - 1));
  };
  const std::int64_t numbers[] = {0,  1,   2,    3,       -1,         -8,
                                  16, 255, 4096, 1 << 20, 0x7fffffff, -0x7fffffff};
  const std::int64_t number = numbers[one_of(std::size(numbers))];
  const auto changed = [&](std::int64_t was) {
    return r.flip() ? was + r.integer(-2, 9) : r.flip() ? number : was * 2;
  };
  switch (r.integer(0, 4)) {
    case 0:
    case 1: {
      auto& a = records<ArgumentRecord>(file, h.arguments)[one_of(h.arguments.count)];
      if (a.kind == 1) a.integer = static_cast<std::int32_t>(changed(a.integer));
      if (a.kind == 0) a.tensor = static_cast<std::uint32_t>(one_of(h.tensors.count));
      break;
    }
    case 2: {
      auto& t = records<TensorRecord>(file, h.tensors)[one_of(h.tensors.count)];
      t.offset = static_cast<std::uint64_t>(changed(static_cast<std::int64_t>(t.offset)));
      break;
    }
    case 3: {
      auto& s = records<StepRecord>(file, h.steps)[one_of(h.steps.count)];
      auto& g = s.global[one_of(3)];
      g = static_cast<std::uint64_t>(changed(static_cast<std::int64_t>(g)));
      break;
    }
    default: {
      const auto& t = records<TensorRecord>(file, h.tensors)[one_of(h.tensors.count)];
      if (t.element != 2) break;
      auto& entry = records<std::int32_t>(
          file, h.weights)[t.offset + one_of(static_cast<std::uint64_t>(t.shape[0]))];
      entry = static_cast<std::int32_t>(changed(entry));
    }
  }
}

// What runs may compute nonsense, but may not write behind an output.
void run_harmlessly(const Plan& plan) {
  auto queue = device().make_queue();
  PlanRunner runner(device(), plan, queue);
  constexpr unsigned char kMark = 0xa5;
  for (const auto& o : runner.outputs()) std::memset(o.memory.host, kMark, o.memory.bytes);
  ASSERT_EQ(runner.run({}, nullptr), Status::ok);
  queue.finish();
  for (const auto& o : runner.outputs()) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(o.memory.host);
    for (std::size_t i = static_cast<std::size_t>(count(o.shape)) * sizeof(float);
         i < o.memory.bytes; ++i)
      ASSERT_EQ(bytes[i], kMark) << o.name;
  }
}

TEST(HostilePlan, IsRefusedOrHarmless) {
  if (!device().info().host_memory) GTEST_SKIP() << "the marks are looked for in host memory";
  const auto whole = compile::compile_bytes(every_kernel().bytes(), "m.onnx", {});
  run_harmlessly(Plan::from_bytes(whole));
  const char* more = std::getenv("GANTRY_LONG");
  const int runs = more && std::string(more) == "1" ? 400 : 12;
  int refused = 0, ran = 0;
  for (unsigned seed = 0; ran < runs; ++seed) {
    Random r(seed);
    auto file = whole;
    damage(file, r);
    if (file == whole) continue;
    seal(file);
    std::optional<Plan> plan;
    try {
      plan.emplace(Plan::from_bytes(file));
    } catch (const std::runtime_error&) {
      ++refused;
      continue;
    }
    // Loops without end are not what is tested.
    std::uint64_t items = 0;
    for (const auto& s : plan->steps())
      items = std::max(items, s.global[0] * s.global[1] * s.global[2]);
    if (items > 1 << 20) continue;
    SCOPED_TRACE(seed);
    run_harmlessly(*plan);
    if (HasFatalFailure()) return;
    ++ran;
  }
  EXPECT_GT(refused, runs / 2);
}

}  // namespace
}  // namespace gantry::compile_test
