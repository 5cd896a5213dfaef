// What kernels ask of where their operands lie.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <variant>

#include "firmware/compile/ir.hpp"
#include "firmware/compile/layout.hpp"

namespace gantry::compile {

template <typename... Operations>
bool is_any(const Node& node) {
  return (std::holds_alternative<Operations>(node.operation) || ...);
}

inline bool is_elementwise(const Node& node) {
  return is_any<Unary, Copy, Binary>(node);
}

// Strides and, but for `any`, the element. An image has its channels together and fp16 elements; all
// others are fp32.
enum class Demand { any, strided, plane, row, dense, image };

// Of all outputs, and of one input.
Demand output_demand(const Graph& graph, const Node& node, const Target& target);
Demand input_demand(const Graph& graph, const Node& node, const Target& target, std::size_t input);

// Whether a tensor of that shape may lie there; `half`: its elements are fp16.
bool satisfies(Demand demand, const Node& node, const Shape& s, const Placement& p, bool half);

// Where the channels of an image are: in the second dimension; of heads in the last but one.
std::size_t channel_axis(const Shape& shape, bool heads);

}  // namespace gantry::compile
