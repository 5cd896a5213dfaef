// Finds whole sub-graphs that a family has one kernel for: attention and the head of YOLOv8.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "firmware/compile/ir.hpp"

namespace gantry::compile {

// Puts Attention and DistanceBoxes where the graph computes them step by step; drops what is then
// unread. What is built otherwise stays as it is.
void recognise(Graph& graph);

}  // namespace gantry::compile
