// Builds small ONNX models, compiles and runs them, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include "firmware/compile/compile.hpp"
#include "pipeline/plan/half.hpp"
#include "pipeline/plan/plan_runner.hpp"

namespace gantry::compile_test {

using Shape = std::vector<std::int64_t>;

inline std::int64_t count(const Shape& s) {
  std::int64_t n = 1;
  for (const auto d : s) n *= d;
  return n;
}

struct Tensor {
  Shape shape;
  std::vector<float> values;
  Tensor() = default;
  explicit Tensor(Shape s, float fill = 0)
      : shape(std::move(s)), values(static_cast<std::size_t>(count(shape)), fill) {}
  float& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
  float operator[](std::int64_t i) const { return values[static_cast<std::size_t>(i)]; }
  // Row-major, one index per dimension.
  std::int64_t at(const Shape& index) const {
    std::int64_t i = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) i = i * shape[d] + index[d];
    return i;
  }
};

// Calls f with every index of a shape, in row-major order.
inline void each_index(const Shape& shape, const std::function<void(const Shape&)>& f) {
  Shape index(shape.size(), 0);
  for (std::int64_t i = 0; i < count(shape); ++i) {
    f(index);
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  bool flip() { return integer(0, 1) == 1; }
  Tensor tensor(const Shape& shape, float low = -2, float high = 2) {
    Tensor t(shape);
    std::uniform_real_distribution<float> u(low, high);
    for (auto& v : t.values) v = u(engine_);
    return t;
  }

 private:
  std::mt19937 engine_;
};

// One ONNX model under construction.
class Model {
 public:
  explicit Model(std::int64_t opset = 13) {
    proto.set_ir_version(7);
    proto.add_opset_import()->set_version(opset);
    proto.mutable_graph()->set_name("test");
  }

  Model& input(const std::string& name, const Shape& shape) {
    auto* v = proto.mutable_graph()->add_input();
    v->set_name(name);
    auto* type = v->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    type->mutable_shape();  // a scalar's is empty, not missing
    for (const auto d : shape) type->mutable_shape()->add_dim()->set_dim_value(d);
    return *this;
  }
  Model& output(const std::string& name) {
    auto* v = proto.mutable_graph()->add_output();
    v->set_name(name);
    v->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    return *this;
  }
  Model& weights(const std::string& name, const Tensor& t) {
    auto* w = proto.mutable_graph()->add_initializer();
    w->set_name(name);
    w->set_data_type(onnx::TensorProto::FLOAT);
    for (const auto d : t.shape) w->add_dims(d);
    w->set_raw_data(t.values.data(), t.values.size() * sizeof(float));
    return *this;
  }
  Model& integers(const std::string& name, const std::vector<std::int64_t>& values,
                  bool scalar = false) {
    auto* w = proto.mutable_graph()->add_initializer();
    w->set_name(name);
    w->set_data_type(onnx::TensorProto::INT64);
    if (!scalar) w->add_dims(static_cast<std::int64_t>(values.size()));
    for (const auto v : values) w->add_int64_data(v);
    return *this;
  }

  // Attributes of the node added last.
  Model& node(const std::string& op, const std::vector<std::string>& inputs,
              const std::vector<std::string>& outputs) {
    auto* n = proto.mutable_graph()->add_node();
    n->set_op_type(op);
    n->set_name("node_" + outputs[0]);
    for (const auto& i : inputs) n->add_input(i);
    for (const auto& o : outputs) n->add_output(o);
    return *this;
  }
  Model& set(const std::string& name, std::int64_t v) {
    auto* a = attribute(name, onnx::AttributeProto::INT);
    a->set_i(v);
    return *this;
  }
  Model& set(const std::string& name, int v) { return set(name, std::int64_t{v}); }
  Model& set(const std::string& name, float v) {
    attribute(name, onnx::AttributeProto::FLOAT)->set_f(v);
    return *this;
  }
  Model& set(const std::string& name, const char* v) {
    attribute(name, onnx::AttributeProto::STRING)->set_s(v);
    return *this;
  }
  Model& set(const std::string& name, const std::vector<std::int64_t>& v) {
    auto* a = attribute(name, onnx::AttributeProto::INTS);
    for (const auto i : v) a->add_ints(i);
    return *this;
  }

  std::vector<std::byte> bytes() const {
    const std::string s = proto.SerializeAsString();
    std::vector<std::byte> b(s.size());
    std::memcpy(b.data(), s.data(), s.size());
    return b;
  }

  onnx::ModelProto proto;

 private:
  onnx::AttributeProto* attribute(const std::string& name,
                                  onnx::AttributeProto::AttributeType type) {
    auto* a = proto.mutable_graph()->mutable_node()->rbegin()->add_attribute();
    a->set_name(name);
    a->set_type(type);
    return a;
  }
};

inline gpu::Device& device() {
  static gpu::Device d({}, {});
  return d;
}

// Puts dense values where the input has them.
inline void put(const PlanTensor& t, const Tensor& values) {
  std::size_t flat = 0;
  each_index(t.shape, [&](const Shape& i) {
    std::size_t at = 0;
    for (std::size_t d = 0; d < i.size(); ++d) at += static_cast<std::size_t>(i[d] * t.strides[d]);
    const float v = values.values[flat++];
    const std::uint16_t half = half_of(v);
    if (t.element == Plan::Element::f16)
      std::memcpy(t.memory.host + at * 2, &half, 2);
    else
      std::memcpy(t.memory.host + at * 4, &v, 4);
  });
}

// Runs a plan on the first device; outputs are poisoned first, and it runs twice, so that leftovers
// of the first run would show.
inline std::vector<Tensor> run(const Plan& plan, const std::vector<Tensor>& inputs) {
  auto queue = device().make_queue();
  PlanRunner runner(device(), plan, queue);
  for (int pass = 0; pass < 2; ++pass) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto& memory = runner.inputs()[i].memory;
      std::memcpy(memory.host, inputs[i].values.data(), inputs[i].values.size() * sizeof(float));
      EXPECT_EQ(gpu::upload(queue, memory, memory.bytes, {}, nullptr), Status::ok);
    }
    for (const auto& o : runner.outputs()) {
      const std::vector<float> poison(o.memory.bytes / sizeof(float),
                                      std::numeric_limits<float>::quiet_NaN());
      queue.enqueueWriteBuffer(o.memory.buffer, CL_TRUE, 0, poison.size() * sizeof(float),
                               poison.data());
    }
    cl::Event done;
    EXPECT_EQ(runner.run({}, &done), Status::ok);
    EXPECT_EQ(gpu::wait(done), Status::ok);
  }
  std::vector<Tensor> results;
  for (const auto& o : runner.outputs()) {
    results.emplace_back(Shape(o.shape));
    std::memcpy(results.back().values.data(), o.memory.host,
                results.back().values.size() * sizeof(float));
  }
  return results;
}

