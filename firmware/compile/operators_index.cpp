// Gathers and scatters: elements picked or replaced by index.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "firmware/compile/operators.hpp"

namespace gantry::compile {
namespace {

void gather(OperatorCall& call) {
  Builder& b = call.builder;
  const auto axis = call.axis(call.integer("axis", 0), call.rank(0));
  const std::int64_t size = call.shape(0)[axis];
  if (call.cuts_batch(axis))
    throw std::invalid_argument("a part of the batch is taken; the model is tied to its own");
  if (const Constant* indices = b.constant(call.input(1))) {
    for (std::size_t i = 0; i < indices->count(); ++i)
      if (!(indices->at(i) >= static_cast<double>(-size) &&
            indices->at(i) < static_cast<double>(size)))
        throw std::invalid_argument("an index leaves the axis of size " + std::to_string(size));
    if (indices->count() == 1 && indices->shape.empty()) {
      const auto pick = static_cast<std::int64_t>(indices->at(0));
      const int one = b.slice(call.input(0), axis, pick < 0 ? pick + size : pick, 1, 1);
      Shape to = b.shape(one);
      to.erase(to.begin() + static_cast<std::int64_t>(axis));
      return call.give(b.reshape(one, to));
    }
  }
  call.give(b.add(Gather{static_cast<std::int64_t>(axis)}, {call.input(0), call.input(1)}));
}

void gather_elements(OperatorCall& call) {
  const auto axis = call.axis(call.integer("axis", 0), call.rank(0));
  call.give(call.builder.add(GatherElements{static_cast<std::int64_t>(axis)},
                             {call.input(0), call.input(1)}));
}

// Indices that must be known when the model is compiled: none leaves 0 … size-1.
std::int64_t checked_index(std::int64_t raw, std::int64_t size) {
  const std::int64_t i = raw < 0 ? raw + size : raw;
  if (i < 0 || i >= size)
    throw std::invalid_argument("an index of " + std::to_string(raw) + " leaves the axis of size " +
                                std::to_string(size));
  return i;
}

// The leading dimensions that tuples of `depth` indices address, flattened to rows.
struct Rows {
  std::int64_t count, inner;        // rows, and elements in each
  std::vector<std::int64_t> picks;  // one row for each tuple
};

Rows rows_of(OperatorCall& call, const Shape& data) {
  const Shape& indices = call.shape(1);
  if (indices.empty() || indices.back() < 1 ||
      indices.back() > static_cast<std::int64_t>(data.size()))
    throw std::invalid_argument("index tuples of another rank");
  const auto depth = static_cast<std::size_t>(indices.back());
  const auto flat = call.constant_integers(1).value_or(Shape{});
  const Shape outer(data.begin(), data.begin() + indices.back());
  Rows rows{count(outer), count(data) / std::max<std::int64_t>(1, count(outer)), {}};
  for (std::size_t t = 0; t + depth <= flat.size(); t += depth) {
    std::int64_t row = 0;
    for (std::size_t d = 0; d < depth; ++d)
      row = row * data[d] + checked_index(flat[t + d], data[d]);
    rows.picks.push_back(row);
  }
  return rows;
}

void gather_nd(OperatorCall& call) {
  Builder& b = call.builder;
  if (call.integer("batch_dims", 0)) throw std::invalid_argument("batch_dims is not supported");
  const Shape data = call.shape(0), indices = call.shape(1);
  const Rows rows = rows_of(call, data);
  Shape to(indices.begin(), indices.end() - 1);
  to.insert(to.end(), data.begin() + indices.back(), data.end());
  const int flat = b.reshape(call.input(0), {rows.count, rows.inner});
  call.give(b.reshape(b.add(Gather{0}, {flat, b.integers(rows.picks)}), to));
}

// `data` with the rows `places` replaced by those of `updates`, the last one of each winning: a gather
// from both, one after the other.
int replaced(Builder& b, int data, int updates, const std::vector<std::int64_t>& places,
             std::int64_t rows, std::int64_t inner) {
  const auto replacements = static_cast<std::int64_t>(places.size());
  if (count(b.shape(updates)) != replacements * inner)
    throw std::invalid_argument("the updates have another shape than what they replace");
  if (rows + replacements > kExactIntegers)
    throw std::invalid_argument("more than 2^24 rows to pick from");
  b.spend(rows);
  std::vector<std::int64_t> picks(static_cast<std::size_t>(rows));
  std::iota(picks.begin(), picks.end(), 0);
  for (std::int64_t i = 0; i < replacements; ++i)
    picks[static_cast<std::size_t>(places[static_cast<std::size_t>(i)])] = rows + i;
  const int both =
      b.add(Concat{0}, {b.reshape(data, {rows, inner}), b.reshape(updates, {replacements, inner})});
  return b.reshape(b.add(Gather{0}, {both, b.integers(picks)}), b.shape(data));
}

void refuse_reduction(OperatorCall& call) {
  if (call.text("reduction", "none") != "none")
    throw std::invalid_argument("a reduction is not supported");
}

void scatter_nd(OperatorCall& call) {
  refuse_reduction(call);
  const Rows rows = rows_of(call, call.shape(0));
  call.give(
      replaced(call.builder, call.input(0), call.input(2), rows.picks, rows.count, rows.inner));
}

void scatter_elements(OperatorCall& call) {
  refuse_reduction(call);
  const Shape data = call.shape(0), indices = call.shape(1), strides = dense_strides(data);
  const auto axis = call.axis(call.integer("axis", 0), call.rank(0));
  if (indices.size() != data.size()) throw std::invalid_argument("indices of another rank");
  const auto flat = call.constant_integers(1).value_or(Shape{});
  std::vector<std::int64_t> places;
  for (std::size_t i = 0; i < flat.size(); ++i) {
    std::int64_t rest = static_cast<std::int64_t>(i), place = 0;
    for (std::size_t d = data.size(); d-- > 0; rest /= indices[d]) {
      const std::int64_t along = rest % indices[d];
      place += checked_index(d == axis ? flat[i] : along, data[d]) * strides[d];
    }
    places.push_back(place);
  }
  call.give(replaced(call.builder, call.input(0), call.input(2), places, count(data), 1));
}

}  // namespace

void add_index_operators(OperatorTable& table) {
  table["Gather"] = gather;
  table["GatherElements"] = gather_elements;
  table["GatherND"] = gather_nd;
  table["ScatterND"] = scatter_nd;
  table["ScatterElements"] = scatter_elements;
  table["Scatter"] = scatter_elements;  // its name before opset 11
}

}  // namespace gantry::compile
