// The OpenCL C sources that the binary carries, by kernel family.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>

namespace gantry::kernels {

// Text of kernels/<family>.cl with its includes resolved; empty where no such family exists.
// Any thread. The text lives as long as the program.
std::string_view source(std::string_view family);

}  // namespace gantry::kernels
