// What lowering makes of a laid-out graph: kernel launches over tensors, and the weights they read.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "firmware/compile/ir.hpp"
#include "firmware/compile/layout.hpp"
#include "pipeline/plan/plan.hpp"

namespace gantry::compile {

// A device family: how its kernels are compiled, and the tile sizes that its launches assume.
// Another family is another row here and, where its kernels differ, another file in kernels/.
struct Target {
  const char* name;
  const char* convolutions;  // family of the convolution kernels
  int vector;                // VEC
  int channels;              // CO: output channels of a convolution's tile
  int units;                 // UNITS: vectors of columns of a convolution's tile
  int chunk;                 // CHUNK: elements of an item of kernels/nn_elementwise.cl
  bool one_item_groups;      // a tile fills a core: work-groups of one item
  bool channels_last;        // images are fp16 with their channels together: kernels/nn_tensor.cl
};

// Throws std::invalid_argument that lists the names there are.
const Target& target_named(const std::string& name);

// Bytes of an element.
std::int64_t size_of(Plan::Element element);

struct ProgramTensor {
  std::string name;
  int root = -1;
  Plan::Element element = Plan::Element::f32;
  std::int64_t offset = 0;  // within the root, in elements
  Shape shape, strides;
};

struct Program {
  std::vector<Root> roots;
  std::vector<ProgramTensor> tensors;
  std::vector<Plan::Step> steps;
  std::vector<int> step_outputs;  // per step: the tensor it makes, for the table of layers
  std::vector<std::uint32_t> inputs, outputs;  // tensors
  std::vector<std::byte> weights;
  std::int64_t arena_bytes = 0;
};

// Throws std::runtime_error naming the layer that cannot be expressed.
Program lower(const Graph& graph, Layout layout, const Target& target);

// Places every root of the arena: roots whose lives do not meet may share bytes. With `keep_all`
// none do.
void lay_out_arena(Program& program, bool keep_all);

}  // namespace gantry::compile
