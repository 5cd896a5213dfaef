// Builds the canonical graph: infers shapes, folds constants, and offers the small operations that
// ONNX operators are made of.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "firmware/compile/fold.hpp"
#include "firmware/compile/ir.hpp"

namespace gantry::compile {

class Builder {
 public:
  Graph graph;
  std::string layer;  // of the nodes that are added now
  // All folded results together: a small file must not make a large plan.
  std::int64_t fold_budget = std::int64_t{1} << 24;  // elements

  const Value& value(int v) const { return graph.values[static_cast<std::size_t>(v)]; }
  Value& value(int v) { return graph.values[static_cast<std::size_t>(v)]; }
  const Shape& shape(int v) const { return value(v).shape; }
  const Constant* constant(int v) const { return v == kAbsent ? nullptr : value(v).constant.get(); }

  // Where a model that was exported for one batch is compiled for another: its own, and the one asked
  // for. Its constants name the first.
  std::int64_t own_batch = 0, batch = 0;

  // Takes from the budget; throws std::invalid_argument where it is used up.
  void spend(std::int64_t elements);

  int input(const std::string& name, const Shape& shape);
  int add_constant(Constant c);
  int integers(const std::vector<std::int64_t>& values);  // rank 1
  int scalar(double value, Type type = Type::real);

  // Throws std::invalid_argument where the inputs do not fit the operation.
  std::vector<int> add_all(Operation operation, const std::vector<int>& inputs);
  int add(Operation operation, const std::vector<int>& inputs) {
    return add_all(std::move(operation), inputs)[0];
  }
  int unary(Function function, int x, float alpha = 0, float beta = 0);
  int binary(Combine combine, int a, int b);
  int reshape(int x, const Shape& to);
  int transpose(int x, const std::vector<std::int64_t>& permutation);
  int swap_last_two(int x);
  // Elements start, start + step, … of one axis; step may be negative.
  int slice(int x, std::size_t axis, std::int64_t start, std::int64_t step, std::int64_t size);
  // The same values under another type: no work.
  int retype(int x, Type type);
};

}  // namespace gantry::compile
