// Normalisations, taken apart into reductions and element-by-element work.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <stdexcept>

#include "firmware/compile/operators.hpp"

namespace gantry::compile {
namespace {

void batch_normalization(OperatorCall& call) {
  Builder& b = call.builder;
  if (call.integer("training_mode", 0)) throw std::invalid_argument("training mode");
  const Shape s = call.shape(0);
  if (s.size() < 2) throw std::invalid_argument("an input without channels");
  std::vector<std::vector<float>> p;
  for (std::size_t i = 1; i <= 4; ++i) {
    p.push_back(call.constant_reals(i).value_or(std::vector<float>{}));
    if (static_cast<std::int64_t>(p.back().size()) != s[1])
      throw std::invalid_argument("parameters for another number of channels");
  }
  const float epsilon = call.real("epsilon", 1e-5f);
  Constant scale{Shape(s.size() - 1, 1), Type::real, {}, {}};
  scale.shape[0] = s[1];
  Constant shift = scale;
  for (std::size_t c = 0; c < p[0].size(); ++c) {
    const double k = p[0][c] / std::sqrt(double{p[3][c]} + epsilon);
    scale.reals.push_back(static_cast<float>(k));
    shift.reals.push_back(static_cast<float>(p[1][c] - k * p[2][c]));
  }
  const int y = b.binary(Combine::multiply, call.input(0), b.add_constant(std::move(scale)));
  call.give(b.binary(Combine::add, y, b.add_constant(std::move(shift))));
}

// (x - mean) / sqrt(variance + epsilon) over the dimensions `over`.
int standardised(Builder& b, int x, const std::vector<bool>& over, float epsilon) {
  const auto mean = [&](int v) { return b.add(Reduce{Reduction::mean, over}, {v}); };
  const int centred = b.binary(Combine::subtract, x, mean(x));
  const int variance = mean(b.binary(Combine::multiply, centred, centred));
  const int deviation =
      b.unary(Function::sqrt, b.binary(Combine::add, variance, b.scalar(epsilon)));
  return b.binary(Combine::divide, centred, deviation);
}

void layer_normalization(OperatorCall& call) {
  Builder& b = call.builder;
  std::vector<bool> over(call.shape(0).size());
  for (auto d = call.axis(call.integer("axis", -1), call.rank(0)); d < over.size(); ++d)
    over[d] = true;
  int y = standardised(b, call.input(0), over, call.real("epsilon", 1e-5f));
  y = b.binary(Combine::multiply, y, call.input(1));
  if (call.optional(2) != kAbsent) y = b.binary(Combine::add, y, call.input(2));
  call.give(y);
}

// x scale + shift, each holding one number per entry of dimension 1.
int per_channel(Builder& b, int x, int scale, int shift) {
  Shape to(b.shape(x).size() - 1, 1);
  to[0] = b.shape(x)[1];
  const int scaled = b.binary(Combine::multiply, x, b.reshape(scale, to));
  return b.binary(Combine::add, scaled, b.reshape(shift, to));
}

void instance_normalization(OperatorCall& call) {
  std::vector<bool> over(call.shape(0).size(), true);
  if (over.size() < 3) throw std::invalid_argument("an image needs three dimensions or more");
  over[0] = over[1] = false;
  const int y = standardised(call.builder, call.input(0), over, call.real("epsilon", 1e-5f));
  call.give(per_channel(call.builder, y, call.input(1), call.input(2)));
}

void group_normalization(OperatorCall& call) {
  Builder& b = call.builder;
  const Shape s = call.shape(0);
  const std::int64_t groups = call.integer("num_groups", 0);
  if (s.size() < 2 || groups < 1 || s[1] % groups)
    throw std::invalid_argument("num_groups does not divide the channels");
  const int apart = b.reshape(call.input(0), {s[0], groups, count(s) / (s[0] * groups)});
  int y = standardised(b, apart, {false, false, true}, call.real("epsilon", 1e-5f));
  // The first version scales whole groups.
  if (call.opset < 21) y = per_channel(b, y, call.input(1), call.input(2));
  y = b.reshape(y, s);
  call.give(call.opset < 21 ? y : per_channel(b, y, call.input(1), call.input(2)));
}

}  // namespace

void add_normalisations(OperatorTable& table) {
  table["BatchNormalization"] = batch_normalization;
  table["LayerNormalization"] = layer_normalization;
  table["InstanceNormalization"] = instance_normalization;
  table["GroupNormalization"] = group_normalization;
}

}  // namespace gantry::compile
