// Compiles an ONNX model to a plan: the library behind `gantry compile`.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gantry::compile {

struct Options {
  std::filesystem::path model;   // *.onnx
  std::filesystem::path output;  // *.plan
  std::optional<std::int64_t> width,
      height;                         // --input-size; replaces the model's own, both or none
  std::optional<std::int64_t> batch;  // --batch; replaces the model's own
  std::string target = "cpu";         // device family: pipeline/plan/family.hpp
  bool keep_all_tensors = false;      // no two tensors share bytes: each can be read after a run
  bool fuse = true;  // false: one step per ONNX operator, to find where results part
};

struct LayerReport {
  std::string layer;    // ONNX node
  std::string tensor;   // what it makes; empty for a tensor of the compiler's own
  std::string shape;    // of what it makes
  std::string variant;  // family/kernel
  std::uint64_t macs = 0, bytes = 0;
  std::int64_t arena_bytes = 0;  // alive while it runs
};

struct Report {
  std::string model;
  std::vector<std::string> inputs, outputs;  // "name 1x3x640x640"
  std::vector<LayerReport> layers;
  std::uint64_t macs = 0;
  std::uint64_t weight_bytes = 0, arena_bytes = 0, plan_bytes = 0;
  // The table that --explain prints.
  std::string explain() const;
};

// Reads options.model and writes options.output (through OUTPUT.part). Throws std::runtime_error
// that names the file, the node, its operator and its input shapes, and what would be right;
// std::invalid_argument for options that make no sense. Writes nothing then.
Report compile_model(const Options& options);

// The same from and to memory; `name` stands for the file in errors.
std::vector<std::byte> compile_bytes(std::span<const std::byte> onnx, const std::string& name,
                                     const Options& options, Report* report = nullptr);

}  // namespace gantry::compile
