// Fuzzes the network compiler with ONNX files: mutated bytes, and mutated graphs that still parse.
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

#include "firmware/compile/compile.hpp"
#include "pipeline/plan/plan.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t capacity);

namespace {

constexpr const char* kOperators[] = {"Conv",
                                      "ConvTranspose",
                                      "MaxPool",
                                      "AveragePool",
                                      "GlobalAveragePool",
                                      "Gemm",
                                      "MatMul",
                                      "Softmax",
                                      "LogSoftmax",
                                      "BatchNormalization",
                                      "Resize",
                                      "Upsample",
                                      "Relu",
                                      "Sigmoid",
                                      "Tanh",
                                      "Exp",
                                      "LeakyRelu",
                                      "HardSigmoid",
                                      "Clip",
                                      "PRelu",
                                      "Add",
                                      "Sub",
                                      "Mul",
                                      "Div",
                                      "Pow",
                                      "Mod",
                                      "Min",
                                      "Max",
                                      "Equal",
                                      "Where",
                                      "Cast",
                                      "ReduceSum",
                                      "ReduceMean",
                                      "ReduceMax",
                                      "ArgMax",
                                      "TopK",
                                      "Identity",
                                      "Concat",
                                      "Split",
                                      "Slice",
                                      "Reshape",
                                      "Flatten",
                                      "Squeeze",
                                      "Unsqueeze",
                                      "Transpose",
                                      "Expand",
                                      "Tile",
                                      "Pad",
                                      "Gather",
                                      "GatherElements",
                                      "Shape",
                                      "Size",
                                      "Constant",
                                      "ConstantOfShape",
                                      "Range",
                                      "DepthToSpace",
                                      "SpaceToDepth",
                                      "Gelu",
                                      "Softplus",
                                      "Mish"};
constexpr const char* kAttributes[] = {"kernel_shape",
                                       "strides",
                                       "pads",
                                       "dilations",
                                       "group",
                                       "axis",
                                       "axes",
                                       "perm",
                                       "to",
                                       "keepdims",
                                       "auto_pad",
                                       "mode",
                                       "alpha",
                                       "beta",
                                       "ceil_mode",
                                       "k",
                                       "split",
                                       "blocksize",
                                       "output_padding",
                                       "value",
                                       "shape",
                                       "largest",
                                       "transA",
                                       "transB",
                                       "coordinate_transformation_mode",
                                       "nearest_mode",
                                       "starts",
                                       "ends",
                                       "scales",
                                       "count_include_pad"};
constexpr const char* kWords[] = {
    "SAME_UPPER", "SAME_LOWER",    "VALID",      "linear",     "nearest", "reflect", "edge",
    "CRD",        "align_corners", "asymmetric", "half_pixel", "floor",   "ceil",    "tanh"};
constexpr std::int64_t kNumbers[] = {
    0,  1,     2,       3,          4,           7,         8,         16, -1, -2,
    -3, 65536, 1 << 30, 0x7fffffff, 0x100000000, INT64_MAX, INT64_MIN, -9, 12, 5};

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  void mutate(onnx::ModelProto& model) {
    auto& graph = *model.mutable_graph();
    if (graph.node_size() == 0) seed(model);
    for (auto n = random_() % 3 + 1; n > 0; --n) {
      switch (random_() % 9) {
        case 0:
          add_node(graph);
          break;
        case 1:
          node(graph)->set_op_type(any(kOperators));
          break;
        case 2:
          rewire(graph);
          break;
        case 3:
        case 4:
          set_attribute(*node(graph));
          break;
        case 5:
          set_dimension(graph);
          break;
        case 6:
          change_weights(graph);
          break;
        case 7:
          model.mutable_opset_import(0)->set_version(7 + static_cast<std::int64_t>(random_() % 15));
          break;
        case 8:
          graph.mutable_output(0)->set_name(value_name(graph));
          break;
      }
    }
  }

 private:
  template <typename T, std::size_t N>
  T any(const T (&list)[N]) {
    return list[random_() % N];
  }

  static void seed(onnx::ModelProto& model) {
    model.clear_opset_import();
    model.add_opset_import()->set_version(13);
    auto& graph = *model.mutable_graph();
    graph.Clear();
    auto* x = graph.add_input();
    x->set_name("x");
    x->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    for (const int d : {1, 4, 8, 8})
      x->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(d);
    auto* w = graph.add_initializer();
    w->set_name("w");
    w->set_data_type(onnx::TensorProto::FLOAT);
    for (const int d : {4, 4, 1, 1}) w->add_dims(d);
    for (int i = 0; i < 16; ++i) w->add_float_data(1);
    auto* s = graph.add_initializer();
    s->set_name("s");
    s->set_data_type(onnx::TensorProto::INT64);
    s->add_dims(4);
    for (const int d : {1, 2, 2, 64}) s->add_int64_data(d);
    const char* chain[][3] = {
        {"Conv", "x", "w"}, {"Reshape", "a0", "s"}, {"Softmax", "a1", ""}, {"Concat", "a2", "a2"}};
    int made = 0;
    for (const auto& c : chain) {
      auto* n = graph.add_node();
      n->set_op_type(c[0]);
      n->add_input(c[1]);
      if (*c[2]) n->add_input(c[2]);
      n->add_output("a" + std::to_string(made++));
    }
    graph.add_output()->set_name("a3");
  }

