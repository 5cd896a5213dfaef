// The canonical graph's construction.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/builder.hpp"

#include <numeric>
#include <stdexcept>

namespace gantry::compile {
namespace {

// More than any network of this family; keeps hostile files from taking hours.
constexpr std::size_t kMaximumNodes = 20000;

bool changes_nothing(const Operation& operation, const Value& x, const Inferred& result) {
  if (x.shape != result.shape || x.type != result.type) return false;
  if (const auto* t = std::get_if<Transpose>(&operation)) {
    for (std::size_t d = 0; d < t->permutation.size(); ++d)
      if (t->permutation[d] != static_cast<std::int64_t>(d)) return false;
    return true;
  }
  return std::holds_alternative<Reshape>(operation) || std::holds_alternative<Expand>(operation) ||
         std::holds_alternative<Slice>(operation);
}

}  // namespace

void Builder::spend(std::int64_t elements) {
  fold_budget -= elements;
  if (fold_budget < 0)
    throw std::invalid_argument("the constants of this model unfold to too many elements");
}

int Builder::input(const std::string& name, const Shape& shape) {
  graph.values.push_back({name, shape, Type::real, nullptr});
  graph.inputs.push_back(static_cast<int>(graph.values.size()) - 1);
  return graph.inputs.back();
}

int Builder::add_constant(Constant c) {
  Value v{"", c.shape, c.type, nullptr};
  v.constant = std::make_shared<const Constant>(std::move(c));
  graph.values.push_back(std::move(v));
  return static_cast<int>(graph.values.size()) - 1;
}

int Builder::integers(const std::vector<std::int64_t>& values) {
  return add_constant({{static_cast<std::int64_t>(values.size())}, Type::integer, {}, values});
}

int Builder::scalar(double v, Type type) {
  if (type == Type::integer) return add_constant({{}, type, {}, {static_cast<std::int64_t>(v)}});
  return add_constant({{}, type, {static_cast<float>(v)}, {}});
}

std::vector<int> Builder::add_all(Operation operation, const std::vector<int>& inputs) {
  std::vector<const Value*> values;
  values.reserve(inputs.size());
  for (const int v : inputs) values.push_back(v == kAbsent ? nullptr : &value(v));
  const auto results = infer(operation, values);
  if (!inputs.empty() && changes_nothing(operation, *values[0], results[0])) return {inputs[0]};
  if (auto folded = fold(operation, values, results[0])) {
    spend(count(folded->shape));
    return {add_constant(std::move(*folded))};
  }
  if (graph.nodes.size() >= kMaximumNodes)
    throw std::invalid_argument("the model has more than " + std::to_string(kMaximumNodes) +
                                " operations");
  Node node{layer, std::move(operation), inputs, {}};
  for (const auto& r : results) {
    if (count(r.shape) == 0)
      throw std::invalid_argument("the result " + to_string(r.shape) + " is empty");
    graph.values.push_back({"", r.shape, r.type, nullptr});
    node.outputs.push_back(static_cast<int>(graph.values.size()) - 1);
  }
  graph.nodes.push_back(node);
  return node.outputs;
}

int Builder::unary(Function function, int x, float alpha, float beta) {
  return add(Unary{{function, alpha, beta}}, {x});
}

int Builder::binary(Combine combine, int a, int b) {
  return add(Binary{combine}, {a, b});
}

int Builder::reshape(int x, const Shape& to) {
  return add(Reshape{to}, {x});
}

int Builder::transpose(int x, const std::vector<std::int64_t>& permutation) {
  return add(Transpose{permutation}, {x});
}

int Builder::swap_last_two(int x) {
  std::vector<std::int64_t> order(shape(x).size());
  std::iota(order.begin(), order.end(), 0);
  if (order.size() < 2) throw std::invalid_argument("a matrix needs two dimensions");
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return transpose(x, order);
}

int Builder::slice(int x, std::size_t axis, std::int64_t start, std::int64_t step,
                   std::int64_t size) {
  const Shape& whole = shape(x);
  if (step < 0) {
    if (size > kFoldLimit) throw std::invalid_argument("a reversed slice is too long");
    std::vector<std::int64_t> picks;
    for (std::int64_t i = 0; i < size; ++i) picks.push_back(start + i * step);
    return add(Gather{static_cast<std::int64_t>(axis)}, {x, integers(picks)});
  }
  Slice s{Shape(whole.size(), 0), Shape(whole.size(), 1), whole};
  s.start[axis] = start;
  s.step[axis] = step;
  s.size[axis] = size;
  return add(s, {x});
}

int Builder::retype(int x, Type type) {
  if (value(x).type == type) return x;
  if (const Constant* c = constant(x)) {
    Constant other{c->shape, type, {}, {}};
    for (std::size_t i = 0; i < c->count(); ++i) {
      if (type == Type::real)
        other.reals.push_back(static_cast<float>(c->at(i)));
      else
        other.integers.push_back(saturated(c->at(i)));
    }
    return add_constant(std::move(other));
  }
  graph.values.push_back({"", shape(x), type, nullptr});
  const int out = static_cast<int>(graph.values.size()) - 1;
  graph.nodes.push_back({layer, Reshape{shape(x)}, {x}, {out}});
  return out;
}

}  // namespace gantry::compile
