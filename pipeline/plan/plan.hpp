// A compiled network: its tensors, its kernel launches and its weights, read from a plan file.
//
// A plan is made by `gantry compile` for one device family and holds no code: each step names a
// kernel of a family that the binary carries. Everything in a Plan has been validated, down to what
// each kernel would touch with the arguments it is given; a Plan is immutable and may be read by any
// thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gantry {

class Plan {
 public:
  // Where a tensor lives. Several tensors may share bytes: a view, or one after the other's life.
  enum class Storage : std::uint32_t { arena, weights, input, output };
  enum class Element : std::uint32_t { f32, f16, i32 };

  struct Tensor {
    std::string name;  // the ONNX name
    Storage storage = Storage::arena;
    Element element = Element::f32;
    std::uint32_t buffer = 0;           // which input or output; 0 for arena and weights
    std::uint64_t offset = 0;           // in elements, from the start of its storage
    std::vector<std::int64_t> shape;    // ONNX order of dimensions (NCHW); rank 0 … 8
    std::vector<std::int64_t> strides;  // in elements, 0 or more
    std::int64_t count() const;         // product of the shape
    // Elements from the first to one past the last that the strides reach.
    std::uint64_t extent() const;
  };

  struct Argument {
    // A tensor becomes two kernel arguments: its storage's buffer and an int offset in elements.
    enum class Kind : std::uint32_t { tensor, integer, real };
    Kind kind = Kind::integer;
    std::uint32_t tensor = 0;
    std::int32_t integer = 0;
    float real = 0;
  };

  struct Step {
    std::string layer;    // the ONNX node(s) it computes
    std::string family;   // kernels/<family>.cl
    std::string options;  // of the OpenCL compiler: the variant
    std::string kernel;
    std::uint32_t dimensions = 1;
    std::array<std::uint64_t, 3> global{1, 1, 1};
    std::array<std::uint64_t, 3> local{0, 0, 0};  // zeros: the driver's choice
    std::vector<Argument> arguments;
    std::uint64_t macs = 0;   // multiply-accumulates
    std::uint64_t bytes = 0;  // read and written at least, weights included
  };

  struct Metadata {
    std::string key, value;  // the ONNX metadata_props, for example "names", "stride", "task"
  };

  // Maps the file read-only. Both throw std::runtime_error naming the file and what is wrong with
  // it: not a plan, another version, cut short, damaged, a field out of range.
  static Plan load(const std::filesystem::path& path);
  // Copies the bytes. `name` stands for the file in errors.
  static Plan from_bytes(std::span<const std::byte> bytes, const std::string& name = "plan");

  const std::string& name() const { return name_; }              // the file's, for messages
  const std::string& model_name() const { return model_name_; }  // the ONNX file's stem
  std::uint64_t model_hash() const { return model_hash_; }       // of the ONNX file's bytes
  // The device family that it was compiled for; see family.hpp.
  const std::string& target() const { return target_; }
  const std::vector<Metadata>& metadata() const { return metadata_; }
  // The value of a metadata key; empty where the model has none.
  std::string_view metadata(std::string_view key) const;

  const std::vector<Tensor>& tensors() const { return tensors_; }
  const std::vector<Step>& steps() const { return steps_; }
  // Indices of tensors, in the model's order: fp32 or fp16, with the strides that the family wants,
  // offset 0.
  const std::vector<std::uint32_t>& inputs() const { return inputs_; }
  const std::vector<std::uint32_t>& outputs() const { return outputs_; }
  std::uint64_t arena_bytes() const { return arena_bytes_; }
  // Lives as long as the plan or a copy of it.
  std::span<const std::byte> weights() const { return weights_; }

 private:
  friend class PlanParser;
  Plan() = default;
  std::string name_, model_name_, target_;
  std::uint64_t model_hash_ = 0, arena_bytes_ = 0;
  std::vector<Metadata> metadata_;
  std::vector<Tensor> tensors_;
  std::vector<Step> steps_;
  std::vector<std::uint32_t> inputs_, outputs_;
  std::span<const std::byte> weights_;
  std::shared_ptr<const void> storage_;  // the mapping or the copy that weights_ points into
};

}  // namespace gantry
