// Shape functions, one per operation; they also check that the inputs fit.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/infer.hpp"

#include <algorithm>
#include <stdexcept>

namespace gantry::compile {
namespace {

using Inputs = std::vector<const Value*>;

constexpr std::int64_t kMaximumSide = 1 << 20;  // of a resized picture: its tables are made here

[[noreturn]] void refuse(const std::string& why) {
  throw std::invalid_argument(why);
}

void require(bool condition, const char* why) {
  if (!condition) refuse(why);
}

// Bounds that keep all products of sizes far from overflow.
void check_window(const Window& w, int axis) {
  require(w.kernel[axis] >= 1 && w.stride[axis] >= 1 && w.dilation[axis] >= 1,
          "kernel, stride and dilation must be 1 or more");
  require(w.kernel[axis] <= 1 << 15 && w.stride[axis] <= 1 << 15 && w.dilation[axis] <= 1 << 15,
          "kernel, stride or dilation is too large");
  // A transposed convolution's output_padding makes the padding behind it negative.
  require(w.pad_begin[axis] >= 0 && w.pad_end[axis] >= -(1 << 15) && w.pad_begin[axis] <= 1 << 20 &&
              w.pad_end[axis] <= 1 << 20,
          "padding out of range");
}

std::int64_t windows(std::int64_t in, const Window& w, int axis, bool ceil) {
  check_window(w, axis);
  require(w.pad_end[axis] >= 0, "padding out of range");
  const std::int64_t room =
      in + w.pad_begin[axis] + w.pad_end[axis] - (w.dilation[axis] * (w.kernel[axis] - 1) + 1);
  if (room < 0) refuse("the window is larger than the padded input");
  const std::int64_t up = ceil ? w.stride[axis] - 1 : 0;
  std::int64_t n = (room + up) / w.stride[axis] + 1;
  // A window that would begin in the padding after the end is left out.
  if (ceil && (n - 1) * w.stride[axis] >= in + w.pad_begin[axis]) --n;
  return n;
}

Inferred shape_of(const Conv& op, const Inputs& in) {
  const Shape& x = in[0]->shape;
  const Shape& w = in[1]->shape;
  require(x.size() == 4 && w.size() == 4, "two spatial dimensions are supported");
  require(op.group >= 1 && w[0] % op.group == 0, "groups do not divide the output channels");
  require(x[1] == w[1] * op.group, "the weights are for another number of input channels");
  require(w[2] == op.window.kernel[0] && w[3] == op.window.kernel[1], "kernel_shape is wrong");
  require(in[1]->constant && (!in[2] || in[2]->constant), "weights and bias must be constants");
  if (in[2]) require(in[2]->shape == Shape{w[0]}, "the bias has another number of channels");
  return {{x[0], w[0], windows(x[2], op.window, 0, false), windows(x[3], op.window, 1, false)}};
}

Inferred shape_of(const ConvTranspose& op, const Inputs& in) {
  const Shape& x = in[0]->shape;
  const Shape& w = in[1]->shape;
  require(x.size() == 4 && w.size() == 4, "two spatial dimensions are supported");
  require(op.group >= 1 && x[1] % op.group == 0, "groups do not divide the input channels");
  require(x[1] == w[0], "the weights are for another number of input channels");
  require(w[2] == op.window.kernel[0] && w[3] == op.window.kernel[1], "kernel_shape is wrong");
  if (in[2])
    require(in[2]->shape == Shape{w[1] * op.group}, "the bias has another number of channels");
  require(in[1]->constant && (!in[2] || in[2]->constant), "weights and bias must be constants");
  Inferred out{{x[0], w[1] * op.group, 0, 0}};
  for (int a = 0; a < 2; ++a) {
    const Window& v = op.window;
    check_window(v, a);
    out.shape[2 + a] = (x[2 + a] - 1) * v.stride[a] + (v.kernel[a] - 1) * v.dilation[a] + 1 -
                       v.pad_begin[a] - v.pad_end[a];
  }
  return out;
}

Inferred shape_of(const Pool& op, const Inputs& in) {
  const Shape& x = in[0]->shape;
  require(x.size() == 4, "two spatial dimensions are supported");
  Inferred out{
      {x[0], x[1], windows(x[2], op.window, 0, op.ceil), windows(x[3], op.window, 1, op.ceil)}};
  for (int a = 0; a < 2; ++a)
    require(op.window.pad_begin[a] < op.window.kernel[a] * op.window.dilation[a],
            "a window would see nothing but padding");
  return out;
}

Inferred shape_of(const MatMul&, const Inputs& in) {
  const Shape& a = in[0]->shape;
  const Shape& b = in[1]->shape;
  require(a.size() >= 2 && b.size() >= 2, "matrices need two dimensions");
  if (a.back() != b[b.size() - 2])
    refuse(to_string(a) + " times " + to_string(b) + " does not fit");
  Shape out = broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  out.push_back(a[a.size() - 2]);
  out.push_back(b.back());
  return {out};
}

std::size_t checked_axis(std::int64_t axis, const Shape& shape) {
  if (axis < 0 || axis >= static_cast<std::int64_t>(shape.size()))
    refuse("axis " + std::to_string(axis) + " of " + to_string(shape));
  return static_cast<std::size_t>(axis);
}

Inferred shape_of(const Softmax& op, const Inputs& in) {
  checked_axis(op.axis, in[0]->shape);
  return {in[0]->shape};
}

Inferred shape_of(const Resize& op, const Inputs& in) {
  Shape out = in[0]->shape;
  require(out.size() >= 2, "an image needs two dimensions");
  require(op.size[0] <= kMaximumSide && op.size[1] <= kMaximumSide, "the result is too large");
  out[out.size() - 2] = op.size[0];
  out[out.size() - 1] = op.size[1];
  return {out, in[0]->type};
}

Inferred shape_of(const Concat& op, const Inputs& in) {
  require(!in.empty(), "nothing to concatenate");
  Inferred out{in[0]->shape, in[0]->type};
  const std::size_t axis = checked_axis(op.axis, out.shape);
  out.shape[axis] = 0;
  for (const Value* v : in) {
    Shape same = v->shape;
    if (same.size() == out.shape.size()) same[axis] = out.shape[axis];
    if (same != out.shape)
      refuse(to_string(v->shape) + " does not continue " + to_string(in[0]->shape));
    out.shape[axis] += v->shape[axis];
    if (v->type == Type::real) out.type = Type::real;
  }
  return out;
}

Inferred shape_of(const Unary& op, const Inputs& in) {
  switch (op.activation.function) {
    case Function::truncate:
    case Function::is_true:
    case Function::logical_not:
      return {in[0]->shape, Type::integer};
    case Function::identity:
    case Function::negate:
    case Function::abs:
    case Function::relu:
    case Function::sign:
    case Function::clip:
      return {in[0]->shape, in[0]->type};
    default:
      return {in[0]->shape, Type::real};
  }
}

Inferred shape_of(const Binary& op, const Inputs& in) {
  const bool both = in[0]->type == Type::integer && in[1]->type == Type::integer;
  const bool logical = op.combine >= Combine::equal && op.combine <= Combine::logical_xor;
  return {broadcast(in[0]->shape, in[1]->shape), both || logical ? Type::integer : Type::real};
}

Inferred shape_of(const Where&, const Inputs& in) {
  return {broadcast(in[0]->shape, broadcast(in[1]->shape, in[2]->shape)), in[1]->type};
}

Inferred shape_of(const Reduce& op, const Inputs& in) {
  Shape out = in[0]->shape;
  require(op.reduced.size() == out.size(), "axes out of range");
  for (std::size_t d = 0; d < out.size(); ++d)
    if (op.reduced[d]) out[d] = 1;
  return {out, in[0]->type};
}

Inferred shape_of(const ArgMax& op, const Inputs& in) {
  Shape out = in[0]->shape;
  out[checked_axis(op.axis, out)] = 1;
  return {out, Type::integer};
}

Inferred shape_of(const Pad& op, const Inputs& in) {
  Shape out = in[0]->shape;
  require(op.begin.size() == out.size() && op.end.size() == out.size(), "pads of another rank");
  for (std::size_t d = 0; d < out.size(); ++d) {
    require(op.begin[d] >= 0 && op.end[d] >= 0 && op.begin[d] <= kMaximumElements &&
                op.end[d] <= kMaximumElements,
            "padding out of range");
    if (op.mode == Pad::Mode::reflect)
      require(op.begin[d] < out[d] && op.end[d] < out[d], "reflection past the other edge");
    out[d] += op.begin[d] + op.end[d];
  }
  return {out, in[0]->type};
}

Inferred shape_of(const Gather& op, const Inputs& in) {
  const Shape& x = in[0]->shape;
  const Shape& i = in[1]->shape;
  const auto axis = static_cast<std::int64_t>(checked_axis(op.axis, x));
  Shape out(x.begin(), x.begin() + axis);
  out.insert(out.end(), i.begin(), i.end());
  out.insert(out.end(), x.begin() + axis + 1, x.end());
  return {out, in[0]->type};
}

Inferred shape_of(const GatherElements& op, const Inputs& in) {
  const Shape& x = in[0]->shape;
  const Shape& i = in[1]->shape;
  checked_axis(op.axis, x);
  require(x.size() == i.size(), "indices of another rank");
  for (std::size_t d = 0; d < x.size(); ++d)
    require(static_cast<std::int64_t>(d) == op.axis || i[d] <= x[d], "more indices than elements");
  return {i, in[0]->type};
}

Inferred shape_of(const Copy&, const Inputs& in) {
  return {in[0]->shape, in[0]->type};
}

Inferred shape_of(const Reshape& op, const Inputs& in) {
  if (count(op.shape) != count(in[0]->shape))
    refuse(to_string(in[0]->shape) + " cannot become " + to_string(op.shape));
  return {op.shape, in[0]->type};
}

Inferred shape_of(const Transpose& op, const Inputs& in) {
  const Shape& x = in[0]->shape;
  require(op.permutation.size() == x.size(), "a permutation of another rank");
  Shape out;
  std::vector<bool> seen(x.size());
  for (const auto p : op.permutation) {
    const std::size_t axis = checked_axis(p, x);
    require(!seen[axis], "the permutation names an axis twice");
    seen[axis] = true;
    out.push_back(x[axis]);
  }
  return {out, in[0]->type};
}

Inferred shape_of(const Slice& op, const Inputs& in) {
  const Shape& x = in[0]->shape;
  require(op.start.size() == x.size() && op.step.size() == x.size() && op.size.size() == x.size(),
          "a slice of another rank");
  for (std::size_t d = 0; d < x.size(); ++d)
    if (op.start[d] < 0 || op.step[d] < 1 || op.size[d] < 1 ||
        op.start[d] + (op.size[d] - 1) * op.step[d] >= x[d])
      refuse("the slice of axis " + std::to_string(d) + " is empty or leaves " + to_string(x));
  return {op.size, in[0]->type};
}

Inferred shape_of(const Expand& op, const Inputs& in) {
  if (broadcast(in[0]->shape, op.shape) != op.shape)
    refuse(to_string(in[0]->shape) + " cannot expand to " + to_string(op.shape));
  return {op.shape, in[0]->type};
}

Inferred shape_of(const MaxPoolChain&, const Inputs& in) {
  return {in[0]->shape, in[0]->type};
}

Inferred shape_of(const Attention&, const Inputs& in) {
  return {in[2]->shape, in[2]->type};
}

Inferred shape_of(const DistanceBoxes&, const Inputs& in) {
  Shape out = in[0]->shape;
  out[1] = 4 + in[1]->shape[1];
  return {out, in[0]->type};
}

Inferred shape_of(const TopK& op, const Inputs& in) {
  Shape out = in[0]->shape;
  const std::size_t axis = checked_axis(op.axis, out);
  if (op.k < 1 || op.k > out[axis])
    refuse("k = " + std::to_string(op.k) + " of " + std::to_string(out[axis]));
  out[axis] = op.k;
  return {out, in[0]->type};
}

}  // namespace

std::vector<Inferred> infer(const Operation& operation, const std::vector<const Value*>& inputs) {
  std::vector<Inferred> outputs{
      std::visit([&](const auto& op) { return shape_of(op, inputs); }, operation)};
  if (std::holds_alternative<MaxPoolChain>(operation)) outputs.resize(3, outputs[0]);
  if (std::holds_alternative<TopK>(operation)) outputs.push_back({outputs[0].shape, Type::integer});
  for (const auto& o : outputs) {
    if (o.shape.size() > kMaximumRank)
      refuse("rank " + std::to_string(o.shape.size()) + "; the most is 8");
    std::int64_t elements = 1;
    for (const auto d : o.shape) {
      if (d < 0 || d > kMaximumElements) refuse("a size of " + std::to_string(d));
      elements *= d;
      if (elements > kMaximumElements) refuse(to_string(o.shape) + " is too large");
    }
  }
  return outputs;
}

}  // namespace gantry::compile
