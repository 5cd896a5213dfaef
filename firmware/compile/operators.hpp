// What an ONNX operator's conversion sees: its attributes, its inputs, and the builder.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <onnx/onnx_pb.h>

#include "firmware/compile/builder.hpp"

namespace gantry::compile {

class OperatorCall {
 public:
  OperatorCall(Builder& b, const onnx::NodeProto& proto, std::int64_t version,
               std::vector<int> operands)
      : builder(b), node(proto), opset(version), inputs(std::move(operands)) {}

  Builder& builder;
  const onnx::NodeProto& node;
  const std::int64_t opset;
  const std::vector<int> inputs;  // values; kAbsent for ones left out
  std::vector<int> outputs;       // in the order of the ONNX node; set by the conversion

  // Attributes; a wrong type throws like every misfit: std::invalid_argument.
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  float real(std::string_view name, float otherwise) const;
  std::string text(std::string_view name, const std::string& otherwise) const;
  std::vector<std::int64_t> integers(std::string_view name) const;  // empty where absent
  std::vector<float> reals(std::string_view name) const;
  const onnx::TensorProto* tensor(std::string_view name) const;

  int input(std::size_t i) const;     // throws where it is left out
  int optional(std::size_t i) const;  // kAbsent where it is left out
  const Shape& shape(std::size_t i) const { return builder.shape(input(i)); }
  std::int64_t rank(std::size_t i) const { return static_cast<std::int64_t>(shape(i).size()); }
  // A constant input's values; nothing where it is left out. Throws where it is known only at run
  // time: plans are static.
  std::optional<std::vector<std::int64_t>> constant_integers(std::size_t i) const;
  std::optional<std::vector<float>> constant_reals(std::size_t i) const;
  // From the attribute (older opsets) or the constant input (newer ones).
  std::optional<std::vector<std::int64_t>> integers_of(std::string_view attribute,
                                                       std::size_t i) const;
  // Whether picking from this axis of the first input picks from a batch that was exchanged.
  bool cuts_batch(std::size_t axis) const {
    return builder.own_batch && axis == 0 && !builder.constant(input(0)) &&
           shape(0)[0] == builder.batch;
  }
  // 0 … rank-1; throws where it is out of range.
  std::size_t axis(std::int64_t raw, std::int64_t rank) const;

  void give(int value) { outputs.push_back(value); }

 private:
  const onnx::AttributeProto* find(std::string_view name) const;
  const Constant* constant_input(std::size_t i) const;
};

using Convert = void (*)(OperatorCall&);
using OperatorTable = std::map<std::string, Convert, std::less<>>;

void add_network_operators(OperatorTable& table);  // convolutions, pools, resize, matrices
void add_math_operators(OperatorTable& table);     // element by element, reductions, order
void add_shape_operators(OperatorTable& table);    // views, joins, constants
void add_index_operators(OperatorTable& table);    // gathers and scatters
void add_normalisations(OperatorTable& table);
void add_einsum(OperatorTable& table);

// Throws std::invalid_argument: unsupported type, external data, or a size that does not match.
Constant read_tensor(const onnx::TensorProto& tensor);

}  // namespace gantry::compile
