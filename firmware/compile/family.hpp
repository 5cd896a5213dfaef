// What the kernels of a device family can do: which nodes run on channels-last fp16 tensors.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "firmware/compile/ir.hpp"
#include "firmware/compile/program.hpp"

namespace gantry::compile {

// Always false for families that have no channels-last kernels. What answers false runs on fp32
// tensors of the ONNX order, with copies in between.
bool runs_channels_last(const Graph& graph, const Node& node, const Target& target);

}  // namespace gantry::compile
