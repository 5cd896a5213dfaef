// Shared by the lowering of single operations: tensors, tables, weights and steps of the program.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "firmware/compile/family.hpp"
#include "firmware/compile/program.hpp"

namespace gantry::compile {

// A tensor as the kernels see it.
struct Operand {
  std::uint32_t tensor = 0;  // of the program
  Shape shape, strides;
};

// One kernel argument, in the order of the kernel's parameters (a tensor fills two of them).
struct KernelArgument {
  KernelArgument(const Operand& o)
      : value{Plan::Argument::Kind::tensor, o.tensor, 0, 0} {}             // NOLINT
  KernelArgument(std::int64_t i);                                          // NOLINT
  KernelArgument(int i) : KernelArgument(std::int64_t{i}) {}               // NOLINT
  KernelArgument(bool b) : KernelArgument(std::int64_t{b}) {}              // NOLINT
  KernelArgument(float r) : value{Plan::Argument::Kind::real, 0, 0, r} {}  // NOLINT
  Plan::Argument value;
};

class Lowering {
 public:
  Lowering(const Graph& graph, Layout layout, const Target& target);

  void lower(const Node& node);
  Program finish();

  const Target& target() const { return target_; }
  const Constant* constant(int v) const;
  const Shape& shape(int v) const { return graph_.values[static_cast<std::size_t>(v)].shape; }
  Operand operand(int value);
  Operand table(const std::vector<std::int64_t>& entries);  // of ints, in the weights
  Operand weights(const std::vector<float>& values);
  Operand half_weights(const std::vector<float>& values);
  Plan::Element element(const Operand& o) const;
  std::int64_t offset(const Operand& o) const;  // within its root, in elements
  // Whether the node runs on channels-last fp16 tensors.
  bool channels_last(const Node& node) const;
  Operand scratch(const Shape& dense_shape);  // in the arena, alive for the steps that name it

  // tiles: each item does a core's share of work. elements: an item for each element of the first
  // dimension, in groups of a fixed size (drivers that compile for each size would do so at every
  // layer); the kernel bounds the rounded-up count itself.
  // groups: work-groups of a fixed size; `global` counts them.
  enum class Items { tiles, elements, groups };
  struct Launch {
    const char* family;
    const char* kernel;
    std::vector<std::int64_t> global;
    Items items;
    std::uint64_t macs = 0;
    std::string options = {};             // more of the compiler's options
    std::array<std::int64_t, 3> local{};  // of groups
  };
  // `made`: the tensor that the step computes. Bytes are counted from the tensors it names.
  Plan::Step& step(const Launch& launch, const Operand& made,
                   const std::vector<KernelArgument>& arguments);

 private:
  std::uint32_t add_tensor(ProgramTensor t);
  void upload_constant(std::size_t value);
  std::int64_t append_weights(const void* data, std::size_t bytes);  // their place, in bytes
  int weights_root(const void* data, std::int64_t elements, Plan::Element element);

  const Graph& graph_;
  const Target& target_;
  std::vector<Placement> placements_;
  Program program_;
  std::string layer_;
  std::map<int, std::uint32_t> tensor_of_value_;
  std::map<std::vector<std::int64_t>, std::uint32_t> tables_;
};

// Dimensions of several operands over one index space, neighbours merged where every operand
// allows: entries of a strided kernel's table, and the loop that its launch needs.
struct Loops {
  std::int64_t rank = 0, inner = 1, outer = 1;
  std::vector<std::int64_t> table;  // sizes, then the strides of each operand
};
Loops merge_dimensions(const Shape& sizes, std::vector<Shape> strides);
// One per channel; zeros where the value is absent.
std::vector<float> bias_of(const Lowering& l, int value, std::int64_t channels);
// Input rows that output rows take, then input columns: a resize by nearest neighbours.
std::vector<std::int64_t> nearest_places(const Resize& op, const Shape& in, const Shape& out);
// Items that share `n` elements of an innermost dimension: kChunk of kernels/nn_window.cl each.
std::int64_t chunks(std::int64_t n);
// Strides of an operand that broadcasts to `to`.
Shape broadcast_strides(const Operand& operand, const Shape& to);

void lower_convolution(Lowering& l, const Node& node, const Conv& op);
void lower_convolution_transpose(Lowering& l, const Node& node, const ConvTranspose& op);
void lower_tensor_convolution(Lowering& l, const Node& node, const Conv& op);
void lower_channels_pool(Lowering& l, const Node& node, const Pool& op);
void lower_channels_pool_chain(Lowering& l, const Node& node);
void lower_channels_resize(Lowering& l, const Node& node, const Resize& op);
// A copy of tensors whose channels lie together in both; false where they do not.
bool lower_channels_copy(Lowering& l, const Operand& x, const Operand& y);
void lower_attention(Lowering& l, const Node& node, const Attention& op);
void lower_distance_boxes(Lowering& l, const Node& node);
void lower_pool(Lowering& l, const Node& node, const Pool& op);
void lower_pool_chain(Lowering& l, const Node& node);
void lower_resize(Lowering& l, const Node& node, const Resize& op);
void lower_matmul(Lowering& l, const Node& node);
void lower_softmax(Lowering& l, const Node& node, const Softmax& op);
void lower_reduce(Lowering& l, const Node& node, const Reduce& op);
void lower_arg_max(Lowering& l, const Node& node, const ArgMax& op);
void lower_top_k(Lowering& l, const Node& node, const TopK& op);
void lower_unary(Lowering& l, const Node& node, const Activation& activation);
void lower_binary(Lowering& l, const Node& node, const Binary& op);
void lower_where(Lowering& l, const Node& node);
void lower_pad(Lowering& l, const Node& node, const Pad& op);
void lower_gather(Lowering& l, const Node& node, const Gather& op);
void lower_gather_elements(Lowering& l, const Node& node, const GatherElements& op);

}  // namespace gantry::compile
