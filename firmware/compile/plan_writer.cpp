// The writing half of pipeline/plan/plan_format.hpp.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/plan_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "pipeline/plan/plan_format.hpp"

namespace gantry::compile {
namespace {

using namespace plan_format;

class Writer {
 public:
  Writer(const Graph& graph, const Program& program, const Target& target)
      : graph_(graph), program_(program) {
    std::memcpy(header_.magic, kMagic, sizeof kMagic);
    header_.version = kVersion;
    header_.header_bytes = sizeof header_;
    header_.arena_bytes = static_cast<std::uint64_t>(program.arena_bytes);
    header_.model_hash = graph.model_hash;
    header_.model_name = text(graph.model_name);
    header_.target = text(target.name);
    header_.input_count = static_cast<std::uint32_t>(program.inputs.size());
    header_.output_count = static_cast<std::uint32_t>(program.outputs.size());
  }

  std::vector<std::byte> write() {
    std::vector<MetadataRecord> metadata;
    for (const auto& [key, value] : graph_.metadata) metadata.push_back({text(key), text(value)});
    std::vector<TensorRecord> tensors;
    for (const auto& t : program_.tensors) tensors.push_back(record(t));
    std::vector<ArgumentRecord> arguments;
    std::vector<StepRecord> steps;
    for (const auto& s : program_.steps) steps.push_back(record(s, arguments));
    std::vector<std::uint32_t> io = program_.inputs;
    io.insert(io.end(), program_.outputs.begin(), program_.outputs.end());

    bytes_.resize(sizeof header_);
    header_.strings = section(strings_.data(), strings_.size(), 1);
    header_.metadata = section(metadata.data(), metadata.size(), sizeof(MetadataRecord));
    header_.tensors = section(tensors.data(), tensors.size(), sizeof(TensorRecord));
    header_.arguments = section(arguments.data(), arguments.size(), sizeof(ArgumentRecord));
    header_.steps = section(steps.data(), steps.size(), sizeof(StepRecord));
    header_.io = section(io.data(), io.size(), sizeof(std::uint32_t));
    header_.weights = section(program_.weights.data(), program_.weights.size(), 1);
    header_.file_bytes = bytes_.size();
    std::memcpy(bytes_.data(), &header_, sizeof header_);
    header_.checksum = file_checksum(bytes_);
    std::memcpy(bytes_.data(), &header_, sizeof header_);
    return std::move(bytes_);
  }

 private:
  Text text(const std::string& s) {
    const auto known = texts_.find(s);
    if (known != texts_.end()) return known->second;
    const Text t{static_cast<std::uint32_t>(strings_.size()), static_cast<std::uint32_t>(s.size())};
    strings_ += s;
    texts_[s] = t;
    return t;
  }

  TensorRecord record(const ProgramTensor& t) {
    const Root& root = program_.roots[static_cast<std::size_t>(t.root)];
    TensorRecord r{};
    r.name = text(t.name);
    r.storage = static_cast<std::uint32_t>(root.storage);
    r.element = static_cast<std::uint32_t>(t.element);
    r.buffer = root.buffer;
    r.rank = static_cast<std::uint32_t>(t.shape.size());
    r.offset = static_cast<std::uint64_t>(root.offset + t.offset);
    std::copy(t.shape.begin(), t.shape.end(), r.shape);
    std::copy(t.strides.begin(), t.strides.end(), r.strides);
    return r;
  }

  StepRecord record(const Plan::Step& s, std::vector<ArgumentRecord>& arguments) {
    StepRecord r{};
    r.layer = text(s.layer);
    r.family = text(s.family);
    r.options = text(s.options);
    r.kernel = text(s.kernel);
    std::copy(s.global.begin(), s.global.end(), r.global);
    std::copy(s.local.begin(), s.local.end(), r.local);
    r.macs = s.macs;
    r.bytes = s.bytes;
    r.dimensions = s.dimensions;
    r.first_argument = static_cast<std::uint32_t>(arguments.size());
    r.argument_count = static_cast<std::uint32_t>(s.arguments.size());
    for (const auto& a : s.arguments) {
      ArgumentRecord out{};
      out.kind = static_cast<std::uint32_t>(a.kind);
      if (a.kind == Plan::Argument::Kind::tensor)
        out.tensor = a.tensor;
      else if (a.kind == Plan::Argument::Kind::integer)
        out.integer = a.integer;
      else
        out.real = a.real;
      arguments.push_back(out);
    }
    return r;
  }

  Section section(const void* data, std::size_t count, std::size_t record_bytes) {
    const Section s{(bytes_.size() + kAlignment - 1) / kAlignment * kAlignment, count};
    bytes_.resize(s.offset + count * record_bytes);
    if (count) std::memcpy(bytes_.data() + s.offset, data, count * record_bytes);
    return s;
  }

  const Graph& graph_;
  const Program& program_;
  FileHeader header_{};
  std::string strings_;
  std::map<std::string, Text> texts_;
  std::vector<std::byte> bytes_;
};

void write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw std::runtime_error(std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) throw std::runtime_error(std::strerror(errno));
}

}  // namespace

std::vector<std::byte> plan_bytes(const Graph& graph, const Program& program,
                                  const Target& target) {
  return Writer(graph, program, target).write();
}

void write_whole(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const std::string partial = path.string() + ".part";
  const int fd = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) throw std::runtime_error(partial + ": " + std::strerror(errno));
  std::string cause;
  try {
    write_all(fd, bytes);
  } catch (const std::exception& e) {
    cause = e.what();
  }
  ::close(fd);
  std::error_code failed;
  if (cause.empty()) std::filesystem::rename(partial, path, failed);
  if (failed) cause = failed.message();
  if (cause.empty()) return;
  ::unlink(partial.c_str());
  throw std::runtime_error(path.string() + ": cannot be written: " + cause);
}

}  // namespace gantry::compile
