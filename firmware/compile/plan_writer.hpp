// Writes a lowered program as a plan file.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "firmware/compile/program.hpp"

namespace gantry::compile {

std::vector<std::byte> plan_bytes(const Graph& graph, const Program& program, const Target& target);

// Writes PATH.part, then renames it; throws std::runtime_error and leaves nothing behind.
void write_whole(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace gantry::compile
