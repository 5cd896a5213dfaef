// The compiler's graph: values with known shapes, and nodes of a small canonical operator set.
//
// Importing turns every ONNX operator into these; constants are folded on the way, so that a node
// always computes something at run time.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gantry::compile {

using Shape = std::vector<std::int64_t>;

// Tensors are fp32 at run time whatever their ONNX type; `integer` (all integer types and booleans)
// matters to folding, to division and to casts. Run-time integers are exact up to 2^24.
enum class Type { real, integer };

struct Constant {
  Shape shape;
  Type type = Type::real;
  std::vector<float> reals;            // either this …
  std::vector<std::int64_t> integers;  // … or this holds the values, row-major
  std::size_t count() const { return type == Type::real ? reals.size() : integers.size(); }
  double at(std::size_t i) const {
    return type == Type::real ? static_cast<double>(reals[i]) : static_cast<double>(integers[i]);
  }
};

// The numbers are those of kernels/nn_math.clh.
enum class Function : int {
  identity = 0,
  relu,
  leaky_relu,  // x < 0 ? alpha x : x
  sigmoid,
  silu,          // x sigmoid(x)
  hard_sigmoid,  // clamp(alpha x + beta, 0, 1)
  hard_swish,    // x clamp(alpha x + beta, 0, 1)
  clip,          // alpha … beta
  tanh,
  mish,  // x tanh(softplus(x))
  exp,
  log,
  sqrt,
  negate,
  abs,
  erf,
  floor,
  ceil,
  round,  // half to even
  reciprocal,
  elu,  // x < 0 ? alpha (exp(x) - 1) : x
  softplus,
  truncate,  // casts to integers
  is_true,   // casts to booleans: x != 0
  logical_not,
  sin,
  cos,
  sign,
};

// The numbers are those of kernels/nn_elementwise.cl.
enum class Combine : int {
  add = 0,
  subtract,
  multiply,
  divide,
  divide_integer,  // towards zero
  power,
  minimum,
  maximum,
  modulo,     // sign of the divisor
  remainder,  // sign of the dividend
  equal,
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  logical_and,
  logical_or,
  logical_xor,
  prelu,  // a < 0 ? a b : a
};

enum class Reduction : int {
  sum = 0,
  mean,
  maximum,
  minimum,
  product,
  square_sum,
  norm,
  absolute_sum
};

struct Activation {
  Function function = Function::identity;
  float alpha = 0, beta = 0;
};

// Two spatial dimensions: y, then x. One-dimensional operators have height 1.
struct Window {
  std::int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1};
  std::int64_t pad_begin[2] = {0, 0}, pad_end[2] = {0, 0};
};

