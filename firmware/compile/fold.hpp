// Evaluates operations whose inputs are all constants.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

#include "firmware/compile/infer.hpp"
#include "firmware/compile/ir.hpp"

namespace gantry::compile {

// Scalar definitions; the kernels compute the same.
double apply(const Activation& activation, double x);
double combine(Combine combine, double a, double b);

// The nearest integer; NaN gives 0.
std::int64_t saturated(double value);

// The result, or nothing where the operation is left to run time: a heavy one, or one that makes more
// than kFoldLimit elements of fewer.
inline constexpr std::int64_t kFoldLimit = std::int64_t{1} << 22;
std::optional<Constant> fold(const Operation& operation, const std::vector<const Value*>& inputs,
                             const Inferred& result);

}  // namespace gantry::compile
