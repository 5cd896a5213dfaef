// The plan file, byte by byte: what the compiler writes and Plan::load reads.
//
//   FileHeader | strings | metadata | tensors | arguments | steps | io | weights
//
// Little-endian, sections at multiples of 64 bytes, strings without terminators. The checksum covers
// the whole file with the checksum field itself taken as zero.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace gantry::plan_format {

inline constexpr char kMagic[8] = {'G', 'A', 'N', 'T', 'R', 'Y', 'P', 'L'};
inline constexpr std::uint32_t kVersion = 3;
inline constexpr std::uint64_t kAlignment = 64;
inline constexpr std::uint32_t kMaximumRank = 8;
// Kernels address elements by int.
inline constexpr std::uint64_t kMaximumElements = 0x7fffffff;

struct Section {
  std::uint64_t offset = 0;  // bytes from the start of the file
  std::uint64_t count = 0;   // records; bytes for strings and weights
};

struct Text {
  std::uint32_t offset = 0;  // in the string section
  std::uint32_t length = 0;
};

struct FileHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t header_bytes;
  std::uint64_t file_bytes;
  std::uint64_t checksum;
  std::uint64_t arena_bytes;
  std::uint64_t model_hash;
  Text model_name;
  Text target;
  std::uint32_t input_count;  // the first of the io section; outputs follow
  std::uint32_t output_count;
  Section strings, metadata, tensors, arguments, steps, io, weights;
};

struct MetadataRecord {
  Text key, value;
};

struct TensorRecord {
  Text name;
  std::uint32_t storage;
  std::uint32_t element;
  std::uint32_t buffer;
  std::uint32_t rank;
  std::uint64_t offset;
  std::int64_t shape[kMaximumRank];
  std::int64_t strides[kMaximumRank];
};

struct ArgumentRecord {
  std::uint32_t kind;
  union {
    std::uint32_t tensor;
    std::int32_t integer;
    float real;
  };
};

struct StepRecord {
  Text layer, family, options, kernel;
  std::uint64_t global[3];
  std::uint64_t local[3];
  std::uint64_t macs, bytes;
  std::uint32_t dimensions;
  std::uint32_t first_argument;
  std::uint32_t argument_count;
  std::uint32_t reserved;
};

static_assert(sizeof(FileHeader) == 184 && std::is_trivially_copyable_v<FileHeader>);
static_assert(sizeof(MetadataRecord) == 16 && sizeof(ArgumentRecord) == 8);
static_assert(sizeof(TensorRecord) == 160 && sizeof(StepRecord) == 112);

// FNV-1a over 64-bit words, the last one filled with zeros: any changed word changes the sum.
inline std::uint64_t checksum(std::span<const std::byte> bytes,
                              std::uint64_t hash = 14695981039346656037ull) {
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    hash = (hash ^ word) * 1099511628211ull;
  }
  if (i < bytes.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, bytes.size() - i);
    hash = (hash ^ word) * 1099511628211ull;
  }
  return hash;
}

// The sum of a whole file whose header is valid in size.
inline std::uint64_t file_checksum(std::span<const std::byte> file) {
  constexpr std::size_t field = offsetof(FileHeader, checksum);
  const std::uint64_t hash = checksum(file.first(field));
  return checksum(file.subspan(field + sizeof(std::uint64_t)), hash);
}

}  // namespace gantry::plan_format
