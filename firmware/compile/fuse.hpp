// Rewrites the graph into fewer, larger operations with the same results.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "firmware/compile/ir.hpp"

namespace gantry::compile {

// Recognises activations that exports write out (x sigmoid(x), x hard_sigmoid(x), x tanh(softplus(x))),
// folds per-channel factors and offsets into convolutions, and moves activations and residual
// additions into the convolution that makes their input.
void fuse(Graph& graph);

// Drops nodes whose results nothing reads.
void drop_unused(Graph& graph);

}  // namespace gantry::compile