// Inputs x, weights (constant, [out, in/group, kh, kw]), bias (constant or absent), then residual
// (or absent), which has the output's shape or, enlarged, half its rows and columns.
struct Conv {
  Window window;
  std::int64_t group = 1;
  Activation activation;
  bool residual_first = false;     // activation(conv + residual); else activation(conv) + residual
  bool residual_enlarged = false;  // each of its pixels is added to a square of four
};
// Weights [in, out/group, kh, kw]. pad_begin and pad_end are those of the forward convolution.
struct ConvTranspose {
  Window window;
  std::int64_t group = 1;
  Activation activation;
};
struct Pool {
  Window window;
  bool average = false;
  bool count_padding = false;  // averages divide by the padded window
  bool ceil = false;           // the last window may hang over the end
};
// Three max pools of 5x5 without stride, each over the one before: the largest of 5x5, 9x9 and 13x13.
// An output each, all of the input's shape.
struct MaxPoolChain {};
struct MatMul {};  // [batch…, m, k] × [batch…, k, n], batches broadcast, rank 2 or more
struct Softmax {
  std::int64_t axis = 0;
  bool log = false;
};
struct Resize {
  // The names of the ONNX attributes; `simple` is that of opset 10: down where it grows, else up.
  enum class Coordinates {
    half_pixel,
    pytorch_half_pixel,
    align_corners,
    asymmetric,
    tf_half_pixel_for_nn,
    half_pixel_symmetric
  };
  enum class Rounding { round_prefer_floor, round_prefer_ceil, floor, ceil, simple };
  bool linear = false;
  Coordinates coordinates = Coordinates::half_pixel;
  Rounding rounding = Rounding::round_prefer_floor;
  std::int64_t size[2] = {0, 0};  // of the output: y, x
  float scale[2] = {1, 1};        // output over input
  // Of the sum with a second input, where add_while_enlarging() found one: an image like the output.
  Activation activation;
};
struct Concat {
  std::int64_t axis = 0;
};
struct Unary {
  Activation activation;
};
struct Binary {
  Combine combine = Combine::add;
};
struct Where {};
struct Reduce {
  Reduction reduction = Reduction::sum;
  std::vector<bool> reduced;  // per input dimension; the output keeps them with size 1
};
struct ArgMax {
  std::int64_t axis = 0;
  bool minimum = false, last = false;
};
struct Pad {
  enum class Mode : int { constant = 0, reflect, edge };
  Mode mode = Mode::constant;
  std::vector<std::int64_t> begin, end;  // per dimension, 0 or more
  float value = 0;
};
// Indices broadcast nothing: out[a…, i…, b…] = x[a…, indices[i…], b…].
struct Gather {
  std::int64_t axis = 0;
};
struct GatherElements {
  std::int64_t axis = 0;
};
struct TopK {
  std::int64_t axis = 0;
  std::int64_t k = 1;
  bool largest = true;
};
struct Copy {};  // the same values in dense order

// Whole sub-graphs that recognise() found; only families with a kernel for them meet these.
// Inputs q, k [batch, heads, depth, tokens] and v [batch, heads, channels, tokens]; the output is like
// v: softmax over the keys of scale q k, times v.
struct Attention {
  float scale = 1;
};
// The head of YOLOv8 and its successors. Inputs: distances' bins [batch, 4 x 16, anchors]; scores
// [batch, classes, anchors]; anchors (constant [2, anchors]); strides (constant [anchors]). Output [batch, 4 + classes, anchors]: centre, size, sigmoid of the scores.
struct DistanceBoxes {};

// Views: no work where the layout can carry them.
struct Reshape {
  Shape shape;
};
struct Transpose {
  std::vector<std::int64_t> permutation;
};
struct Slice {
  std::vector<std::int64_t> start, step, size;
};  // per dimension; steps of 1 or more
struct Expand {
  Shape shape;
};

using Operation =
    std::variant<Conv, ConvTranspose, Pool, MaxPoolChain, MatMul, Softmax, Resize, Concat, Unary,
                 Binary, Where, Reduce, ArgMax, Pad, Gather, GatherElements, TopK, Copy, Attention,
                 DistanceBoxes, Reshape, Transpose, Slice, Expand>;

inline constexpr int kAbsent = -1;

struct Value {
  std::string name;
  Shape shape;
  Type type = Type::real;
  std::shared_ptr<const Constant> constant;  // null: known at run time only
};

struct Node {
  std::string layer;  // name of the ONNX node
  Operation operation;
  std::vector<int> inputs;  // values; kAbsent for an optional input left out
  std::vector<int> outputs;
};

struct Graph {
  std::string model_name;
  std::uint64_t model_hash = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<Value> values;
  std::vector<Node> nodes;  // in an order in which each can run
  std::vector<int> inputs, outputs;
  std::vector<std::string> output_names;  // of the model: an output may be a renamed value
};

// Product; 1 for a scalar. Shapes in a graph are bounded: no overflow.
std::int64_t count(const Shape& shape);
std::string to_string(const Shape& shape);
const char* name_of(const Operation& operation);
Shape dense_strides(const Shape& shape);
// ONNX (numpy) broadcasting; throws std::invalid_argument where the shapes do not fit.
Shape broadcast(const Shape& a, const Shape& b);

}  // namespace gantry::compile
