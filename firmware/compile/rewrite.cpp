// All go by structure, from the last operation of a pattern to its first.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/rewrite.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "firmware/compile/fuse.hpp"
#include "firmware/compile/lower.hpp"

namespace gantry::compile {
namespace {

constexpr std::int64_t kWhole = 8;  // channels that every family can split an image at

std::vector<Node*> makers(Graph& graph) {
  std::vector<Node*> made_by(graph.values.size(), nullptr);
  for (auto& node : graph.nodes)
    for (const int v : node.outputs) made_by[static_cast<std::size_t>(v)] = &node;
  return made_by;
}

bool is_chained_pool(const Node* node) {
  const auto* op = node ? std::get_if<Pool>(&node->operation) : nullptr;
  if (!op || op->average) return false;
  const Window& w = op->window;
  for (std::size_t a = 0; a < 2; ++a)
    if (w.kernel[a] != 5 || w.stride[a] != 1 || w.dilation[a] != 1 || w.pad_begin[a] != 2 ||
        w.pad_end[a] != 2)
      return false;
  return true;
}

bool is_pointwise(const Window& w) {
  for (std::size_t a = 0; a < 2; ++a)
    if (w.kernel[a] != 1 || w.stride[a] != 1 || w.pad_begin[a] != 0 || w.pad_end[a] != 0)
      return false;
  return true;
}

// x enlarged by nearest neighbours + y
bool enlarged_sum(const Graph& graph, const std::vector<Node*>& maker, Node& node) {
  const auto* op = std::get_if<Binary>(&node.operation);
  if (!op || op->combine != Combine::add) return false;
  const auto shape = [&](int v) { return graph.values[static_cast<std::size_t>(v)].shape; };
  for (std::size_t side = 0; side < 2; ++side) {
    const Node* from = maker[static_cast<std::size_t>(node.inputs[side])];
    const auto* enlarge = from ? std::get_if<Resize>(&from->operation) : nullptr;
    const int other = node.inputs[1 - side];
    const Shape s = shape(node.outputs[0]);
    if (!enlarge || enlarge->linear || from->inputs.size() != 1 || s.size() != 4 ||
        shape(node.inputs[side]) != s || shape(other) != s ||
        graph.values[static_cast<std::size_t>(other)].constant)
      continue;
    node.operation = Resize(*enlarge);
    node.inputs = {from->inputs[0], other};
    return true;
  }
  return false;
}

class Splitter {
 public:
  explicit Splitter(Graph& graph) : graph_(graph), maker_(makers(graph)) {
    readers_.resize(graph.values.size());
    for (auto& node : graph.nodes)
      for (const int v : node.inputs)
        if (v != kAbsent) readers_[static_cast<std::size_t>(v)].push_back(&node);
  }

  void run() {
    for (auto& node : graph_.nodes)
      if (const auto input = splittable_input(node)) {
        const auto readers = readers_[static_cast<std::size_t>(node.outputs[0])];
        const Part part = taken(node, *input);
        for (Node* reader : readers) before_.emplace(reader, split(*reader, part));
      }
    std::vector<Node> nodes;
    for (auto& node : graph_.nodes) {
      if (const auto first = before_.find(&node); first != before_.end())
        nodes.push_back(std::move(first->second));
      nodes.push_back(std::move(node));
    }
    graph_.nodes = std::move(nodes);
    drop_unused(graph_);
  }

 private:
  struct Part {
    int small;                     // the image before it is enlarged
    std::int64_t first, channels;  // its channels of the join
    int rest;                      // the others
  };

  const Shape& shape(int v) const { return graph_.values[static_cast<std::size_t>(v)].shape; }

  // Whether `v` is an image of half the size, each pixel four times.
  bool is_doubled(int v) const {
    const Node* node = maker_[static_cast<std::size_t>(v)];
    const auto* op = node ? std::get_if<Resize>(&node->operation) : nullptr;
    if (!op || op->linear || node->inputs.size() != 1) return false;
    const Shape &from = shape(node->inputs[0]), &to = shape(v);
    if (from.size() != 4 || to != Shape{from[0], from[1], 2 * from[2], 2 * from[3]}) return false;
    const auto places = nearest_places(*op, from, to);
    for (std::int64_t i = 0; i < to[2] + to[3]; ++i)
      if (places[static_cast<std::size_t>(i)] != (i < to[2] ? i : i - to[2]) / 2) return false;
    return true;
  }

  bool can_split(const Node& reader, int joined) const {
    const auto* op = std::get_if<Conv>(&reader.operation);
    return op && op->group == 1 && is_pointwise(op->window) && reader.inputs[0] == joined &&
           reader.inputs[3] == kAbsent && shape(reader.outputs[0])[1] % kWhole == 0;
  }

