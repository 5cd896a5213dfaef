// Element by element, matrices, reductions, ordering and gathers.
// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>
#include <utility>

#include "firmware/compile/lower.hpp"

namespace gantry::compile {
namespace {

std::int64_t inner_items(const Lowering& l, const Loops& loops) {
  const std::int64_t chunk = l.target().chunk;
  return (loops.inner + chunk - 1) / chunk;
}

std::vector<std::int64_t> chunks_of(const Lowering& l, const Loops& loops) {
  return {inner_items(l, loops), loops.outer};
}

// Where the output runs along the last dimension and the input along another, that other one is moved
// to the last but one. The table: sizes, strides of the input, strides of the output.
bool bring_input_run_last_but_one(Loops& loops) {
  const auto rank = static_cast<std::size_t>(loops.rank);
  auto& t = loops.table;
  if (rank < 2 || t[2 * rank - 1] == 1 || t[3 * rank - 1] != 1) return false;
  for (std::size_t d = 0; d + 1 < rank; ++d) {
    if (t[rank + d] != 1) continue;
    for (std::size_t k = 0; k < 3; ++k) std::swap(t[k * rank + d], t[(k + 1) * rank - 2]);
    return true;
  }
  return false;
}

// Splits off one dimension: the loops over all others.
Loops other_dimensions(const Operand& x, const Operand& y, std::size_t axis) {
  Shape sizes = x.shape;
  sizes[axis] = 1;
  return merge_dimensions(sizes, {x.strides, y.strides});
}

// Says which operands of a kernel of nn_elementwise are fp16.
std::string halves(const Lowering& l, std::initializer_list<Operand> operands) {
  std::string options;
  int index = 0;
  for (const Operand& o : operands) {
    if (l.element(o) == Plan::Element::f16) options += " -DHALF" + std::to_string(index);
    ++index;
  }
  return options;
}

}  // namespace

void lower_unary(Lowering& l, const Node& node, const Activation& a) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  if (a.function == Function::identity && lower_channels_copy(l, x, y)) return;
  Loops loops = merge_dimensions(y.shape, {x.strides, y.strides});
  if (a.function == Function::identity && bring_input_run_last_but_one(loops)) {
    const std::int64_t rows = loops.table[static_cast<std::size_t>(loops.rank) - 2],
                       vector = l.target().vector;
    l.step({"nn_elementwise",
            "turn",
            {inner_items(l, loops), (rows + vector - 1) / vector, loops.outer / rows},
            Lowering::Items::tiles,
            0,
            halves(l, {x, y})},
           y, {x, y, l.table(loops.table), loops.rank});
    return;
  }
  l.step({"nn_elementwise", "unary", chunks_of(l, loops), Lowering::Items::tiles, 0,
          halves(l, {x, y})},
         y,
         {x, y, l.table(loops.table), loops.rank, static_cast<int>(a.function), a.alpha, a.beta});
}

void lower_binary(Lowering& l, const Node& node, const Binary& op) {
  const Operand a = l.operand(node.inputs[0]), b = l.operand(node.inputs[1]),
                y = l.operand(node.outputs[0]);
  const Loops loops = merge_dimensions(
      y.shape, {broadcast_strides(a, y.shape), broadcast_strides(b, y.shape), y.strides});
  l.step({"nn_elementwise", "binary", chunks_of(l, loops), Lowering::Items::tiles, 0,
          halves(l, {a, b, y})},
         y, {a, b, y, l.table(loops.table), loops.rank, static_cast<int>(op.combine)});
}

void lower_where(Lowering& l, const Node& node) {
  const Operand c = l.operand(node.inputs[0]), a = l.operand(node.inputs[1]),
                b = l.operand(node.inputs[2]), y = l.operand(node.outputs[0]);
  const Loops loops =
      merge_dimensions(y.shape, {broadcast_strides(c, y.shape), broadcast_strides(a, y.shape),
                                 broadcast_strides(b, y.shape), y.strides});
  l.step({"nn_elementwise", "where", chunks_of(l, loops), Lowering::Items::tiles}, y,
         {c, a, b, y, l.table(loops.table), loops.rank});
}

void lower_pad(Lowering& l, const Node& node, const Pad& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  std::vector<std::int64_t> table;
  for (const auto* part : {&y.shape, &x.strides, &y.strides, &x.shape, &op.begin})
    table.insert(table.end(), part->begin(), part->end());
  if (y.shape.empty()) throw std::invalid_argument("a scalar cannot be padded");
  const Loops loops{static_cast<std::int64_t>(y.shape.size()),
                    y.shape.back(),
                    count(y.shape) / y.shape.back(),
                    {}};
  l.step({"nn_elementwise", "pad", chunks_of(l, loops), Lowering::Items::tiles}, y,
         {x, y, l.table(table), loops.rank, static_cast<int>(op.mode), op.value});
}

