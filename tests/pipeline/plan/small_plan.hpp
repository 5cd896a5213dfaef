// A plan of one step, written by hand: y = -x over eight numbers.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include "pipeline/plan/plan_format.hpp"

namespace gantry::plan_test {

// The whole file with room to change any record before it is sealed.
struct SmallPlan {
  struct Layout {  // NOLINT(clang-analyzer-optin.performance.Padding): that of the file
    plan_format::FileHeader header;
    alignas(64) char strings[64];
    alignas(64) plan_format::MetadataRecord metadata[1];
    alignas(64) plan_format::TensorRecord tensors[4];
    alignas(64) plan_format::ArgumentRecord arguments[7];
    alignas(64) plan_format::StepRecord steps[1];
    alignas(64) std::uint32_t io[2];
    alignas(64) std::int32_t weights[16];
  };
  Layout file{};

  // `target`: cpu or gpu.
  explicit SmallPlan(const std::string& target = "cpu") {
    using namespace plan_format;
    const std::string text = "xynn_elementwiseunary-DVEC=16negate" + target + "names{}";
    std::memcpy(file.strings, text.data(), text.size());
    auto& h = file.header;
    std::memcpy(h.magic, kMagic, sizeof kMagic);
    h.version = kVersion;
    h.header_bytes = sizeof(FileHeader);
    h.file_bytes = sizeof(Layout);
    h.model_name = {29, 6};
    h.target = {35, 3};
    h.input_count = h.output_count = 1;
    h.arena_bytes = 256;
    h.strings = {offsetof(Layout, strings), text.size()};
    h.metadata = {offsetof(Layout, metadata), 1};
    h.tensors = {offsetof(Layout, tensors), 4};
    h.arguments = {offsetof(Layout, arguments), 7};
    h.steps = {offsetof(Layout, steps), 1};
    h.io = {offsetof(Layout, io), 2};
    h.weights = {offsetof(Layout, weights), sizeof file.weights};
    file.metadata[0] = {{38, 5}, {43, 2}};
    file.tensors[0] = tensor({0, 1}, 2, 0, 8);  // x: input
    file.tensors[1] = tensor({1, 1}, 3, 0, 8);  // y: output
    file.tensors[2] = tensor({0, 0}, 1, 2, 3);  // the table: size and strides, integers
    file.tensors[3] = tensor({0, 0}, 2, 0, 3);  // a view of x that no step reads
    const std::int32_t table[] = {8, 1, 1};
    std::memcpy(file.weights, table, sizeof table);
    for (std::uint32_t i = 0; i < 3; ++i) file.arguments[i] = argument(0, i);
    file.arguments[3] = argument(1, 1);   // rank
    file.arguments[4] = argument(1, 13);  // negate
    file.arguments[5] = file.arguments[6] = argument(2, 0);
    auto& s = file.steps[0];
    s.family = {2, 14};
    s.kernel = {16, 5};
    s.options = {21, 8};
    s.layer = {29, 6};
    s.dimensions = 2;
    for (auto& g : s.global) g = 1;
    s.argument_count = 7;
    file.io[0] = 0;
    file.io[1] = 1;
  }

  static plan_format::TensorRecord tensor(plan_format::Text name, std::uint32_t storage,
                                          std::uint32_t element, std::int64_t size) {
    plan_format::TensorRecord t{};
    t.name = name;
    t.storage = storage;
    t.element = element;
    t.rank = 1;
    t.shape[0] = size;
    t.strides[0] = 1;
    return t;
  }
  static plan_format::ArgumentRecord argument(std::uint32_t kind, std::uint32_t value) {
    plan_format::ArgumentRecord a{};
    a.kind = kind;
    a.tensor = value;
    return a;
  }

  // Bytes with a right checksum.
  std::vector<std::byte> seal() {
    std::vector<std::byte> bytes(sizeof file);
    std::memcpy(bytes.data(), &file, sizeof file);
    file.header.checksum = plan_format::file_checksum(bytes);
    std::memcpy(bytes.data(), &file, sizeof file);
    return bytes;
  }
};

}  // namespace gantry::plan_test
