// Lowering: one node after the other into kernel launches.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/lower.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

#include "pipeline/plan/half.hpp"
#include "pipeline/plan/plan_format.hpp"

namespace gantry::compile {
namespace {

constexpr Target kTargets[] = {
    {"cpu", "nn_conv", 16, 8, 3, 256, true, false},
    {"gpu", "nn_conv", 4, 8, 1, 4, false, false},
    {"nvidia", "nn_conv", 4, 8, 1, 4, false, true},
};

constexpr std::int64_t kChunk = 256;          // of kernels/nn_window.cl
constexpr std::size_t kWeightAlignment = 64;  // bytes
constexpr std::uint64_t kGroup = 64;          // items of a work-group where each does one element

struct Visitor {
  Lowering& l;
  const Node& n;
  void operator()(const Conv& op) {
    if (l.channels_last(n))
      lower_tensor_convolution(l, n, op);
    else
      lower_convolution(l, n, op);
  }
  void operator()(const ConvTranspose& op) { lower_convolution_transpose(l, n, op); }
  void operator()(const Pool& op) {
    if (l.channels_last(n))
      lower_channels_pool(l, n, op);
    else
      lower_pool(l, n, op);
  }
  void operator()(const MaxPoolChain&) {
    if (l.channels_last(n))
      lower_channels_pool_chain(l, n);
    else
      lower_pool_chain(l, n);
  }
  void operator()(const Resize& op) {
    if (l.channels_last(n))
      lower_channels_resize(l, n, op);
    else
      lower_resize(l, n, op);
  }
  void operator()(const Attention& op) { lower_attention(l, n, op); }
  void operator()(const DistanceBoxes&) { lower_distance_boxes(l, n); }
  void operator()(const MatMul&) { lower_matmul(l, n); }
  void operator()(const Softmax& op) { lower_softmax(l, n, op); }
  void operator()(const Reduce& op) { lower_reduce(l, n, op); }
  void operator()(const ArgMax& op) { lower_arg_max(l, n, op); }
  void operator()(const TopK& op) { lower_top_k(l, n, op); }
  void operator()(const Unary& op) { lower_unary(l, n, op.activation); }
  void operator()(const Copy&) { lower_unary(l, n, {}); }
  void operator()(const Binary& op) { lower_binary(l, n, op); }
  void operator()(const Where&) { lower_where(l, n); }
  void operator()(const Pad& op) { lower_pad(l, n, op); }
  void operator()(const Gather& op) { lower_gather(l, n, op); }
  void operator()(const GatherElements& op) { lower_gather_elements(l, n, op); }
  template <typename View>
  void operator()(const View&) {
    throw std::logic_error("a view or a join was left over");
  }
};

}  // namespace

std::int64_t size_of(Plan::Element element) {
  return element == Plan::Element::f16 ? 2 : 4;
}

const Target& target_named(const std::string& name) {
  std::string names;
  for (const auto& t : kTargets) {
    if (name == t.name) return t;
    names += std::string(names.empty() ? "" : ", ") + t.name;
  }
  throw std::invalid_argument("no device family '" + name + "'; there are: " + names);
}

KernelArgument::KernelArgument(std::int64_t i)
    : value{Plan::Argument::Kind::integer, 0, static_cast<std::int32_t>(i), 0} {
  if (i < std::numeric_limits<std::int32_t>::min() || i > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("a number of " + std::to_string(i) + " is too large for a kernel");
}

Lowering::Lowering(const Graph& graph, Layout layout, const Target& target)
    : graph_(graph), target_(target), placements_(std::move(layout.placements)) {
  program_.roots = std::move(layout.roots);
  for (std::size_t v = 0; v < placements_.size(); ++v)
    if (placements_[v].root >= 0 && graph_.values[v].constant) upload_constant(v);
}

void Lowering::upload_constant(std::size_t value) {
  const Constant& c = *graph_.values[value].constant;
  std::vector<float> reals(c.count());
  for (std::size_t i = 0; i < reals.size(); ++i) reals[i] = static_cast<float>(c.at(i));
  // Views of the constant share its root, which learns its place here.
  program_.roots[static_cast<std::size_t>(placements_[value].root)].offset =
      append_weights(reals.data(), reals.size() * sizeof(float)) /
      static_cast<std::int64_t>(sizeof(float));
}

const Constant* Lowering::constant(int v) const {
  return v == kAbsent ? nullptr : graph_.values[static_cast<std::size_t>(v)].constant.get();
}

std::uint32_t Lowering::add_tensor(ProgramTensor t) {
  program_.tensors.push_back(std::move(t));
  return static_cast<std::uint32_t>(program_.tensors.size() - 1);
}

Plan::Element Lowering::element(const Operand& o) const {
  return program_.tensors[o.tensor].element;
}

std::int64_t Lowering::offset(const Operand& o) const {
  return program_.tensors[o.tensor].offset;
}

bool Lowering::channels_last(const Node& node) const {
  return runs_channels_last(graph_, node, target_);
}

std::int64_t Lowering::append_weights(const void* data, std::size_t bytes) {
  auto& blob = program_.weights;
  const std::size_t at = (blob.size() + kWeightAlignment - 1) / kWeightAlignment * kWeightAlignment;
  blob.resize(at + bytes);
  if (bytes) std::memcpy(blob.data() + at, data, bytes);
  return static_cast<std::int64_t>(at);
}

int Lowering::weights_root(const void* data, std::int64_t elements, Plan::Element element) {
  const auto size = size_of(element);
  const auto at = append_weights(data, static_cast<std::size_t>(elements * size)) / size;
  program_.roots.push_back({Plan::Storage::weights, element, 0, elements, at});
  return static_cast<int>(program_.roots.size()) - 1;
}

Operand Lowering::operand(int value) {
  const Placement& p = placements_[static_cast<std::size_t>(value)];
  const Value& v = graph_.values[static_cast<std::size_t>(value)];
  if (const auto known = tensor_of_value_.find(value); known != tensor_of_value_.end())
    return {known->second, v.shape, p.strides};
  const auto element = program_.roots[static_cast<std::size_t>(p.root)].element;
  const auto t = add_tensor({v.name, p.root, element, p.offset, v.shape, p.strides});
  tensor_of_value_[value] = t;
  return {t, v.shape, p.strides};
}

Operand Lowering::table(const std::vector<std::int64_t>& entries) {
  const Shape shape{static_cast<std::int64_t>(entries.size())};
  const auto known = tables_.find(entries);
  if (known != tables_.end()) return {known->second, shape, {1}};
  std::vector<std::int32_t> ints;
  ints.reserve(entries.size());
  for (const auto e : entries) ints.push_back(KernelArgument(e).value.integer);
  const int root = weights_root(ints.data(), shape[0], Plan::Element::i32);
  const auto t = add_tensor({"", root, Plan::Element::i32, 0, shape, {1}});
  tables_[entries] = t;
  return {t, shape, {1}};
}

Operand Lowering::weights(const std::vector<float>& values) {
  const Shape shape{static_cast<std::int64_t>(values.size())};
  const int root = weights_root(values.data(), shape[0], Plan::Element::f32);
  return {add_tensor({"", root, Plan::Element::f32, 0, shape, {1}}), shape, {1}};
}

Operand Lowering::half_weights(const std::vector<float>& values) {
  const Shape shape{static_cast<std::int64_t>(values.size())};
  std::vector<std::uint16_t> halves;
  halves.reserve(values.size());
  for (const float v : values) halves.push_back(half_of(v));
  const int root = weights_root(halves.data(), shape[0], Plan::Element::f16);
  return {add_tensor({"", root, Plan::Element::f16, 0, shape, {1}}), shape, {1}};
}

Operand Lowering::scratch(const Shape& dense_shape) {
  program_.roots.push_back({Plan::Storage::arena, Plan::Element::f32, 0, count(dense_shape), 0});
  const int root = static_cast<int>(program_.roots.size()) - 1;
  const Shape strides = dense_strides(dense_shape);
  return {add_tensor({"", root, Plan::Element::f32, 0, dense_shape, strides}), dense_shape,
          strides};
}

Plan::Step& Lowering::step(const Launch& launch, const Operand& made,
                           const std::vector<KernelArgument>& arguments) {
  Plan::Step s;
  s.layer = layer_;
  s.family = launch.family;
  s.options = fmt::format("-DVEC={}", target_.vector);
  if (s.family == target_.convolutions)
    s.options += fmt::format(" -DCO={} -DUNITS={}", target_.channels, target_.units);
  if (s.family == "nn_elementwise") s.options += fmt::format(" -DCHUNK={}", target_.chunk);
  s.options += launch.options;
  s.kernel = launch.kernel;
  s.dimensions = static_cast<std::uint32_t>(launch.global.size());
  for (std::size_t d = 0; d < launch.global.size(); ++d)
    s.global[d] = static_cast<std::uint64_t>(launch.global[d]);
  if (launch.items == Items::groups) {
    for (std::size_t d = 0; d < 3; ++d) {
      s.local[d] = static_cast<std::uint64_t>(launch.local[d]);
      s.global[d] *= s.local[d];
    }
  } else if (launch.items == Items::elements) {
    s.local = {kGroup, 1, 1};
    s.global[0] = (s.global[0] + kGroup - 1) / kGroup * kGroup;
  } else if (target_.one_item_groups) {
    s.local = {1, 1, 1};
  }
  s.macs = launch.macs;
  std::vector<std::uint32_t> counted;
  for (const auto& a : arguments) {
    s.arguments.push_back(a.value);
    if (a.value.kind != Plan::Argument::Kind::tensor) continue;
    if (std::find(counted.begin(), counted.end(), a.value.tensor) != counted.end()) continue;
    counted.push_back(a.value.tensor);
    const auto& t = program_.tensors[a.value.tensor];
    s.bytes += static_cast<std::uint64_t>(count(t.shape) * size_of(t.element));
  }
  program_.steps.push_back(std::move(s));
  program_.step_outputs.push_back(static_cast<int>(made.tensor));
  return program_.steps.back();
}

void Lowering::lower(const Node& node) {
  layer_ = node.layer;
  try {
    std::visit(Visitor{*this, node}, node.operation);
  } catch (const std::invalid_argument& e) {
    throw std::runtime_error(
        fmt::format("node '{}' ({}): {}", node.layer, name_of(node.operation), e.what()));
  }
}

Program Lowering::finish() {
  const auto io = [&](const std::vector<int>& values, const std::vector<std::string>* names) {
    std::vector<std::uint32_t> tensors;
    for (std::size_t i = 0; i < values.size(); ++i) {
      tensors.push_back(operand(values[i]).tensor);
      if (names) program_.tensors[tensors.back()].name = (*names)[i];
    }
    return tensors;
  };
  // Joined tensors are made by nobody, and views are read by nobody; both have names that a reader
  // of the plan may ask for.
  for (std::size_t v = 0; v < graph_.values.size(); ++v)
    if (placements_[v].root >= 0 && !graph_.values[v].constant && !graph_.values[v].name.empty())
      operand(static_cast<int>(v));
  program_.inputs = io(graph_.inputs, nullptr);
  program_.outputs = io(graph_.outputs, &graph_.output_names);
  return std::move(program_);
}

std::int64_t chunks(std::int64_t n) {
  return (n + kChunk - 1) / kChunk;
}

Shape broadcast_strides(const Operand& operand, const Shape& to) {
  Shape strides(to.size(), 0);
  const std::size_t missing = to.size() - operand.shape.size();
  for (std::size_t d = 0; d < operand.shape.size(); ++d)
    if (operand.shape[d] != 1) strides[d + missing] = operand.strides[d];
  return strides;
}

Loops merge_dimensions(const Shape& sizes, std::vector<Shape> strides) {
  // The last operand, the output, decides the order: its smallest stride is walked innermost.
  std::vector<std::size_t> order;
  for (std::size_t d = 0; d < sizes.size(); ++d)
    if (sizes[d] != 1) order.push_back(d);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return strides.back()[a] > strides.back()[b];
  });
  Shape merged;
  std::vector<Shape> kept(strides.size());
  for (const std::size_t d : order) {
    bool joins = !merged.empty();
    for (std::size_t k = 0; k < strides.size() && joins; ++k)
      joins = kept[k].back() == strides[k][d] * sizes[d];
    if (joins)
      merged.back() *= sizes[d];
    else
      merged.push_back(sizes[d]);
    for (std::size_t k = 0; k < strides.size(); ++k) {
      if (joins)
        kept[k].back() = strides[k][d];
      else
        kept[k].push_back(strides[k][d]);
    }
  }
  if (merged.empty()) {
    merged.push_back(1);
    for (auto& k : kept) k.push_back(1);
  }
  Loops loops;
  loops.rank = static_cast<std::int64_t>(merged.size());
  loops.inner = merged.back();
  loops.outer = count(merged) / merged.back();
  loops.table = merged;
  for (const auto& k : kept) loops.table.insert(loops.table.end(), k.begin(), k.end());
  return loops;
}

Program lower(const Graph& graph, Layout layout, const Target& target) {
  Lowering lowering(graph, std::move(layout), target);
  for (const auto& node : graph.nodes) lowering.lower(node);
  return lowering.finish();
}

}  // namespace gantry::compile
