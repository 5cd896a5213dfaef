// Constant folding: the plain definition of each operation that shape arithmetic and exported weight
// transformations need.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/fold.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace gantry::compile {
namespace {

using Inputs = std::vector<const Value*>;

double hard(const Activation& a, double x) {
  return std::clamp(double{a.alpha} * x + double{a.beta}, 0.0, 1.0);
}

Constant blank(const Inferred& result) {
  Constant c{result.shape, result.type, {}, {}};
  const auto n = static_cast<std::size_t>(count(result.shape));
  if (c.type == Type::real)
    c.reals.resize(n);
  else
    c.integers.resize(n);
  return c;
}

void store(Constant& c, std::size_t i, double v) {
  if (c.type == Type::real)
    c.reals[i] = static_cast<float>(v);
  else
    c.integers[i] = saturated(v);
}

// Copies an element as it is: integers keep all of their bits.
void copy(Constant& to, std::size_t i, const Constant& from, std::size_t j) {
  if (to.type == Type::integer && from.type == Type::integer)
    to.integers[i] = from.integers[j];
  else
    store(to, i, from.at(j));
}

// Walks the result in row-major order with the matching offset into one input of given strides.
class Walk {
 public:
  Walk(const Shape& shape, Shape strides, std::int64_t start = 0)
      : shape_(shape), strides_(std::move(strides)), index_(shape.size()), offset_(start) {}
  std::size_t offset() const { return static_cast<std::size_t>(offset_); }
  const Shape& index() const { return index_; }
  void next() {
    for (std::size_t d = shape_.size(); d-- > 0;) {
      offset_ += strides_[d];
      if (++index_[d] < shape_[d]) return;
      offset_ -= strides_[d] * shape_[d];
      index_[d] = 0;
    }
  }

