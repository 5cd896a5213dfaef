// What each kernel touches, argument by argument: the loops of kernels/nn_*.cl as bounds.
//
// Each takes all of a step's arguments and throws std::invalid_argument where they lead out of what
// they name. A kernel that bounds its own item (`items`, a remainder by a size) needs no bound of its
// launch.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "pipeline/plan/step_arguments.hpp"

namespace gantry::step_checks {

using Arguments = StepArguments;
using Operand = StepArguments::Operand;

inline constexpr std::int64_t kChunk = 256;        // of the kernels
inline constexpr std::int64_t kPadding = 1 << 24;  // far from overflow when it is added

// Chunks of the first dimension are counted in ints.
inline void check_chunks(const Arguments& a) {
  bounded_product({a.items(0), a.option("CHUNK", kChunk)});
}

// Tensors of any rank: step_checks_tensors.cpp.
void unary(Arguments& a);
void turn(Arguments& a);
void binary(Arguments& a);
void where(Arguments& a);
void pad(Arguments& a);
void gather(Arguments& a);
void gather_elements(Arguments& a);
void matmul(Arguments& a);
void reduce(Arguments& a);
void arg_extreme(Arguments& a);
void softmax(Arguments& a);
void softmax_rows(Arguments& a);
void softmax_columns(Arguments& a);
void top_k(Arguments& a);

// Images in planes: step_checks_planes.cpp.
void prepare(Arguments& a);
void conv(Arguments& a);
void conv_depthwise(Arguments& a);
void conv_transpose(Arguments& a);
void max_pool(Arguments& a);
void average_pool(Arguments& a);
void max_pool_chain(Arguments& a);
void resize_nearest(Arguments& a);
void resize_linear(Arguments& a);

}  // namespace gantry::step_checks
