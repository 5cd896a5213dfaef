// Device families: which devices run plans that were compiled for which target.
//
//   cpu     wide vectors over fp32 planes; CPUs
//   gpu     the same with short vectors; GPUs of any maker
//   nvidia  channels-last fp16, fp32 sums, tensor cores; NVIDIA GPUs from Ampere on
//
// A family is a row here, a row of `kTargets` in firmware/compile/lower.cpp and, where its kernels
// differ, files in kernels/.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "hal/gpu/gpu.hpp"

namespace gantry {

// Why a device does not run plans of this target, and what would be right; empty where it does.
std::string why_foreign(const gpu::Info& device, const std::string& target);

// The family that suits a device best.
std::string best_target(const gpu::Info& device);

}  // namespace gantry