// For the device that it runs on.
inline Plan compiled(const Model& model, compile::Options options = {},
                     compile::Report* report = nullptr) {
  options.target = device().info().kind == gpu::Kind::gpu ? "gpu" : "cpu";
  return Plan::from_bytes(compile::compile_bytes(model.bytes(), "test.onnx", options, report));
}

inline void expect_near(const Tensor& got, const Tensor& want, const std::string& what,
                        float relative = 1e-4f) {
  ASSERT_EQ(got.shape, want.shape) << what;
  float largest = 0;
  for (const float v : want.values)
    if (std::isfinite(v)) largest = std::max(largest, std::fabs(v));
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    if (got.values[i] == want.values[i]) continue;
    ASSERT_NEAR(got.values[i], want.values[i], relative * std::max(largest, 1e-3f))
        << what << ", element " << i;
  }
}

// Many small cases in one model, so that its programs are built once: a case adds inputs, weights and
// nodes under fresh names and says what its result must be.
class Cases {
 public:
  explicit Cases(std::int64_t opset = 13) : model(opset) {}

  std::string fresh() { return "v" + std::to_string(names_++); }
  std::string input(const Tensor& t) {
    std::string name = fresh();
    model.input(name, t.shape);
    inputs_.push_back(t);
    return name;
  }
  std::string weights(const Tensor& t) {
    std::string name = fresh();
    model.weights(name, t);
    return name;
  }
  std::string integers(const std::vector<std::int64_t>& values, bool scalar = false) {
    std::string name = fresh();
    model.integers(name, values, scalar);
    return name;
  }
  // Adds a node with one output, whose attributes are set through `model`.
  std::string node(const std::string& op, const std::vector<std::string>& inputs) {
    std::string name = fresh();
    model.node(op, inputs, {name});
    return name;
  }
  void expect(const std::string& value, Tensor want, std::string what, float relative = 1e-4f) {
    model.output(value);
    wanted_.push_back({std::move(want), std::move(what), relative});
  }
  void check(compile::Options options = {}) {
    const auto results = run(compiled(model, std::move(options)), inputs_);
    ASSERT_EQ(results.size(), wanted_.size());
    for (std::size_t i = 0; i < results.size(); ++i)
      expect_near(results[i], wanted_[i].tensor, wanted_[i].what, wanted_[i].relative);
  }

  Model model;

 private:
  struct Wanted {
    Tensor tensor;
    std::string what;
    float relative;
  };
  std::vector<Tensor> inputs_;
  std::vector<Wanted> wanted_;
  int names_ = 0;
};

}  // namespace gantry::compile_test