void lower_matmul(Lowering& l, const Node& node) {
  const Operand a = l.operand(node.inputs[0]), b = l.operand(node.inputs[1]),
                y = l.operand(node.outputs[0]);
  constexpr std::int64_t kRows = 4;  // ROWS of kernels/nn_matrix.cl
  const std::size_t rank = y.shape.size();
  const std::int64_t m = y.shape[rank - 2], n = y.shape[rank - 1], k = a.shape.back();
  const auto batch_strides = [&](const Operand& o) {
    const std::size_t dims = o.shape.size() - 2;
    const Operand batches{
        o.tensor, Shape(o.shape.begin(), o.shape.begin() + static_cast<std::int64_t>(dims)),
        Shape(o.strides.begin(), o.strides.begin() + static_cast<std::int64_t>(dims))};
    return broadcast_strides(batches, Shape(y.shape.begin(), y.shape.end() - 2));
  };
  const Shape batches(y.shape.begin(), y.shape.end() - 2);
  std::vector<std::int64_t> table = batches;
  for (const auto& strides : {batch_strides(a), batch_strides(b), batch_strides(y)})
    table.insert(table.end(), strides.begin(), strides.end());
  if (table.empty()) table.push_back(0);
  const std::int64_t vector = l.target().vector;
  const auto row_of = [](const Operand& o) { return o.strides[o.strides.size() - 2]; };
  l.step({"nn_matrix",
          "matmul",
          {(n + vector - 1) / vector, (m + kRows - 1) / kRows, count(batches)},
          Lowering::Items::tiles,
          static_cast<std::uint64_t>(count(y.shape) * k)},
         y,
         {a, row_of(a), a.strides.back(), b, row_of(b), y, row_of(y), l.table(table),
          static_cast<int>(batches.size()), m, k, n});
}

void lower_softmax(Lowering& l, const Node& node, const Softmax& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const auto axis = static_cast<std::size_t>(op.axis);
  const Loops loops = other_dimensions(x, y, axis);
  const std::int64_t rows = loops.inner * loops.outer, length = x.shape[axis];
  if (x.strides[axis] == 1 && y.strides[axis] == 1 && !op.log) {
    l.step({"nn_reduce", "softmax_rows", {rows}, Lowering::Items::tiles}, y,
           {x, y, l.table(loops.table), loops.rank, length});
    return;
  }
  const std::int64_t vector = l.target().vector;
  const auto last = static_cast<std::size_t>(loops.rank);
  if (loops.table[2 * last - 1] == 1 && loops.table[3 * last - 1] == 1 && loops.inner >= vector &&
      !op.log) {
    l.step({"nn_reduce",
            "softmax_columns",
            {(loops.inner + vector - 1) / vector, loops.outer},
            Lowering::Items::tiles},
           y,
           {x, y, l.table(loops.table), loops.rank, loops.inner, length, x.strides[axis],
            y.strides[axis]});
    return;
  }
  l.step({"nn_reduce", "softmax", {rows}, Lowering::Items::elements}, y,
         {x, y, l.table(loops.table), loops.rank, length, x.strides[axis], y.strides[axis], op.log,
          rows});
}

void lower_reduce(Lowering& l, const Node& node, const Reduce& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  Shape kept = x.shape, folded = x.shape;
  for (std::size_t d = 0; d < kept.size(); ++d) (op.reduced[d] ? kept : folded)[d] = 1;
  const Loops keep = merge_dimensions(kept, {x.strides, y.strides});
  const Loops fold = merge_dimensions(folded, {x.strides, x.strides});
  std::vector<std::int64_t> table = keep.table;
  table.insert(table.end(), fold.table.begin(), fold.table.end());
  const float factor =
      op.reduction == Reduction::mean ? 1.0f / static_cast<float>(fold.inner * fold.outer) : 1.0f;
  l.step({"nn_reduce", "reduce", {keep.inner * keep.outer}, Lowering::Items::elements}, y,
         {x, y, l.table(table), keep.rank, fold.rank, fold.outer, static_cast<int>(op.reduction),
          factor, keep.inner * keep.outer});
}

void lower_arg_max(Lowering& l, const Node& node, const ArgMax& op) {
  const Operand x = l.operand(node.inputs[0]), y = l.operand(node.outputs[0]);
  const auto axis = static_cast<std::size_t>(op.axis);
  const Loops loops = other_dimensions(x, y, axis);
  l.step({"nn_reduce", "arg_extreme", {loops.inner * loops.outer}, Lowering::Items::elements}, y,
         {x, y, l.table(loops.table), loops.rank, x.shape[axis], x.strides[axis], op.minimum,
          op.last, loops.inner * loops.outer});
}

void lower_top_k(Lowering& l, const Node& node, const TopK& op) {
  const Operand x = l.operand(node.inputs[0]), values = l.operand(node.outputs[0]),
                places = l.operand(node.outputs[1]);
  const auto axis = static_cast<std::size_t>(op.axis);
  const std::int64_t length = x.shape[axis], inner = dense_strides(x.shape)[axis];
  l.step({"nn_reduce", "top_k", {length, count(x.shape) / length}, Lowering::Items::elements},
         values, {x, values, places, length, inner, op.k, op.largest});
}

void lower_gather(Lowering& l, const Node& node, const Gather& op) {
  const Operand x = l.operand(node.inputs[0]), indices = l.operand(node.inputs[1]),
                y = l.operand(node.outputs[0]);
  const auto axis = static_cast<std::size_t>(op.axis);
  const std::int64_t size = x.shape[axis], inner = dense_strides(x.shape)[axis],
                     picks = count(indices.shape);
  l.step({"nn_gather",
          "gather",
          {picks * inner, count(x.shape) / (size * inner)},
          Lowering::Items::elements},
         y, {x, indices, y, size, picks, inner});
}

void lower_gather_elements(Lowering& l, const Node& node, const GatherElements& op) {
  const Operand x = l.operand(node.inputs[0]), indices = l.operand(node.inputs[1]),
                y = l.operand(node.outputs[0]);
  std::vector<std::int64_t> table = y.shape;
  table.insert(table.end(), x.strides.begin(), x.strides.end());
  l.step({"nn_gather", "gather_elements", {count(y.shape)}, Lowering::Items::elements}, y,
         {x, indices, y, l.table(table), static_cast<int>(y.shape.size()), op.axis,
          x.shape[static_cast<std::size_t>(op.axis)], count(y.shape)});
}

}  // namespace gantry::compile
