// Proves that a step stays inside of its buffers whatever the plan file says.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "pipeline/plan/plan.hpp"

namespace gantry {

// Throws std::invalid_argument that says what is wrong: a kernel that is not known, options other
// than -DNAME and -DNAME=NUMBER, arguments of another number or kind, or any that would have the kernel touch
// what is not its own. Assumes that the plan's tensors lie inside of their storage.
void check_step(const Plan& plan, const Plan::Step& step);

}  // namespace gantry
