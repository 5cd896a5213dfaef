// Reads an ONNX file into the canonical graph.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "firmware/compile/ir.hpp"

namespace gantry::compile {

struct ImportOptions {
  std::optional<std::int64_t> width, height, batch;  // replace the model's own sizes
};

// Throws std::runtime_error that names the file, and the node with its operator and input shapes,
// and says what would be right. Memory is bounded by a small multiple of the file's size.
Graph import_onnx(std::span<const std::byte> file, const std::string& name,
                  const ImportOptions& options);

}  // namespace gantry::compile
