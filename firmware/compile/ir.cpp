// Small helpers of the compiler's graph.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/ir.hpp"

#include <algorithm>
#include <stdexcept>

namespace gantry::compile {

std::int64_t count(const Shape& shape) {
  std::int64_t n = 1;
  for (const auto d : shape) n *= d;
  return n;
}

std::string to_string(const Shape& shape) {
  std::string s;
  for (const auto d : shape) s += (s.empty() ? "" : "x") + std::to_string(d);
  return s.empty() ? "scalar" : s;
}

const char* name_of(const Operation& operation) {
  constexpr const char* names[] = {
      "Conv",      "ConvTranspose", "Pool",    "MaxPoolChain",   "MatMul", "Softmax",
      "Resize",    "Concat",        "Unary",   "Binary",         "Where",  "Reduce",
      "ArgMax",    "Pad",           "Gather",  "GatherElements", "TopK",   "Copy",
      "Attention", "DistanceBoxes", "Reshape", "Transpose",      "Slice",  "Expand"};
  static_assert(std::size(names) == std::variant_size_v<Operation>);
  return names[operation.index()];
}

Shape dense_strides(const Shape& shape) {
  Shape strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto at = [&](const Shape& s) {
      const std::size_t missing = out.size() - s.size();
      return i < missing ? std::int64_t{1} : s[i - missing];
    };
    if (at(a) != at(b) && at(a) != 1 && at(b) != 1)
      throw std::invalid_argument(to_string(a) + " and " + to_string(b) + " do not broadcast");
    out[i] = at(a) == 1 ? at(b) : at(a);
  }
  return out;
}

}  // namespace gantry::compile
