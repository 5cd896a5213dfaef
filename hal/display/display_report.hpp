// What displays this machine has and which door each opens, in lines for `gantry doctor`.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace gantry {

// Empty where there is none. Takes no screen and changes nothing.
std::vector<std::string> describe_displays();

}  // namespace gantry
