// Reads plan files and validates every field before anything uses it.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/plan.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/plan/plan_check.hpp"
#include "pipeline/plan/plan_format.hpp"

namespace gantry {

using namespace plan_format;

std::int64_t Plan::Tensor::count() const {
  std::int64_t n = 1;
  for (const auto d : shape) n *= d;
  return n;
}

std::uint64_t Plan::Tensor::extent() const {
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return 0;
    last += static_cast<std::uint64_t>(shape[i] - 1) * static_cast<std::uint64_t>(strides[i]);
  }
  return last + 1;
}

std::string_view Plan::metadata(std::string_view key) const {
  for (const auto& m : metadata_)
    if (m.key == key) return m.value;
  return {};
}

class PlanParser {
 public:
  PlanParser(std::span<const std::byte> file, std::string name) : file_(file) {
    plan_.name_ = std::move(name);
  }

  Plan parse(std::shared_ptr<const void> storage) {
    read_header();
    plan_.storage_ = std::move(storage);
    plan_.model_name_ = text(header_.model_name);
    plan_.target_ = text(header_.target);
    plan_.model_hash_ = header_.model_hash;
    plan_.arena_bytes_ = header_.arena_bytes;
    plan_.weights_ = file_.subspan(header_.weights.offset, header_.weights.count);
    for (std::uint64_t i = 0; i < header_.metadata.count; ++i) {
      const auto m = record<MetadataRecord>(header_.metadata, i);
      plan_.metadata_.push_back({text(m.key), text(m.value)});
    }
    read_tensors();
    read_steps();
    read_io();
    check_steps();
    return std::move(plan_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw std::runtime_error(plan_.name_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }

  void read_header() {
    if (file_.size() < sizeof kMagic || std::memcmp(file_.data(), kMagic, sizeof kMagic) != 0)
      fail("not a plan; make one with: gantry compile model.onnx -o model.plan");
    if (file_.size() < sizeof(FileHeader)) fail("cut short: {} bytes", file_.size());
    std::memcpy(&header_, file_.data(), sizeof header_);
    if (header_.version != kVersion)
      fail("plan version {}, this program reads version {}; compile the model again",
           header_.version, kVersion);
    if (header_.header_bytes != sizeof(FileHeader))
      fail("the header says that it has {} bytes", header_.header_bytes);
    if (header_.file_bytes != file_.size())
      fail("cut short or grown: {} bytes, the header says {}", file_.size(), header_.file_bytes);
    if (file_checksum(file_) != header_.checksum)
      fail("damaged: the checksum is wrong; compile the model again");
    check_section("strings", header_.strings, 1);
    check_section("metadata", header_.metadata, sizeof(MetadataRecord));
    check_section("tensors", header_.tensors, sizeof(TensorRecord));
    check_section("arguments", header_.arguments, sizeof(ArgumentRecord));
    check_section("steps", header_.steps, sizeof(StepRecord));
    check_section("inputs and outputs", header_.io, sizeof(std::uint32_t));
    check_section("weights", header_.weights, 1);
    if (header_.arena_bytes / sizeof(float) > kMaximumElements)
      fail("an arena of {} bytes is too large", header_.arena_bytes);
  }

  void check_section(const char* what, const Section& s, std::uint64_t record_bytes) const {
    if (s.offset % kAlignment || s.offset > file_.size() ||
        s.count > (file_.size() - s.offset) / record_bytes)
      fail("the section of {} lies outside of the file", what);
  }

  template <typename Record>
  Record record(const Section& s, std::uint64_t index) const {
    Record r;
    std::memcpy(&r, file_.data() + s.offset + index * sizeof(Record), sizeof r);
    return r;
  }

  std::string text(const Text& t) const {
    if (t.offset > header_.strings.count || t.length > header_.strings.count - t.offset)
      fail("a string lies outside of its section");
    const auto* start = reinterpret_cast<const char*>(file_.data() + header_.strings.offset);
    return {start + t.offset, t.length};
  }

  void read_tensors() {
    for (std::uint64_t i = 0; i < header_.tensors.count; ++i) {
      const auto r = record<TensorRecord>(header_.tensors, i);
      Plan::Tensor t;
      t.name = text(r.name);
      if (r.storage > static_cast<std::uint32_t>(Plan::Storage::output) ||
          r.element > static_cast<std::uint32_t>(Plan::Element::i32) || r.rank > kMaximumRank)
        fail("tensor {} ('{}') has an unknown storage, element type or rank", i, t.name);
      t.storage = static_cast<Plan::Storage>(r.storage);
      t.element = static_cast<Plan::Element>(r.element);
      t.buffer = r.buffer;
      t.offset = r.offset;
      t.shape.assign(r.shape, r.shape + r.rank);
      t.strides.assign(r.strides, r.strides + r.rank);
      check_extent(t);
      plan_.tensors_.push_back(std::move(t));
    }
  }

  // Guards extent() and the kernels' int offsets against overflow, then the storage's end.
  void check_extent(const Plan::Tensor& t) const {
    std::uint64_t count = 1, last = 0;
    for (std::size_t d = 0; d < t.shape.size(); ++d) {
      const auto size = static_cast<std::uint64_t>(t.shape[d]);
      const auto stride = static_cast<std::uint64_t>(t.strides[d]);
      if (size == 0 || size > kMaximumElements || stride > kMaximumElements)
        fail("tensor '{}' has a size or stride out of range", t.name);
      count *= size;
      last += (size - 1) * stride;
      if (count > kMaximumElements || last > kMaximumElements)
        fail("tensor '{}' is too large", t.name);
    }
    const std::uint64_t element_bytes = t.element == Plan::Element::f16 ? 2 : 4;
    std::uint64_t room = kMaximumElements;
    if (t.storage == Plan::Storage::arena) room = header_.arena_bytes / element_bytes;
    if (t.storage == Plan::Storage::weights) room = header_.weights.count / element_bytes;
    room = std::min(room, kMaximumElements);
    if (t.offset > room || last + 1 > room - t.offset)
      fail("tensor '{}' lies outside of its storage", t.name);
    const bool own_buffer = t.storage == Plan::Storage::input || t.storage == Plan::Storage::output;
    const std::uint32_t buffers =
        t.storage == Plan::Storage::input ? header_.input_count : header_.output_count;
    if (t.buffer >= (own_buffer ? buffers : 1u))
      fail("tensor '{}' names a buffer that does not exist", t.name);
  }

  void read_steps() {
    for (std::uint64_t i = 0; i < header_.steps.count; ++i) {
      const auto r = record<StepRecord>(header_.steps, i);
      Plan::Step s;
      s.layer = text(r.layer);
      s.family = text(r.family);
      s.options = text(r.options);
      s.kernel = text(r.kernel);
      s.dimensions = r.dimensions;
      s.macs = r.macs;
      s.bytes = r.bytes;
      if (r.dimensions < 1 || r.dimensions > 3)
        fail("step {} ('{}') has {} dimensions", i, s.layer, r.dimensions);
      for (std::uint32_t d = 0; d < 3; ++d) {
        s.global[d] = r.global[d];
        s.local[d] = r.local[d];
        if (r.global[d] == 0 || r.global[d] > kMaximumElements ||
            (r.local[d] && r.global[d] % r.local[d]) || (r.local[d] == 0) != (r.local[0] == 0))
          fail("step {} ('{}') has a global or local size out of range", i, s.layer);
      }
      if (r.first_argument > header_.arguments.count ||
          r.argument_count > header_.arguments.count - r.first_argument)
        fail("step {} ('{}') has arguments out of range", i, s.layer);
      for (std::uint32_t a = 0; a < r.argument_count; ++a)
        s.arguments.push_back(read_argument(r.first_argument + a));
      plan_.steps_.push_back(std::move(s));
    }
  }

  Plan::Argument read_argument(std::uint64_t index) const {
    const auto r = record<ArgumentRecord>(header_.arguments, index);
    Plan::Argument a;
    if (r.kind > static_cast<std::uint32_t>(Plan::Argument::Kind::real))
      fail("argument {} has an unknown kind", index);
    a.kind = static_cast<Plan::Argument::Kind>(r.kind);
    if (a.kind == Plan::Argument::Kind::tensor) {
      if (r.tensor >= plan_.tensors_.size())
        fail("argument {} names tensor {} of {}", index, r.tensor, plan_.tensors_.size());
      a.tensor = r.tensor;
    } else if (a.kind == Plan::Argument::Kind::integer) {
      a.integer = r.integer;
    } else {
      a.real = r.real;
    }
    return a;
  }

  void read_io() {
    if (header_.input_count == 0 || header_.output_count == 0 ||
        std::uint64_t{header_.input_count} + header_.output_count != header_.io.count)
      fail("{} inputs and {} outputs in a list of {}", header_.input_count, header_.output_count,
           header_.io.count);
    for (std::uint64_t i = 0; i < header_.io.count; ++i) {
      const auto index = record<std::uint32_t>(header_.io, i);
      const bool input = i < header_.input_count;
      const auto buffer = static_cast<std::uint32_t>(input ? i : i - header_.input_count);
      if (index >= plan_.tensors_.size()) fail("input or output {} names no tensor", i);
      const auto& t = plan_.tensors_[index];
      if (t.storage != (input ? Plan::Storage::input : Plan::Storage::output) ||
          t.buffer != buffer || t.offset != 0 || t.element == Plan::Element::i32)
        fail("'{}' cannot be {} {}", t.name, input ? "input" : "output", buffer);
      (input ? plan_.inputs_ : plan_.outputs_).push_back(index);
    }
    for (const auto& t : plan_.tensors_) check_within_io(t);
  }

  // Views of an input or output buffer end where the buffer ends.
  void check_within_io(const Plan::Tensor& t) const {
    if (t.storage != Plan::Storage::input && t.storage != Plan::Storage::output) return;
    const auto& list = t.storage == Plan::Storage::input ? plan_.inputs_ : plan_.outputs_;
    const Plan::Tensor& all = plan_.tensors_[list[t.buffer]];
    const std::uint64_t whole = all.extent();
    if (t.element != all.element || t.offset > whole || t.extent() > whole - t.offset)
      fail("tensor '{}' lies outside of its storage", t.name);
  }

  // Last, when every tensor and the inputs and outputs are known to lie where they may.
  void check_steps() const {
    for (const auto& s : plan_.steps_) try {
        check_step(plan_, s);
      } catch (const std::invalid_argument& e) {
        fail("layer '{}', kernel {}/{}: {}", s.layer, s.family, s.kernel, e.what());
      }
  }

  std::span<const std::byte> file_;
  FileHeader header_{};
  Plan plan_;
};

Plan Plan::from_bytes(std::span<const std::byte> bytes, const std::string& name) {
  const std::align_val_t alignment{kAlignment};
  std::shared_ptr<std::byte> copy(
      static_cast<std::byte*>(::operator new(bytes.size() + 1, alignment)),
      [alignment](std::byte* p) { ::operator delete(p, alignment); });
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  return PlanParser({copy.get(), bytes.size()}, name).parse(copy);
}

Plan Plan::load(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw std::runtime_error(path.string() + ": " + std::strerror(errno));
  struct stat info {};
  const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const auto size = static_cast<std::size_t>(info.st_size);
  void* mapped = regular && size > 0
                     ? ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0)
                     : MAP_FAILED;
  ::close(fd);
  if (!regular || size == 0) throw std::runtime_error(path.string() + ": not a plan (empty)");
  if (mapped == MAP_FAILED) throw std::runtime_error(path.string() + ": cannot be mapped");
  const std::shared_ptr<const void> storage(
      mapped, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  return PlanParser({static_cast<const std::byte*>(mapped), size}, path.string()).parse(storage);
}

}  // namespace gantry
