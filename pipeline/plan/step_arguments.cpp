// Bounds of what a step may touch.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/step_arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace gantry {
namespace {

std::uint64_t storage_bytes(const Plan& plan, const Plan::Tensor& t) {
  switch (t.storage) {
    case Plan::Storage::arena:
      return plan.arena_bytes();
    case Plan::Storage::weights:
      return plan.weights().size();
    case Plan::Storage::input:
    case Plan::Storage::output:
      break;
  }
  const auto& list = t.storage == Plan::Storage::input ? plan.inputs() : plan.outputs();
  return static_cast<std::uint64_t>(plan.tensors()[list[t.buffer]].count()) * sizeof(float);
}

}  // namespace

std::int64_t bounded_product(std::initializer_list<std::int64_t> factors) {
  std::int64_t product = 1;
  for (const auto f : factors) {
    if (f < 0 || f > kLargestInt || (product *= f) > kLargestInt)
      throw std::invalid_argument("its sizes are out of range");
  }
  return product;
}

Reach& Reach::along(std::int64_t count, std::int64_t stride) {
  if (count < 1 || count > kLargestInt || stride < -kLargestInt || stride > kLargestInt)
    throw std::invalid_argument("its sizes are out of range");
  const std::int64_t last = (count - 1) * stride;
  return between(std::min<std::int64_t>(last, 0), std::max<std::int64_t>(last, 0));
}

Reach& Reach::between(std::int64_t lowest, std::int64_t highest) {
  low += lowest;
  high += highest;
  if (low < -kLargestInt || high > kLargestInt)
    throw std::invalid_argument("its sizes are out of range");
  return *this;
}

std::int64_t IntTable::operator[](std::int64_t i) const {
  std::int32_t value = 0;
  const auto at = static_cast<std::size_t>(i) * sizeof value;
  if (i < 0 || at + sizeof value > bytes_.size())
    throw std::invalid_argument("its table ends behind the weights");
  std::memcpy(&value, bytes_.data() + at, sizeof value);
  return value;
}

Reach IntTable::range(std::int64_t from, std::int64_t count) const {
  Reach r;
  r.low = r.high = (*this)[from];
  for (std::int64_t i = 1; i < count; ++i) {
    r.low = std::min(r.low, (*this)[from + i]);
    r.high = std::max(r.high, (*this)[from + i]);
  }
  return r;
}

const Plan::Argument& StepArguments::next(Plan::Argument::Kind kind) {
  if (at_ >= step_.arguments.size() || step_.arguments[at_].kind != kind)
    throw std::invalid_argument(fmt::format("argument {} is missing or of another kind", at_));
  return step_.arguments[at_++];
}

StepArguments::Operand StepArguments::operand(int index) {
  const bool half = step_.options.find(fmt::format("-DHALF{}", index)) != std::string::npos;
  return operand(half ? Plan::Element::f16 : Plan::Element::f32);
}

StepArguments::Operand StepArguments::operand(Plan::Element element) {
  const auto& t = plan_.tensors()[next(Plan::Argument::Kind::tensor).tensor];
  if (t.element != element)
    throw std::invalid_argument(
        fmt::format("tensor '{}' does not hold the kernel's floats", t.name));
  const std::uint64_t bytes = element == Plan::Element::f16 ? 2 : sizeof(float);
  return {&t, static_cast<std::int64_t>(storage_bytes(plan_, t) / bytes) -
                  static_cast<std::int64_t>(t.offset)};
}

IntTable StepArguments::table() {
  const auto& t = plan_.tensors()[next(Plan::Argument::Kind::tensor).tensor];
  if (t.element != Plan::Element::i32 || t.storage != Plan::Storage::weights)
    throw std::invalid_argument("a table does not hold integers among the weights");
  return IntTable(plan_.weights().subspan(t.offset * sizeof(std::int32_t)));
}

std::int64_t StepArguments::integer(std::int64_t low, std::int64_t high) {
  const std::int64_t v = next(Plan::Argument::Kind::integer).integer;
  if (v < low || v > high)
    throw std::invalid_argument(fmt::format("argument {} is {}, out of range", at_ - 1, v));
  return v;
}

void StepArguments::real() {
  next(Plan::Argument::Kind::real);
}

void StepArguments::skip_integers(int n) {
  while (n-- > 0) integer();
}

void StepArguments::end() const {
  if (at_ != step_.arguments.size())
    throw std::invalid_argument(
        fmt::format("{} arguments where the kernel takes {}", step_.arguments.size(), at_));
}

std::int64_t StepArguments::items(std::uint32_t dimension) const {
  return dimension < step_.dimensions ? static_cast<std::int64_t>(step_.global[dimension]) : 1;
}

std::int64_t StepArguments::option(std::string_view name, std::int64_t otherwise) const {
  const auto at = step_.options.find(fmt::format("-D{}=", name));
  if (at == std::string::npos) return otherwise;
  const char* digits = step_.options.data() + at + name.size() + 3;
  std::int64_t value = 0;
  std::from_chars(digits, step_.options.data() + step_.options.size(), value);
  return value;
}

void StepArguments::reads(const Operand& o, const Reach& reach) const {
  if (reach.low < 0 || reach.high >= o.room)
    throw std::invalid_argument(
        fmt::format("it would read outside of the storage of tensor '{}'", o.tensor->name));
}

void StepArguments::writes(const Operand& o, const Reach& reach) const {
  if (o.tensor->storage == Plan::Storage::weights || reach.low < 0 || reach.high >= o.room)
    throw std::invalid_argument(
        fmt::format("it would write outside of the storage of tensor '{}'", o.tensor->name));
}

}  // namespace gantry
