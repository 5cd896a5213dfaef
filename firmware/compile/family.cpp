// Shapes and functions that kernels/nn_tensor.cl and kernels/nn_channels.cl are made for.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/family.hpp"

#include <algorithm>

namespace gantry::compile {
namespace {

constexpr std::int64_t kLargestKernel = 16;  // bits of a Row in kernels/nn_tensor.cl

struct Able {
  const Graph& graph;
  const Node& node;

  const Shape& shape(int v) const { return graph.values[static_cast<std::size_t>(v)].shape; }
  const Shape& input(std::size_t i) const { return shape(node.inputs[i]); }

  static bool knows(const Activation& a) { return a.function <= Function::mish; }

  bool operator()(const Conv& op) const {
    const std::int64_t inputs = input(0)[1], outputs = shape(node.outputs[0])[1];
    if (!knows(op.activation) || op.window.kernel[0] > kLargestKernel ||
        op.window.kernel[1] > kLargestKernel)
      return false;
    const bool residual = node.inputs[3] != kAbsent;
    if (residual && outputs % 8) return false;
    if (op.group == 1) {
      const bool is_input = std::ranges::find(graph.inputs, node.inputs[0]) != graph.inputs.end();
      const bool picture =
          is_input && inputs <= 4 && op.window.kernel[1] <= 4 && op.window.dilation[1] == 1;
      return inputs % 8 == 0 || picture;
    }
    return op.group == inputs && outputs == inputs && inputs % 8 == 0 &&
           op.window.dilation[1] == 1 && op.window.kernel[1] <= 7;
  }
  bool operator()(const Pool& op) const { return !op.average && input(0)[1] % 8 == 0; }
  bool operator()(const MaxPoolChain&) const {
    return input(0).size() == 4 && input(0)[1] % 8 == 0;
  }
  bool operator()(const Resize& op) const {
    return !op.linear && input(0).size() == 4 && input(0)[1] % 8 == 0;
  }
  bool operator()(const Attention&) const { return true; }
  bool operator()(const DistanceBoxes&) const { return true; }
  template <typename Other>
  bool operator()(const Other&) const {
    return false;
  }
};

}  // namespace

bool runs_channels_last(const Graph& graph, const Node& node, const Target& target) {
  return target.channels_last && std::visit(Able{graph, node}, node.operation);
}

}  // namespace gantry::compile
