// Reads an ONNX file: what is needed, in an order in which it can run, one conversion per operator.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/import.hpp"

#include <limits>
#include <stdexcept>
#include <unordered_map>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "firmware/compile/operators.hpp"
#include "pipeline/plan/plan_format.hpp"

namespace gantry::compile {

const onnx::AttributeProto* OperatorCall::find(std::string_view name) const {
  for (const auto& a : node.attribute())
    if (a.name() == name) return &a;
  return nullptr;
}

namespace {

const onnx::AttributeProto* typed(const onnx::AttributeProto* a,
                                  onnx::AttributeProto::AttributeType type) {
  // Files of the first IR versions leave the type out.
  if (a && a->type() != type && a->type() != onnx::AttributeProto::UNDEFINED)
    throw std::invalid_argument("attribute '" + a->name() + "' has the wrong type");
  return a;
}

}  // namespace

std::int64_t OperatorCall::integer(std::string_view name, std::int64_t otherwise) const {
  const auto* a = typed(find(name), onnx::AttributeProto::INT);
  return a ? a->i() : otherwise;
}

float OperatorCall::real(std::string_view name, float otherwise) const {
  const auto* a = typed(find(name), onnx::AttributeProto::FLOAT);
  return a ? a->f() : otherwise;
}

std::string OperatorCall::text(std::string_view name, const std::string& otherwise) const {
  const auto* a = typed(find(name), onnx::AttributeProto::STRING);
  return a ? a->s() : otherwise;
}

std::vector<std::int64_t> OperatorCall::integers(std::string_view name) const {
  const auto* a = typed(find(name), onnx::AttributeProto::INTS);
  return a ? std::vector<std::int64_t>(a->ints().begin(), a->ints().end())
           : std::vector<std::int64_t>{};
}

std::vector<float> OperatorCall::reals(std::string_view name) const {
  const auto* a = typed(find(name), onnx::AttributeProto::FLOATS);
  return a ? std::vector<float>(a->floats().begin(), a->floats().end()) : std::vector<float>{};
}

const onnx::TensorProto* OperatorCall::tensor(std::string_view name) const {
  const auto* a = typed(find(name), onnx::AttributeProto::TENSOR);
  return a ? &a->t() : nullptr;
}

int OperatorCall::optional(std::size_t i) const {
  return i < inputs.size() ? inputs[i] : kAbsent;
}

int OperatorCall::input(std::size_t i) const {
  if (optional(i) == kAbsent)
    throw std::invalid_argument("input " + std::to_string(i) + " is missing");
  return inputs[i];
}

const Constant* OperatorCall::constant_input(std::size_t i) const {
  if (optional(i) == kAbsent) return nullptr;
  const Constant* c = builder.constant(inputs[i]);
  if (!c)
    throw std::invalid_argument("input " + std::to_string(i) +
                                " must be a constant: plans have fixed shapes");
  return c;
}

std::optional<std::vector<std::int64_t>> OperatorCall::constant_integers(std::size_t i) const {
  const Constant* c = constant_input(i);
  if (!c) return std::nullopt;
  if (c->type != Type::integer)
    throw std::invalid_argument("input " + std::to_string(i) + " must hold integers");
  return c->integers;
}

std::optional<std::vector<float>> OperatorCall::constant_reals(std::size_t i) const {
  const Constant* c = constant_input(i);
  if (!c) return std::nullopt;
  std::vector<float> values;
  for (std::size_t k = 0; k < c->count(); ++k) values.push_back(static_cast<float>(c->at(k)));
  return values;
}

std::optional<std::vector<std::int64_t>> OperatorCall::integers_of(std::string_view attribute,
                                                                   std::size_t i) const {
  if (has(attribute)) return integers(attribute);
  return constant_integers(i);
}

std::size_t OperatorCall::axis(std::int64_t raw, std::int64_t rank) const {
  const std::int64_t a = raw < 0 ? raw + rank : raw;
  if (a < 0 || a >= rank)
    throw std::invalid_argument("axis " + std::to_string(raw) + " of rank " + std::to_string(rank));
  return static_cast<std::size_t>(a);
}

namespace {

// The default domain's versions whose operators are read here.
constexpr std::int64_t kOldestOpset = 7, kNewestOpset = 22;

const OperatorTable& operators() {
  static const OperatorTable table = [] {
    OperatorTable t;
    add_network_operators(t);
    add_math_operators(t);
    add_shape_operators(t);
    add_index_operators(t);
    add_normalisations(t);
    add_einsum(t);
    return t;
  }();
  return table;
}

class Importer {
 public:
  Importer(std::string name, const ImportOptions& options)
      : name_(std::move(name)), options_(options) {}