 private:
  const Shape& shape_;
  Shape strides_, index_;
  std::int64_t offset_;
};

Shape broadcast_strides(const Shape& from, const Shape& to) {
  const Shape dense = dense_strides(from);
  Shape strides(to.size(), 0);
  const std::size_t missing = to.size() - from.size();
  for (std::size_t d = 0; d < from.size(); ++d)
    if (from[d] != 1) strides[d + missing] = dense[d];
  return strides;
}

Constant gather_strided(const Constant& x, const Inferred& result, Shape strides,
                        std::int64_t start = 0) {
  Constant out = blank(result);
  Walk walk(result.shape, std::move(strides), start);
  for (std::size_t i = 0; i < out.count(); ++i, walk.next()) copy(out, i, x, walk.offset());
  return out;
}

template <typename Operation>
std::optional<Constant> evaluate(const Operation&, const Inputs&, const Inferred&) {
  return std::nullopt;
}

std::optional<Constant> evaluate(const Unary& op, const Inputs& in, const Inferred& result) {
  Constant out = blank(result);
  const Constant& x = *in[0]->constant;
  for (std::size_t i = 0; i < out.count(); ++i) {
    if (op.activation.function == Function::identity)
      copy(out, i, x, i);
    else
      store(out, i, apply(op.activation, x.at(i)));
  }
  return out;
}

std::optional<Constant> evaluate(const Binary& op, const Inputs& in, const Inferred& result) {
  Constant out = blank(result);
  const Constant &a = *in[0]->constant, &b = *in[1]->constant;
  Walk at_a(result.shape, broadcast_strides(a.shape, result.shape));
  Walk at_b(result.shape, broadcast_strides(b.shape, result.shape));
  for (std::size_t i = 0; i < out.count(); ++i, at_a.next(), at_b.next())
    store(out, i, combine(op.combine, a.at(at_a.offset()), b.at(at_b.offset())));
  return out;
}

std::optional<Constant> evaluate(const Where&, const Inputs& in, const Inferred& result) {
  Constant out = blank(result);
  const Constant &c = *in[0]->constant, &a = *in[1]->constant, &b = *in[2]->constant;
  Walk at_c(result.shape, broadcast_strides(c.shape, result.shape));
  Walk at_a(result.shape, broadcast_strides(a.shape, result.shape));
  Walk at_b(result.shape, broadcast_strides(b.shape, result.shape));
  for (std::size_t i = 0; i < out.count(); ++i, at_c.next(), at_a.next(), at_b.next()) {
    if (c.at(at_c.offset()) != 0)
      copy(out, i, a, at_a.offset());
    else
      copy(out, i, b, at_b.offset());
  }
  return out;
}

std::optional<Constant> evaluate(const Concat& op, const Inputs& in, const Inferred& result) {
  Constant out = blank(result);
  const auto axis = static_cast<std::size_t>(op.axis);
  const auto inner = static_cast<std::size_t>(dense_strides(result.shape)[axis]);
  const auto row = inner * static_cast<std::size_t>(result.shape[axis]);
  std::size_t start = 0;
  for (const Value* v : in) {
    const auto part = inner * static_cast<std::size_t>(v->shape[axis]);
    for (std::size_t i = 0; i < v->constant->count(); ++i)
      copy(out, i / part * row + start + i % part, *v->constant, i);
    start += part;
  }
  return out;
}

std::optional<Constant> evaluate(const Gather& op, const Inputs& in, const Inferred& result) {
  Constant out = blank(result);
  const Constant &x = *in[0]->constant, &indices = *in[1]->constant;
  const auto axis = static_cast<std::size_t>(op.axis);
  const auto inner = static_cast<std::size_t>(dense_strides(x.shape)[axis]);
  const std::int64_t size = x.shape[axis];
  const std::size_t picks = indices.count();
  for (std::size_t i = 0; i < out.count(); ++i) {
    const std::size_t outer = i / inner / picks;
    std::int64_t pick = saturated(indices.at(i / inner % picks));
    if (pick < 0) pick += size;
    if (pick < 0 || pick >= size) return std::nullopt;  // refused where it is imported
    copy(out, i, x,
         (outer * static_cast<std::size_t>(size) + static_cast<std::size_t>(pick)) * inner +
             i % inner);
  }
  return out;
}

std::optional<Constant> evaluate(const Reduce& op, const Inputs& in, const Inferred& result) {
  const Constant& x = *in[0]->constant;
  Constant out = blank(result);
  Shape strides = dense_strides(result.shape);
  double covered = 1;
  for (std::size_t d = 0; d < strides.size(); ++d)
    if (op.reduced[d]) strides[d] = 0, covered *= static_cast<double>(x.shape[d]);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double start = op.reduction == Reduction::maximum   ? -infinity
                       : op.reduction == Reduction::minimum ? infinity
                       : op.reduction == Reduction::product ? 1
                                                            : 0;
  std::vector<double> sums(out.count(), start);
  Walk walk(x.shape, strides);
  for (std::size_t i = 0; i < x.count(); ++i, walk.next()) {
    double& s = sums[walk.offset()];
    const double v = x.at(i);
    switch (op.reduction) {
      case Reduction::maximum:
        s = std::max(s, v);
        break;
      case Reduction::minimum:
        s = std::min(s, v);
        break;
      case Reduction::product:
        s *= v;
        break;
      case Reduction::square_sum:
      case Reduction::norm:
        s += v * v;
        break;
      case Reduction::absolute_sum:
        s += std::fabs(v);
        break;
      case Reduction::sum:
      case Reduction::mean:
        s += v;
        break;
    }
  }
  for (std::size_t i = 0; i < sums.size(); ++i)
    store(out, i,
          op.reduction == Reduction::mean   ? sums[i] / covered
          : op.reduction == Reduction::norm ? std::sqrt(sums[i])
                                            : sums[i]);
  return out;
}

std::optional<Constant> evaluate(const Copy&, const Inputs& in, const Inferred& result) {
  return gather_strided(*in[0]->constant, result, dense_strides(result.shape));
}

std::optional<Constant> evaluate(const Reshape&, const Inputs& in, const Inferred& result) {
  return gather_strided(*in[0]->constant, result, dense_strides(result.shape));
}

std::optional<Constant> evaluate(const Transpose& op, const Inputs& in, const Inferred& result) {
  const Shape dense = dense_strides(in[0]->shape);
  Shape strides;
  for (const auto p : op.permutation) strides.push_back(dense[static_cast<std::size_t>(p)]);
  return gather_strided(*in[0]->constant, result, strides);
}

std::optional<Constant> evaluate(const Slice& op, const Inputs& in, const Inferred& result) {
  Shape strides = dense_strides(in[0]->shape);
  std::int64_t start = 0;
  for (std::size_t d = 0; d < strides.size(); ++d) {
    start += op.start[d] * strides[d];
    strides[d] *= op.step[d];
  }
  return gather_strided(*in[0]->constant, result, strides, start);
}

std::optional<Constant> evaluate(const Expand&, const Inputs& in, const Inferred& result) {
  return gather_strided(*in[0]->constant, result, broadcast_strides(in[0]->shape, result.shape));
}

}  // namespace

