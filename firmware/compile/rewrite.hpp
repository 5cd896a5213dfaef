// Rewrites of what detectors have between backbone and heads, into operations that all families have
// kernels for.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "firmware/compile/ir.hpp"

namespace gantry::compile {

// Three max pools of 5x5 in a chain become one MaxPoolChain, whoever reads them.
void chain_pools(Graph& graph);

// Where 1x1 convolutions are all that reads a join with an image that was enlarged twice by nearest
// neighbours, the image's part of each is computed before it is enlarged: a quarter of the work, and
// neither the large image nor its place in the join is ever written.
void convolve_before_enlarging(Graph& graph);

// An image that is enlarged by nearest neighbours and added to another, and the function of the sum,
// become one Resize with two inputs.
void add_while_enlarging(Graph& graph);

}  // namespace gantry::compile
