// Finds whole sub-graphs that a family has one kernel for: attention, the head of YOLOv8, and
// sums with an enlarged image.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "firmware/compile/ir.hpp"

namespace gantry::compile {

// Puts Attention, DistanceBoxes and Resize with a second input where the graph computes them step by
// step; drops what is then unread. What is built otherwise stays as it is.
void recognise(Graph& graph);

}  // namespace gantry::compile
