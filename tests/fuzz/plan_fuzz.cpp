// Fuzzes the reader of plan files, as they are and with the checksum put right.
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "pipeline/plan/plan.hpp"
#include "pipeline/plan/plan_format.hpp"

namespace {

void read(const std::vector<std::byte>& bytes) {
  try {
    const auto plan = gantry::Plan::from_bytes(bytes);
    for (const auto& t : plan.tensors()) {
      if (t.storage != gantry::Plan::Storage::weights) continue;
      const std::uint64_t end = t.offset + t.extent();
      if (end * (t.element == gantry::Plan::Element::f16 ? 2 : 4) > plan.weights().size())
        __builtin_trap();
    }
  } catch (const std::runtime_error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace format = gantry::plan_format;
  std::vector<std::byte> bytes(size);
  if (size) std::memcpy(bytes.data(), data, size);
  read(bytes);
  if (size < sizeof(format::FileHeader)) return 0;
  format::FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::memcpy(header.magic, format::kMagic, sizeof header.magic);
  header.version = format::kVersion;
  header.header_bytes = sizeof header;
  header.file_bytes = size;
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = format::file_checksum(bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  read(bytes);
  return 0;
}
