// Shapes of what an operation computes.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "firmware/compile/ir.hpp"

namespace gantry::compile {

struct Inferred {
  Shape shape;
  Type type = Type::real;
};

// The largest tensor: kernels address elements by int.
inline constexpr std::int64_t kMaximumElements = 0x7fffffff;
inline constexpr std::size_t kMaximumRank = 8;
// Integers are floats at run time: those up to here are exact, so that they can be indices.
inline constexpr std::int64_t kExactIntegers = std::int64_t{1} << 24;

// One entry per output. Throws std::invalid_argument that says what does not fit.
std::vector<Inferred> infer(const Operation& operation, const std::vector<const Value*>& inputs);

}  // namespace gantry::compile