  // Which input of a join can be convolved before it is enlarged.
  std::optional<std::size_t> splittable_input(const Node& node) const {
    const auto* concat = std::get_if<Concat>(&node.operation);
    if (!concat || concat->axis != 1 || node.inputs.size() < 2) return std::nullopt;
    const int joined = node.outputs[0];
    const auto& readers = readers_[static_cast<std::size_t>(joined)];
    if (readers.empty() || std::ranges::find(graph_.outputs, joined) != graph_.outputs.end() ||
        !std::ranges::all_of(readers, [&](const Node* r) { return can_split(*r, joined); }) ||
        !std::ranges::all_of(node.inputs, [&](int v) { return shape(v)[1] % kWhole == 0; }))
      return std::nullopt;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (is_doubled(node.inputs[i])) return i;
    return std::nullopt;
  }

  // Takes an input out of a join.
  Part taken(Node& join, std::size_t input) {
    const int large = join.inputs[input];
    Part part{maker_[static_cast<std::size_t>(large)]->inputs[0], 0, shape(large)[1], kAbsent};
    for (std::size_t i = 0; i < input; ++i) part.first += shape(join.inputs[i])[1];
    Shape others = shape(join.outputs[0]);
    others[1] -= part.channels;
    join.inputs.erase(join.inputs.begin() + static_cast<std::ptrdiff_t>(input));
    join.outputs = {new_value(std::move(others))};
    part.rest = join.inputs.size() == 1 ? join.inputs[0] : join.outputs[0];
    return part;
  }

  // Takes the part's channels out of a convolution; the one that is left to do them.
  Node split(Node& reader, const Part& part) {
    const auto weights = graph_.values[static_cast<std::size_t>(reader.inputs[1])].constant;
    const std::int64_t outputs = weights->shape[0], inputs = weights->shape[1];
    Constant mine{{outputs, part.channels, 1, 1}, Type::real, {}, {}},
        others{{outputs, inputs - part.channels, 1, 1}, Type::real, {}, {}};
    for (std::size_t i = 0; i < weights->count(); ++i) {
      const std::int64_t at = static_cast<std::int64_t>(i) % inputs - part.first;
      (at >= 0 && at < part.channels ? mine : others)
          .reals.push_back(static_cast<float>(weights->at(i)));
    }
    const Shape s = shape(part.small);
    const int sums = new_value({s[0], outputs, s[2], s[3]});
    Node before{reader.layer,
                Conv{},
                {part.small, constant(std::move(mine)), reader.inputs[2], kAbsent},
                {sums}};
    auto& op = std::get<Conv>(reader.operation);
    op.residual_first = op.residual_enlarged = true;
    reader.inputs = {part.rest, constant(std::move(others)), kAbsent, sums};
    return before;
  }

  int new_value(Shape s) {
    graph_.values.push_back({"", std::move(s), Type::real, nullptr});
    return static_cast<int>(graph_.values.size()) - 1;
  }
  int constant(Constant c) {
    const int v = new_value(c.shape);
    graph_.values.back().constant = std::make_shared<const Constant>(std::move(c));
    return v;
  }

  Graph& graph_;
  std::vector<Node*> maker_;  // nodes keep their places while this runs
  std::vector<std::vector<Node*>> readers_;
  std::map<const Node*, Node> before_;
};

}  // namespace

// The chain takes the place of its first pool: what reads the others comes later.
void chain_pools(Graph& graph) {
  const auto maker = makers(graph);
  const auto before = [&](const Node* pool) -> Node* {
    Node* node = maker[static_cast<std::size_t>(pool->inputs[0])];
    return is_chained_pool(node) ? node : nullptr;
  };
  for (auto& third : graph.nodes) {
    Node* second = is_chained_pool(&third) ? before(&third) : nullptr;
    Node* first = second ? before(second) : nullptr;
    if (!first) continue;
    first->operation = MaxPoolChain{};
    for (Node* pool : {second, &third}) {
      first->outputs.push_back(pool->outputs[0]);
      pool->operation = Copy{};
      pool->outputs.clear();  // dropped as unread
    }
  }
  drop_unused(graph);
}

void convolve_before_enlarging(Graph& graph) {
  Splitter(graph).run();
}

void add_while_enlarging(Graph& graph) {
  const auto maker = makers(graph);
  std::vector<int> uses(graph.values.size(), 0);
  for (const auto& node : graph.nodes)
    for (const int v : node.inputs)
      if (v != kAbsent) ++uses[static_cast<std::size_t>(v)];
  for (const int v : graph.outputs) ++uses[static_cast<std::size_t>(v)];
  for (auto& node : graph.nodes) {
    if (enlarged_sum(graph, maker, node)) continue;
    const auto* op = std::get_if<Unary>(&node.operation);
    if (!op || op->activation.function > Function::mish) continue;
    const auto x = static_cast<std::size_t>(node.inputs[0]);
    const auto* sum = maker[x] ? std::get_if<Resize>(&maker[x]->operation) : nullptr;
    if (!sum || maker[x]->inputs.size() != 2 || uses[x] != 1 ||
        sum->activation.function != Function::identity)
      continue;
    Resize with_function = *sum;
    with_function.activation = op->activation;
    node.inputs = maker[x]->inputs;
    node.operation = with_function;
  }
  drop_unused(graph);
}

}  // namespace gantry::compile