std::int64_t saturated(double value) {
  constexpr double limit = 9.2e18;
  if (std::isnan(value)) return 0;
  return static_cast<std::int64_t>(std::clamp(value, -limit, limit));
}

double apply(const Activation& a, double x) {
  switch (a.function) {
    case Function::identity:
      return x;
    case Function::relu:
      return std::max(x, 0.0);
    case Function::leaky_relu:
      return x < 0 ? double{a.alpha} * x : x;
    case Function::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Function::silu:
      return x / (1 + std::exp(-x));
    case Function::hard_sigmoid:
      return hard(a, x);
    case Function::hard_swish:
      return x * hard(a, x);
    case Function::clip:
      return std::min(std::max(x, double{a.alpha}), double{a.beta});
    case Function::tanh:
      return std::tanh(x);
    case Function::mish:
      return x * std::tanh(std::log1p(std::exp(x)));
    case Function::exp:
      return std::exp(x);
    case Function::log:
      return std::log(x);
    case Function::sqrt:
      return std::sqrt(x);
    case Function::negate:
      return -x;
    case Function::abs:
      return std::fabs(x);
    case Function::erf:
      return std::erf(x);
    case Function::floor:
      return std::floor(x);
    case Function::ceil:
      return std::ceil(x);
    case Function::round:
      return std::nearbyint(x);
    case Function::reciprocal:
      return 1 / x;
    case Function::elu:
      return x < 0 ? double{a.alpha} * std::expm1(x) : x;
    case Function::softplus:
      return x > 20 ? x : std::log1p(std::exp(x));
    case Function::truncate:
      return std::trunc(x);
    case Function::is_true:
      return x != 0;
    case Function::logical_not:
      return x == 0;
    case Function::sin:
      return std::sin(x);
    case Function::cos:
      return std::cos(x);
    case Function::sign:
      return (x > 0) - (x < 0);
  }
  return x;
}

double combine(Combine c, double a, double b) {
  switch (c) {
    case Combine::add:
      return a + b;
    case Combine::subtract:
      return a - b;
    case Combine::multiply:
      return a * b;
    case Combine::divide:
      return a / b;
    case Combine::divide_integer:
      return b == 0 ? 0 : std::trunc(a / b);
    case Combine::power:
      return std::pow(a, b);
    case Combine::minimum:
      return std::min(a, b);
    case Combine::maximum:
      return std::max(a, b);
    case Combine::modulo:
      return b == 0 ? 0 : a - b * std::floor(a / b);
    case Combine::remainder:
      return b == 0 ? 0 : std::fmod(a, b);
    case Combine::equal:
      return a == b;
    case Combine::less:
      return a < b;
    case Combine::less_or_equal:
      return a <= b;
    case Combine::greater:
      return a > b;
    case Combine::greater_or_equal:
      return a >= b;
    case Combine::logical_and:
      return a != 0 && b != 0;
    case Combine::logical_or:
      return a != 0 || b != 0;
    case Combine::logical_xor:
      return (a != 0) != (b != 0);
    case Combine::prelu:
      return a < 0 ? a * b : a;
  }
  return a;
}

std::optional<Constant> fold(const Operation& operation, const std::vector<const Value*>& inputs,
                             const Inferred& result) {
  std::int64_t given = 0;
  for (const Value* v : inputs) {
    if (!v || !v->constant) return std::nullopt;
    given += count(v->shape);
  }
  if (count(result.shape) > std::max(given, kFoldLimit)) return std::nullopt;
  return std::visit([&](const auto& op) { return evaluate(op, inputs, result); }, operation);
}

}  // namespace gantry::compile
