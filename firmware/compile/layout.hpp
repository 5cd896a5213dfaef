// Decides where every tensor lies: which buffer, from which element on, with which strides.
//
// Reshapes, transposes, slices and expansions become other strides over the same bytes, and what is
// concatenated is written where the joined tensor has it. Where that cannot be, a copy is added.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "firmware/compile/ir.hpp"
#include "pipeline/plan/plan.hpp"

namespace gantry::compile {

// One run of bytes that tensors share.
struct Root {
  Plan::Storage storage = Plan::Storage::arena;
  Plan::Element element = Plan::Element::f32;
  std::uint32_t buffer = 0;  // which input or output
  std::int64_t elements = 0;
  std::int64_t offset = 0;  // in elements; of arena and weights, set when they are laid out
};

struct Placement {
  int root = -1;  // -1: not placed (a weight that its convolution packs itself)
  std::int64_t offset = 0;
  Shape strides;
};

struct Layout {
  std::vector<Root> roots;
  std::vector<Placement> placements;  // per value of the graph
};

struct Target;

// Leaves only nodes that compute: views are gone, joins have become copies or nothing.
Layout lay_out(Graph& graph, const Target& target);

// Strides that show a strided tensor under another shape, where there are such.
std::optional<Shape> reshaped_strides(const Shape& shape, const Shape& strides, const Shape& to);

}  // namespace gantry::compile
