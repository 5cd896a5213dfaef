// A step's arguments as its kernel takes them, and what may be touched through each of them.
//
// A plan file is data from outside: its checksum says that it is whole, not that it means well. The
// kernels trust their arguments, so that these are proven here, before anything is run. Every
// function throws std::invalid_argument that says what is wrong.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "pipeline/plan/plan.hpp"

namespace gantry {

// Kernels compute with ints: nothing that they add up or multiply may pass this.
inline constexpr std::int64_t kLargestInt = 0x7fffffff;

// Factors are 0 or more.
std::int64_t bounded_product(std::initializer_list<std::int64_t> factors);
inline std::int64_t divided_up(std::int64_t n, std::int64_t by) {
  return (n + by - 1) / by;
}

// The lowest and the highest element, from an operand's first one, that nested loops meet.
class Reach {
 public:
  // A loop of `count` rounds, each `stride` elements further.
  Reach& along(std::int64_t count, std::int64_t stride);
  // Any of the distances from `low` to `high`.
  Reach& between(std::int64_t low, std::int64_t high);
  std::int64_t low = 0, high = 0;
};

// A table of ints among the weights, where nothing writes at run time.
class IntTable {
 public:
  explicit IntTable(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::int64_t operator[](std::int64_t i) const;  // throws past the end of the weights
  // The smallest and the largest of entries [from, from + count).
  Reach range(std::int64_t from, std::int64_t count) const;

 private:
  std::span<const std::byte> bytes_;
};

class StepArguments {
 public:
  StepArguments(const Plan& plan, const Plan::Step& step) : plan_(plan), step_(step) {}

  struct Operand {
    const Plan::Tensor* tensor;
    std::int64_t room;  // elements of its storage from its first one on
  };

  // The next argument. Integers are refused outside of low … high.
  Operand operand() { return operand(Plan::Element::f32); }
  // Operand `index` of a kernel that takes halves where -DHALF`index` says so.
  Operand operand(int index);
  IntTable table();
  std::int64_t integer(std::int64_t low = -kLargestInt, std::int64_t high = kLargestInt);
  std::int64_t positive() { return integer(1); }
  bool flag() { return integer() != 0; }
  void real();
  void skip_integers(int n);
  void end() const;  // there are no more

  // Work-items along a dimension; 1 for those that the launch does not have.
  std::int64_t items(std::uint32_t dimension) const;
  // The number behind -D`name`= in the compiler's options.
  std::int64_t option(std::string_view name, std::int64_t otherwise) const;

  // Reading whole vectors may pass the end of what is wanted by less than the slack that every buffer
  // has (PlanRunner); `reach` is what is wanted.
  void reads(const Operand& o, const Reach& reach) const;
  void writes(const Operand& o, const Reach& reach) const;

 private:
  const Plan::Argument& next(Plan::Argument::Kind kind);
  Operand operand(Plan::Element element);
  const Plan& plan_;
  const Plan::Step& step_;
  std::size_t at_ = 0;
};

}  // namespace gantry