  Graph run(std::span<const std::byte> file) {
    parse(file);
    Graph& graph = builder_.graph;
    graph.model_hash = plan_format::checksum(file);
    builder_.fold_budget += static_cast<std::int64_t>(file.size());
    for (const auto& m : model_.metadata_props()) graph.metadata.emplace_back(m.key(), m.value());
    for (const auto& t : model_.graph().initializer()) add_initializer(t);
    if (model_.graph().sparse_initializer_size() > 0) fail("sparse weights are not supported");
    for (const auto& v : model_.graph().input())
      if (!values_.contains(v.name())) add_input(v);
    for (const int n : order()) convert(model_.graph().node(n));
    for (const auto& v : model_.graph().output()) add_output(v.name());
    if (graph.outputs.empty()) fail("the model has no outputs");
    if (graph.inputs.empty()) fail("the model has no inputs");
    return std::move(graph);
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw std::runtime_error(name_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }

  void parse(std::span<const std::byte> file) {
    if (file.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
      fail("files of 2 GiB and more cannot be read");
    google::protobuf::io::ArrayInputStream raw(file.data(), static_cast<int>(file.size()));
    google::protobuf::io::CodedInputStream in(&raw);
    if (file.empty() || !model_.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage())
      fail("not an ONNX model, or cut short");
    if (!model_.has_graph()) fail("not an ONNX model: it has no graph");
    for (const auto& set : model_.opset_import())
      if (set.domain().empty() || set.domain() == "ai.onnx") opset_ = set.version();
    if (opset_ < kOldestOpset || opset_ > kNewestOpset)
      fail("opset {}; versions {} to {} are read: export the model again", opset_, kOldestOpset,
           kNewestOpset);
  }

  void add_initializer(const onnx::TensorProto& t) try {
    if (t.name().empty()) fail("a weight has no name");
    const int v = builder_.add_constant(read_tensor(t));
    builder_.value(v).name = t.name();
    values_[t.name()] = v;
  } catch (const std::invalid_argument& e) {
    fail("{}", e.what());
  }

  void add_input(const onnx::ValueInfoProto& info) {
    if (!info.type().has_tensor_type()) fail("input '{}' is not a tensor", info.name());
    const auto& type = info.type().tensor_type();
    if (type.elem_type() != onnx::TensorProto::FLOAT &&
        type.elem_type() != onnx::TensorProto::FLOAT16)
      fail("input '{}' has element type {}; float is supported", info.name(), type.elem_type());
    const auto& dims = type.shape().dim();
    if (!type.has_shape() || dims.size() > static_cast<int>(kMaximumRank))
      fail("input '{}' has no shape, or more than {} dimensions", info.name(), kMaximumRank);
    Shape shape;
    std::string open;
    bool size_asked = false, batch_asked = false;
    for (int d = 0; d < dims.size(); ++d) {
      std::int64_t size = dims[d].has_dim_value() ? dims[d].dim_value() : 0;
      if (dims.size() == 4) {
        if (d == 0) size = rebatched(size);
        if (d == 2) size = options_.height.value_or(size);
        if (d == 3) size = options_.width.value_or(size);
      }
      if (size == 0) {
        open += fmt::format(" {}{}", d,
                            dims[d].dim_param().empty() ? "" : " (" + dims[d].dim_param() + ")");
        (d == 0 ? batch_asked : size_asked) = true;
      }
      if (size < 0 || size > kMaximumElements)
        fail("input '{}' has a size of {}", info.name(), size);
      shape.push_back(size);
    }
    if (!open.empty())
      fail("input '{}' leaves dimension{} open; which size? Give{}{}", info.name(), open,
           batch_asked ? " --batch N" : "", size_asked ? " --input-size WxH" : "");
    values_[info.name()] = builder_.input(info.name(), shape);
    std::int64_t elements = 1;
    for (const auto d : shape)
      if ((elements *= d) > kMaximumElements) fail("input '{}' is too large", info.name());
  }

  std::int64_t rebatched(std::int64_t own) {
    if (!options_.batch) return own;
    if (own > 0 && own != *options_.batch) {
      builder_.own_batch = own;
      builder_.batch = *options_.batch;
    }
    return *options_.batch;
  }

  // The nodes that the outputs need, each after those that make its inputs.
  std::vector<int> order() const {
    const auto& nodes = model_.graph().node();
    std::unordered_map<std::string, int> maker;
    for (int n = 0; n < nodes.size(); ++n)
      for (const auto& o : nodes[n].output())
        if (!o.empty() && (values_.contains(o) || !maker.emplace(o, n).second))
          fail("'{}' is made twice", o);
    enum : char { unseen, open, done };
    std::vector<char> state(static_cast<std::size_t>(nodes.size()), unseen);
    std::vector<int> sorted;
    struct Frame {
      int node, next_input;
    };
    std::vector<Frame> stack;
    const auto visit = [&](const std::string& value) {
      const auto m = maker.find(value);
      if (m == maker.end()) return;
      char& s = state[static_cast<std::size_t>(m->second)];
      if (s == open) fail("the graph has a cycle through '{}'", value);
      if (s == unseen) s = open, stack.push_back({m->second, 0});
    };
    for (const auto& output : model_.graph().output()) {
      visit(output.name());
      while (!stack.empty()) {
        Frame& top = stack.back();
        const auto& inputs = nodes[top.node].input();
        if (top.next_input < inputs.size()) {
          const int i = top.next_input++;
          visit(inputs[i]);
        } else {
          state[static_cast<std::size_t>(top.node)] = done;
          sorted.push_back(top.node);
          stack.pop_back();
        }
      }
    }
    return sorted;
  }

  std::string describe(const onnx::NodeProto& node, const std::vector<int>& inputs) const {
    std::string shapes;
    for (const int v : inputs)
      shapes += (shapes.empty() ? "" : ", ") + (v == kAbsent ? "-" : to_string(builder_.shape(v)));
    const std::string domain = node.domain().empty() ? "" : node.domain() + ".";
    return fmt::format("node '{}' ({}{}) with inputs [{}]",
                       node.name().empty() && node.output_size() ? node.output(0) : node.name(),
                       domain, node.op_type(), shapes);
  }

  void convert(const onnx::NodeProto& node) {
    std::vector<int> inputs;
    for (const auto& i : node.input()) {
      const auto found = values_.find(i);
      if (!i.empty() && found == values_.end())
        fail("node '{}' ({}) needs '{}', which nothing makes", node.name(), node.op_type(), i);
      inputs.push_back(i.empty() ? kAbsent : found->second);
    }
    const auto found = operators().find(node.op_type());
    const bool own_domain = node.domain().empty() || node.domain() == "ai.onnx";
    if (!own_domain || found == operators().end())
      fail("{} is not supported", describe(node, inputs));
    builder_.layer = node.name().empty() && node.output_size() ? node.output(0) : node.name();
    OperatorCall call(builder_, node, opset_, inputs);
    try {
      found->second(call);
    } catch (const std::invalid_argument& e) {
      fail("{}: {}{}", describe(node, inputs), e.what(), size_hint());
    }
    for (int o = 0; o < node.output_size(); ++o) {
      if (node.output(o).empty()) continue;
      // Further outputs (a dropout's mask) are refused only where something reads them.
      if (static_cast<std::size_t>(o) >= call.outputs.size()) continue;
      const int v = call.outputs[static_cast<std::size_t>(o)];
      values_[node.output(o)] = v;
      if (builder_.value(v).name.empty()) builder_.value(v).name = node.output(o);
    }
  }

  const char* size_hint() const {
    return options_.width || options_.batch ? "; the model may hold constants for its own input "
                                              "size and batch: export it with those wanted"
                                            : "";
  }

  void add_output(const std::string& output) {
    const auto found = values_.find(output);
    if (found == values_.end()) fail("output '{}' is made by nothing", output);
    const Value& v = builder_.value(found->second);
    if (v.constant) fail("output '{}' is a constant", output);
    builder_.graph.outputs.push_back(found->second);
    builder_.graph.output_names.push_back(output);
  }

  std::string name_;
  ImportOptions options_;
  onnx::ModelProto model_;
  std::int64_t opset_ = 0;
  Builder builder_;
  std::unordered_map<std::string, int> values_;
};

}  // namespace

Graph import_onnx(std::span<const std::byte> file, const std::string& name,
                  const ImportOptions& options) {
  return Importer(name, options).run(file);
}

}  // namespace gantry::compile