  onnx::NodeProto* node(onnx::GraphProto& g) {
    return g.mutable_node(static_cast<int>(random_() % static_cast<unsigned>(g.node_size())));
  }

  std::string value_name(const onnx::GraphProto& g) {
    const auto n = static_cast<unsigned>(g.node_size()),
               w = static_cast<unsigned>(g.initializer_size());
    auto pick = random_() % (n + w + 1);
    if (pick < n) {
      const auto& outputs = g.node(static_cast<int>(pick)).output();
      if (outputs.size() > 0)
        return outputs[static_cast<int>(random_() % static_cast<unsigned>(outputs.size()))];
      return "x";
    }
    if ((pick -= n) < w) return g.initializer(static_cast<int>(pick)).name();
    return g.input_size() ? g.input(0).name() : "x";
  }

  void add_node(onnx::GraphProto& g) {
    if (g.node_size() > 40) return;
    const std::string from = value_name(g), also = value_name(g);
    auto* n = g.add_node();
    n->set_op_type(any(kOperators));
    n->add_input(from);
    if (random_() % 2) n->add_input(also);
    n->add_output("n" + std::to_string(random_()));
    if (random_() % 2 && g.output_size()) g.mutable_output(0)->set_name(n->output(0));
  }

  void rewire(onnx::GraphProto& g) {
    auto* n = node(g);
    const std::string from = value_name(g);
    if (n->input_size() == 0 || random_() % 4 == 0)
      n->add_input(from);
    else
      n->set_input(static_cast<int>(random_() % static_cast<unsigned>(n->input_size())), from);
  }

  void set_attribute(onnx::NodeProto& n) {
    if (n.attribute_size() > 8) n.clear_attribute();
    auto* a = n.attribute_size() && random_() % 2
                  ? n.mutable_attribute(
                        static_cast<int>(random_() % static_cast<unsigned>(n.attribute_size())))
                  : n.add_attribute();
    a->Clear();
    a->set_name(any(kAttributes));
    switch (random_() % 4) {
      case 0:
        a->set_type(onnx::AttributeProto::INT), a->set_i(any(kNumbers));
        break;
      case 1:
        a->set_type(onnx::AttributeProto::FLOAT), a->set_f(static_cast<float>(any(kNumbers)));
        break;
      case 2:
        a->set_type(onnx::AttributeProto::STRING), a->set_s(any(kWords));
        break;
      default:
        a->set_type(onnx::AttributeProto::INTS);
        for (auto k = random_() % 5; k > 0; --k) a->add_ints(any(kNumbers));
    }
  }

  void set_dimension(onnx::GraphProto& g) {
    if (g.input_size() == 0) return;
    auto* shape = g.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
    if (shape->dim_size() == 0 || random_() % 5 == 0)
      shape->add_dim()->set_dim_value(any(kNumbers));
    else
      shape->mutable_dim(static_cast<int>(random_() % static_cast<unsigned>(shape->dim_size())))
          ->set_dim_value(any(kNumbers));
  }

  void change_weights(onnx::GraphProto& g) {
    if (g.initializer_size() == 0 || random_() % 3 == 0) {
      auto* w = g.add_initializer();
      w->set_name("w" + std::to_string(random_()));
      w->set_data_type(onnx::TensorProto::INT64);
      const auto n = random_() % 6;
      w->add_dims(static_cast<std::int64_t>(n));
      for (unsigned i = 0; i < n; ++i) w->add_int64_data(any(kNumbers));
      return;
    }
    auto* w = g.mutable_initializer(
        static_cast<int>(random_() % static_cast<unsigned>(g.initializer_size())));
    if (w->int64_data_size())
      w->set_int64_data(static_cast<int>(random_() % static_cast<unsigned>(w->int64_data_size())),
                        any(kNumbers));
    else if (w->dims_size())
      w->set_dims(static_cast<int>(random_() % static_cast<unsigned>(w->dims_size())),
                  any(kNumbers));
  }

  std::mt19937 random_;
};

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t capacity, unsigned seed) {
  if (seed % 8 == 0) return LLVMFuzzerMutate(data, size, capacity);
  onnx::ModelProto model;
  if (!model.ParseFromArray(data, static_cast<int>(size)) || model.opset_import_size() == 0 ||
      model.graph().output_size() == 0)
    model.Clear();
  Mutator(seed).mutate(model);
  const std::string bytes = model.SerializeAsString();
  if (bytes.size() > capacity) return LLVMFuzzerMutate(data, size, capacity);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto plan = gantry::compile::compile_bytes(
        {reinterpret_cast<const std::byte*>(data), size}, "fuzz.onnx", {});
    gantry::Plan::from_bytes(plan);  // what the compiler writes must be readable
  } catch (const std::runtime_error&) {
  }
  return 0;
}
