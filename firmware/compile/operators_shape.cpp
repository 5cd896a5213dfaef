// Views, joins, pads and constants.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "firmware/compile/operators.hpp"

namespace gantry::compile {
namespace {

void identity(OperatorCall& call) {
  call.give(call.input(0));
}

void concat(OperatorCall& call) {
  Builder& b = call.builder;
  std::vector<int> parts;
  for (std::size_t i = 0; i < call.inputs.size(); ++i)
    if (count(call.shape(i)) > 0) parts.push_back(call.input(i));
  if (parts.empty()) return call.give(call.input(0));
  const auto axis = call.axis(call.integer("axis", 1), call.rank(0));
  call.give(parts.size() == 1 ? parts[0] : b.add(Concat{static_cast<std::int64_t>(axis)}, parts));
}

void split(OperatorCall& call) {
  const auto axis = call.axis(call.integer("axis", 0), call.rank(0));
  const std::int64_t whole = call.shape(0)[axis];
  auto sizes = call.integers_of("split", 1).value_or(std::vector<std::int64_t>{});
  if (sizes.empty()) {
    const auto parts = std::max<std::int64_t>(1, call.node.output_size());
    const std::int64_t each = (whole + parts - 1) / parts;
    for (std::int64_t at = 0; at < whole; at += each) sizes.push_back(std::min(each, whole - at));
  }
  std::int64_t start = 0;
  for (const auto size : sizes) {
    if (size < 1 || size > whole - start) throw std::invalid_argument("the parts do not fit");
    call.give(call.builder.slice(call.input(0), axis, start, 1, size));
    start += size;
  }
  if (start != whole) throw std::invalid_argument("the parts do not add up");
}

void slice(OperatorCall& call) {
  const bool attributes = call.opset < 10;
  const auto starts =
      attributes ? call.integers("starts") : call.constant_integers(1).value_or(Shape{});
  const auto ends =
      attributes ? call.integers("ends") : call.constant_integers(2).value_or(Shape{});
  auto axes = attributes ? call.integers("axes") : call.constant_integers(3).value_or(Shape{});
  const auto steps = attributes ? Shape{} : call.constant_integers(4).value_or(Shape{});
  if (axes.empty()) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (starts.size() != ends.size() || starts.size() != axes.size() ||
      (!steps.empty() && steps.size() != starts.size()))
    throw std::invalid_argument("starts, ends, axes and steps have different lengths");
  int x = call.input(0);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto axis = call.axis(axes[i], call.rank(0));
    const std::int64_t size = call.builder.shape(x)[axis], step = steps.empty() ? 1 : steps[i];
    if (step == 0 || step == std::numeric_limits<std::int64_t>::min())
      throw std::invalid_argument("a step of 0");
    const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    const auto bounded = [&](std::int64_t v) {
      if (v < 0) v = v < -size ? -1 - size : v;
      return std::clamp(v < 0 ? v + size : v, step > 0 ? low : std::int64_t{-1}, high);
    };
    const std::int64_t start = std::max<std::int64_t>(bounded(starts[i]), 0),
                       end = bounded(ends[i]);
    const std::int64_t span = step > 0 ? end - start : start - end;
    const std::int64_t stride = step > 0 ? step : -step;
    if (call.cuts_batch(axis))
      throw std::invalid_argument("a part of the batch is taken; the model is tied to its own");
    if (span <= 0)
      throw std::invalid_argument("the slice of axis " + std::to_string(axis) + " is empty");
    x = call.builder.slice(x, axis, start, step, (span - 1) / stride + 1);
  }
  call.give(x);
}

// A model exported for one batch names it in its shapes, first: another batch takes its place there.
void follow_batch(const OperatorCall& call, Shape& to) {
  const Builder& b = call.builder;
  const Shape& from = call.shape(0);
  if (!b.own_batch || b.constant(call.input(0)) || to.empty() || to[0] == -1 || to[0] == 0) return;
  if (to[0] != b.own_batch || from.empty() || from[0] % b.batch)
    throw std::invalid_argument("the shape " + to_string(to) + " ties the model to a batch of " +
                                std::to_string(b.own_batch));
  to[0] = b.batch;
}

void reshape(OperatorCall& call) {
  const Shape from = call.shape(0);
  Shape to = call.constant_integers(1).value_or(Shape{});
  follow_batch(call, to);
  const bool keep_zero = call.integer("allowzero", 0) != 0;
  std::int64_t known = 1;
  int open = -1;
  if (to.size() > kMaximumRank) throw std::invalid_argument("rank " + std::to_string(to.size()));
  for (std::size_t d = 0; d < to.size(); ++d) {
    if (to[d] == 0 && !keep_zero) {
      if (d >= from.size()) throw std::invalid_argument("a size of 0 past the input's rank");
      to[d] = from[d];
    }
    if (to[d] == -1 && open < 0)
      open = static_cast<int>(d);
    else if (to[d] < 0 || to[d] > kMaximumElements)
      throw std::invalid_argument("a size of " + std::to_string(to[d]));
    else if ((known *= to[d]) > kMaximumElements)
      throw std::invalid_argument("the new shape is too large");
  }
  if (open >= 0) {
    if (known == 0 || count(from) % known)
      throw std::invalid_argument("the new shape does not divide " + to_string(from) +
                                  "; a model exported for another input size?");
    to[static_cast<std::size_t>(open)] = count(from) / known;
  }
  call.give(call.builder.reshape(call.input(0), to));
}

void flatten(OperatorCall& call) {
  const Shape s = call.shape(0);
  const std::int64_t raw = call.integer("axis", 1), rank = call.rank(0);
  const auto axis = raw == rank ? rank : static_cast<std::int64_t>(call.axis(raw, rank));
  call.give(call.builder.reshape(call.input(0), {count(Shape(s.begin(), s.begin() + axis)),
                                                 count(Shape(s.begin() + axis, s.end()))}));
}

void squeeze(OperatorCall& call) {
  const Shape s = call.shape(0);
  const auto axes = call.integers_of("axes", 1);
  std::vector<bool> drop(s.size());
  for (std::size_t d = 0; d < s.size(); ++d) drop[d] = !axes && s[d] == 1;
  for (const auto a : axes.value_or(Shape{})) {
    const auto d = call.axis(a, call.rank(0));
    if (s[d] != 1) throw std::invalid_argument("axis " + std::to_string(d) + " is not 1 wide");
    drop[d] = true;
  }
  Shape kept;
  for (std::size_t d = 0; d < s.size(); ++d)
    if (!drop[d]) kept.push_back(s[d]);
  call.give(call.builder.reshape(call.input(0), kept));
}

void unsqueeze(OperatorCall& call) {
  const auto axes = call.integers_of("axes", 1).value_or(Shape{});
  const auto rank = call.rank(0) + static_cast<std::int64_t>(axes.size());
  if (rank > static_cast<std::int64_t>(kMaximumRank)) throw std::invalid_argument("rank above 8");
  std::vector<bool> added(static_cast<std::size_t>(rank));
  for (const auto a : axes) added[call.axis(a, rank)] = true;
  if (std::count(added.begin(), added.end(), true) != static_cast<std::int64_t>(axes.size()))
    throw std::invalid_argument("an axis is named twice");
  Shape to, from = call.shape(0);
  std::size_t next = 0;
  for (const bool one : added) to.push_back(one ? 1 : from[next++]);
  call.give(call.builder.reshape(call.input(0), to));
}

void transpose(OperatorCall& call) {
  auto order = call.integers("perm");
  if (order.empty()) {
    order.resize(call.shape(0).size());
    std::iota(order.rbegin(), order.rend(), 0);
  }
  call.give(call.builder.transpose(call.input(0), order));
}

Shape checked_shape(const std::vector<std::int64_t>& sizes) {
  if (sizes.size() > kMaximumRank)
    throw std::invalid_argument("rank " + std::to_string(sizes.size()));
  std::int64_t elements = 1;
  for (const auto d : sizes) {
    if (d < 0 || d > kMaximumElements)
      throw std::invalid_argument("a size of " + std::to_string(d));
    if ((elements *= d) > kMaximumElements) throw std::invalid_argument("the shape is too large");
  }
  return sizes;
}

void expand(OperatorCall& call) {
  const Shape to = checked_shape(call.constant_integers(1).value_or(Shape{}));
  call.give(call.builder.add(Expand{broadcast(call.shape(0), to)}, {call.input(0)}));
}

// [a, b] tiled by [p, q]: [1, a, 1, b] expanded to [p, a, q, b].
void tile(OperatorCall& call) {
  const Shape from = call.shape(0),
              times = checked_shape(call.constant_integers(1).value_or(Shape{}));
  if (times.size() != from.size()) throw std::invalid_argument("repeats of another rank");
  Shape apart, wide, to;
  for (std::size_t d = 0; d < from.size(); ++d) {
    if (times[d] != 1) apart.push_back(1), wide.push_back(times[d]);
    apart.push_back(from[d]), wide.push_back(from[d]);
    to.push_back(from[d] * times[d]);
  }
  Builder& b = call.builder;
  call.give(b.reshape(b.add(Expand{wide}, {b.reshape(call.input(0), apart)}), to));
}

void pad(OperatorCall& call) {
  const auto rank = call.shape(0).size();
  const auto pads =
      call.opset < 11 ? call.integers("pads") : call.constant_integers(1).value_or(Shape{});
  const auto axes = call.constant_integers(3);
  const std::size_t n = axes ? axes->size() : rank;
  if (pads.size() != 2 * n) throw std::invalid_argument("two pads for each dimension are needed");
  Pad op;
  const std::string mode = call.text("mode", "constant");
  if (mode == "constant")
    op.mode = Pad::Mode::constant;
  else if (mode == "reflect")
    op.mode = Pad::Mode::reflect;
  else if (mode == "edge")
    op.mode = Pad::Mode::edge;
  else
    throw std::invalid_argument("mode '" + mode + "' is not supported");
  const auto value = call.opset < 11 ? std::nullopt : call.constant_reals(2);
  op.value = value && !value->empty() ? (*value)[0] : call.real("value", 0);
  op.begin.resize(rank);
  op.end.resize(rank);
  int x = call.input(0);
  for (std::size_t i = 0; i < n; ++i) {
    const auto d = axes ? call.axis((*axes)[i], call.rank(0)) : i;
    op.begin[d] = std::max<std::int64_t>(pads[i], 0);
    op.end[d] = std::max<std::int64_t>(pads[i + n], 0);
    // Negative pads cut.
    const std::int64_t size = call.builder.shape(x)[d];
    const std::int64_t first = std::clamp<std::int64_t>(pads[i], -size, 0);
    const std::int64_t last = std::clamp<std::int64_t>(pads[i + n], -size, 0);
    if (first + last != 0) x = call.builder.slice(x, d, -first, 1, size + first + last);
  }
  const auto is_zero = [](std::int64_t v) { return v == 0; };
  if (std::all_of(op.begin.begin(), op.begin.end(), is_zero) &&
      std::all_of(op.end.begin(), op.end.end(), is_zero))
    return call.give(x);
  call.give(call.builder.add(op, {x}));
}

void shape_of(OperatorCall& call) {
  const Shape& s = call.shape(0);
  const auto rank = call.rank(0);
  const auto bounded = [&](std::int64_t v) {
    return std::clamp<std::int64_t>(v < 0 ? v + rank : v, 0, rank);
  };
  const auto start = bounded(std::max(call.integer("start", 0), -rank));
  const auto end = std::max(start, bounded(std::max(call.integer("end", rank), -rank)));
  call.give(call.builder.integers({s.begin() + start, s.begin() + end}));
}

void size_of(OperatorCall& call) {
  call.give(call.builder.scalar(static_cast<double>(count(call.shape(0))), Type::integer));
}

void constant(OperatorCall& call) {
  Builder& b = call.builder;
  if (const auto* t = call.tensor("value")) return call.give(b.add_constant(read_tensor(*t)));
  if (call.has("value_int"))
    return call.give(b.add_constant({{}, Type::integer, {}, {call.integer("value_int", 0)}}));
  if (call.has("value_float")) return call.give(b.scalar(call.real("value_float", 0)));
  if (call.has("value_ints")) return call.give(b.integers(call.integers("value_ints")));
  if (call.has("value_floats")) {
    const auto values = call.reals("value_floats");
    return call.give(
        b.add_constant({{static_cast<std::int64_t>(values.size())}, Type::real, values, {}}));
  }
  throw std::invalid_argument("a constant of an unsupported kind");
}

void constant_of_shape(OperatorCall& call) {
  const Shape to = checked_shape(call.constant_integers(0).value_or(Shape{}));
  const auto* t = call.tensor("value");
  Constant one = t ? read_tensor(*t) : Constant{{1}, Type::real, {0}, {}};
  if (one.count() != 1) throw std::invalid_argument("the value must be one number");
  one.shape = Shape(to.empty() ? 0 : 1, 1);
  call.give(call.builder.add(Expand{to}, {call.builder.add_constant(std::move(one))}));
}

void range(OperatorCall& call) {
  const Constant* p[3];
  for (std::size_t i = 0; i < 3; ++i) {
    p[i] = call.builder.constant(call.input(i));
    if (!p[i] || p[i]->count() != 1) throw std::invalid_argument("the bounds must be constants");
  }
  const double start = p[0]->at(0), end = p[1]->at(0), step = p[2]->at(0);
  const double n = std::ceil((end - start) / step);
  if (!(step != 0) || !(n <= static_cast<double>(kFoldLimit)))
    throw std::invalid_argument("the range is too long");
  Constant c{{saturated(std::max(n, 0.0))}, p[0]->type, {}, {}};
  for (std::int64_t i = 0; i < c.shape[0]; ++i) {
    const double v = start + static_cast<double>(i) * step;
    if (c.type == Type::real)
      c.reals.push_back(static_cast<float>(v));
    else
      c.integers.push_back(saturated(v));
  }
  call.give(call.builder.add_constant(std::move(c)));
}

struct Blocks {
  std::int64_t n, c, h, w, b;
};

Blocks blocks_of(OperatorCall& call) {
  const Shape& s = call.shape(0);
  const std::int64_t b = call.integer("blocksize", 0);
  if (s.size() != 4 || b < 1 || b > 1024)
    throw std::invalid_argument("an image and a blocksize are needed");
  return {s[0], s[1], s[2], s[3], b};
}

void depth_to_space(OperatorCall& call) {
  Builder& b = call.builder;
  const auto [n, c, h, w, k] = blocks_of(call);
  if (c % (k * k)) throw std::invalid_argument("the blocks do not divide the channels");
  const bool depth_first = call.text("mode", "DCR") == "DCR";
  const std::int64_t d = c / (k * k);
  const int apart =
      b.reshape(call.input(0), depth_first ? Shape{n, k, k, d, h, w} : Shape{n, d, k, k, h, w});
  const int turned =
      depth_first ? b.transpose(apart, {0, 3, 4, 1, 5, 2}) : b.transpose(apart, {0, 1, 4, 2, 5, 3});
  call.give(b.reshape(turned, {n, d, h * k, w * k}));
}

void space_to_depth(OperatorCall& call) {
  Builder& b = call.builder;
  const auto [n, c, h, w, k] = blocks_of(call);
  if (h % k || w % k) throw std::invalid_argument("the blocks do not divide the image");
  const int apart = b.reshape(call.input(0), {n, c, h / k, k, w / k, k});
  call.give(b.reshape(b.transpose(apart, {0, 3, 5, 1, 2, 4}), {n, c * k * k, h / k, w / k}));
}

}  // namespace

void add_shape_operators(OperatorTable& table) {
  table["Identity"] = identity;
  table["Dropout"] = identity;
  table["Concat"] = concat;
  table["Split"] = split;
  table["Slice"] = slice;
  table["Reshape"] = reshape;
  table["Flatten"] = flatten;
  table["Squeeze"] = squeeze;
  table["Unsqueeze"] = unsqueeze;
  table["Transpose"] = transpose;
  table["Expand"] = expand;
  table["Tile"] = tile;
  table["Pad"] = pad;
  table["Shape"] = shape_of;
  table["Size"] = size_of;
  table["Constant"] = constant;
  table["ConstantOfShape"] = constant_of_shape;
  table["Range"] = range;
  table["DepthToSpace"] = depth_to_space;
  table["SpaceToDepth"] = space_to_depth;
}

}  // namespace gantry::compile
