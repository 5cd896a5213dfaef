// Element by element, reductions, and ordering.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>
#include <stdexcept>

#include "firmware/compile/operators.hpp"

namespace gantry::compile {
namespace {

template <Function function>
void unary(OperatorCall& call) {
  call.give(call.builder.unary(function, call.input(0)));
}

template <Function function>
void with_alpha(OperatorCall& call) {
  const float otherwise = function == Function::leaky_relu ? 0.01f : 1.0f;
  call.give(call.builder.unary(function, call.input(0), call.real("alpha", otherwise)));
}

template <Combine combine>
void binary(OperatorCall& call) {
  call.give(call.builder.binary(combine, call.input(0), call.input(1)));
}

template <Combine combine>
void several(OperatorCall& call) {
  int y = call.input(0);
  for (std::size_t i = 1; i < call.inputs.size(); ++i)
    y = call.builder.binary(combine, y, call.input(i));
  call.give(y);
}

void divide(OperatorCall& call) {
  const bool integers = call.builder.value(call.input(0)).type == Type::integer &&
                        call.builder.value(call.input(1)).type == Type::integer;
  call.give(call.builder.binary(integers ? Combine::divide_integer : Combine::divide, call.input(0),
                                call.input(1)));
}

void modulo(OperatorCall& call) {
  call.give(call.builder.binary(call.integer("fmod", 0) ? Combine::remainder : Combine::modulo,
                                call.input(0), call.input(1)));
}

void hard_sigmoid(OperatorCall& call) {
  call.give(call.builder.unary(Function::hard_sigmoid, call.input(0), call.real("alpha", 0.2f),
                               call.real("beta", 0.5f)));
}

void hard_swish(OperatorCall& call) {
  call.give(call.builder.unary(Function::hard_swish, call.input(0), 1.0f / 6, 0.5f));
}

void clip(OperatorCall& call) {
  float low = -std::numeric_limits<float>::infinity(), high = -low;
  const auto bound = [&](const char* attribute, std::size_t i, float otherwise) {
    if (call.opset < 11) return call.real(attribute, otherwise);
    const auto v = call.constant_reals(i);
    if (v && v->size() != 1) throw std::invalid_argument("a bound must be one number");
    return v ? (*v)[0] : otherwise;
  };
  low = bound("min", 1, low);
  high = bound("max", 2, high);
  call.give(call.builder.unary(Function::clip, call.input(0), low, high));
}

// x Φ(x), by the error function or by the usual tanh form.
void gelu(OperatorCall& call) {
  Builder& b = call.builder;
  const int x = call.input(0);
  const auto times = [&](int v, double k) { return b.binary(Combine::multiply, v, b.scalar(k)); };
  int inner;
  if (call.text("approximate", "none") == "tanh") {
    const int cubed = b.binary(Combine::multiply, b.binary(Combine::multiply, x, x), x);
    inner = b.unary(Function::tanh,
                    times(b.binary(Combine::add, x, times(cubed, 0.044715)), std::sqrt(2 / M_PI)));
  } else {
    inner = b.unary(Function::erf, times(x, M_SQRT1_2));
  }
  const int weight = times(b.binary(Combine::add, inner, b.scalar(1)), 0.5);
  call.give(b.binary(Combine::multiply, x, weight));
}

void prelu(OperatorCall& call) {
  call.give(call.builder.binary(Combine::prelu, call.input(0), call.input(1)));
}

void power(OperatorCall& call) {
  const Constant* exponent = call.builder.constant(call.input(1));
  if (exponent && exponent->count() == 1 && exponent->at(0) == 2)
    return call.give(call.builder.binary(Combine::multiply, call.input(0), call.input(0)));
  call.give(call.builder.binary(Combine::power, call.input(0), call.input(1)));
}

// TensorProto's numbers of real types; every other one that a cast may name is an integer.
bool is_real(std::int64_t type) {
  return type == 1 || type == 10 || type == 11 || type == 16;
}

void cast(OperatorCall& call) {
  Builder& b = call.builder;
  const auto to = call.integer("to", 1);
  if (to == onnx::TensorProto::STRING) throw std::invalid_argument("strings are not supported");
  const int x = call.input(0);
  if (to == onnx::TensorProto::BOOL) return call.give(b.unary(Function::is_true, x));
  if (is_real(to)) return call.give(b.retype(x, Type::real));
  call.give(b.value(x).type == Type::integer ? x : b.unary(Function::truncate, x));
}

void where(OperatorCall& call) {
  call.give(call.builder.add(Where{}, {call.input(0), call.input(1), call.input(2)}));
}

void reduce(OperatorCall& call, Reduction reduction) {
  Builder& b = call.builder;
  const int x = call.input(0);
  const auto axes = call.integers_of("axes", 1).value_or(std::vector<std::int64_t>{});
  if (axes.empty() && call.integer("noop_with_empty_axes", 0)) return call.give(x);
  Reduce op{reduction, std::vector<bool>(call.shape(0).size(), axes.empty())};
  for (const auto a : axes) op.reduced[call.axis(a, call.rank(0))] = true;
  int y = b.add(op, {x});
  if (!call.integer("keepdims", 1)) {
    Shape kept;
    for (std::size_t d = 0; d < op.reduced.size(); ++d)
      if (!op.reduced[d]) kept.push_back(call.shape(0)[d]);
    y = b.reshape(y, kept);
  }
  call.give(y);
}

template <Reduction reduction>
void reduction_of(OperatorCall& call) {
  reduce(call, reduction);
}

void extreme_index(OperatorCall& call, bool minimum) {
  Builder& b = call.builder;
  const auto axis = call.axis(call.integer("axis", 0), call.rank(0));
  ArgMax op{static_cast<std::int64_t>(axis), minimum, call.integer("select_last_index", 0) != 0};
  int y = b.add(op, {call.input(0)});
  if (!call.integer("keepdims", 1)) {
    Shape kept = b.shape(y);
    kept.erase(kept.begin() + static_cast<std::int64_t>(axis));
    y = b.reshape(y, kept);
  }
  call.give(y);
}

void arg_max(OperatorCall& call) {
  extreme_index(call, false);
}
void arg_min(OperatorCall& call) {
  extreme_index(call, true);
}

void top_k(OperatorCall& call) {
  const auto axis = call.axis(call.integer("axis", -1), call.rank(0));
  TopK op{static_cast<std::int64_t>(axis), call.integer("k", 0), call.integer("largest", 1) != 0};
  if (call.opset >= 10) {
    const auto k = call.constant_integers(1);
    if (!k || k->size() != 1) throw std::invalid_argument("k must be one number");
    op.k = (*k)[0];
  }
  for (const int v : call.builder.add_all(op, {call.input(0)})) call.give(v);
}

}  // namespace

void add_math_operators(OperatorTable& table) {
  table["Relu"] = unary<Function::relu>;
  table["Sigmoid"] = unary<Function::sigmoid>;
  table["Tanh"] = unary<Function::tanh>;
  table["Mish"] = unary<Function::mish>;
  table["Exp"] = unary<Function::exp>;
  table["Log"] = unary<Function::log>;
  table["Sqrt"] = unary<Function::sqrt>;
  table["Neg"] = unary<Function::negate>;
  table["Abs"] = unary<Function::abs>;
  table["Erf"] = unary<Function::erf>;
  table["Floor"] = unary<Function::floor>;
  table["Ceil"] = unary<Function::ceil>;
  table["Round"] = unary<Function::round>;
  table["Reciprocal"] = unary<Function::reciprocal>;
  table["Softplus"] = unary<Function::softplus>;
  table["Not"] = unary<Function::logical_not>;
  table["Sin"] = unary<Function::sin>;
  table["Cos"] = unary<Function::cos>;
  table["Sign"] = unary<Function::sign>;
  table["LeakyRelu"] = with_alpha<Function::leaky_relu>;
  table["Elu"] = with_alpha<Function::elu>;
  table["HardSigmoid"] = hard_sigmoid;
  table["HardSwish"] = hard_swish;
  table["Clip"] = clip;
  table["Gelu"] = gelu;
  table["PRelu"] = prelu;
  table["Add"] = binary<Combine::add>;
  table["Sub"] = binary<Combine::subtract>;
  table["Mul"] = binary<Combine::multiply>;
  table["Div"] = divide;
  table["Pow"] = power;
  table["Mod"] = modulo;
  table["Min"] = several<Combine::minimum>;
  table["Max"] = several<Combine::maximum>;
  table["Sum"] = several<Combine::add>;
  table["Equal"] = binary<Combine::equal>;
  table["Less"] = binary<Combine::less>;
  table["LessOrEqual"] = binary<Combine::less_or_equal>;
  table["Greater"] = binary<Combine::greater>;
  table["GreaterOrEqual"] = binary<Combine::greater_or_equal>;
  table["And"] = binary<Combine::logical_and>;
  table["Or"] = binary<Combine::logical_or>;
  table["Xor"] = binary<Combine::logical_xor>;
  table["Where"] = where;
  table["Cast"] = cast;
  table["ReduceSum"] = reduction_of<Reduction::sum>;
  table["ReduceMean"] = reduction_of<Reduction::mean>;
  table["ReduceMax"] = reduction_of<Reduction::maximum>;
  table["ReduceMin"] = reduction_of<Reduction::minimum>;
  table["ReduceProd"] = reduction_of<Reduction::product>;
  table["ReduceSumSquare"] = reduction_of<Reduction::square_sum>;
  table["ReduceL1"] = reduction_of<Reduction::absolute_sum>;
  table["ReduceL2"] = reduction_of<Reduction::norm>;
  table["ArgMax"] = arg_max;
  table["ArgMin"] = arg_min;
  table["TopK"] = top_k;
}

}  // namespace gantry::compile
