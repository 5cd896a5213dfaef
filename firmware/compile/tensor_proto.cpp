// ONNX tensors into constants, for every number type that exports hold.
// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "firmware/compile/infer.hpp"
#include "firmware/compile/operators.hpp"

namespace gantry::compile {
namespace {

using onnx::TensorProto;

float half_to_float(std::uint16_t h) {
  const int exponent = h >> 10 & 31;
  const float fraction = static_cast<float>(h & 1023);
  const float sign = h & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(fraction + 1024, exponent - 25);
}

float bfloat_to_float(std::uint16_t b) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16);
}

template <typename Stored, typename Out, typename Turn>
void read_raw(const std::string& raw, std::vector<Out>& out, std::size_t n, Turn turn) {
  if (raw.size() != n * sizeof(Stored))
    throw std::invalid_argument(std::to_string(raw.size()) + " bytes of data where " +
                                std::to_string(n * sizeof(Stored)) + " belong");
  out.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    Stored s;
    std::memcpy(&s, raw.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = static_cast<Out>(turn(s));
  }
}

template <typename Field, typename Out, typename Turn>
void read_field(const Field& field, std::vector<Out>& out, std::size_t n, Turn turn) {
  if (static_cast<std::size_t>(field.size()) != n)
    throw std::invalid_argument(std::to_string(field.size()) + " values where " +
                                std::to_string(n) + " belong");
  out.reserve(n);
  for (const auto v : field) out.push_back(static_cast<Out>(turn(v)));
}

// Either the raw bytes or the typed field of a tensor.
template <typename Stored, typename Field, typename Out, typename Turn>
void read_either(const TensorProto& t, const Field& field, std::vector<Out>& out, std::size_t n,
                 Turn turn) {
  if (t.has_raw_data())
    read_raw<Stored>(t.raw_data(), out, n, turn);
  else
    read_field(field, out, n, [&](auto v) { return turn(static_cast<Stored>(v)); });
}

}  // namespace

Constant read_tensor(const TensorProto& t) {
  const std::string what = "tensor '" + t.name() + "'";
  if (t.data_location() == TensorProto::EXTERNAL || t.external_data_size() > 0)
    throw std::invalid_argument(what +
                                " keeps its data in another file; save the model as one file");
  if (t.has_segment()) throw std::invalid_argument(what + " is stored in segments");
  Constant c;
  std::int64_t elements = 1;
  if (t.dims_size() > static_cast<int>(kMaximumRank))
    throw std::invalid_argument(what + " has rank " + std::to_string(t.dims_size()));
  for (const auto d : t.dims()) {
    if (d < 0 || d > kMaximumElements)
      throw std::invalid_argument(what + " has a size of " + std::to_string(d));
    c.shape.push_back(d);
    elements *= d;
    if (elements > kMaximumElements) throw std::invalid_argument(what + " is too large");
  }
  const auto n = static_cast<std::size_t>(elements);
  const auto same = [](auto v) { return v; };
  c.type = Type::integer;
  try {
    switch (t.data_type()) {
      case TensorProto::FLOAT:
        c.type = Type::real;
        read_either<float>(t, t.float_data(), c.reals, n, same);
        break;
      case TensorProto::DOUBLE:
        c.type = Type::real;
        read_either<double>(t, t.double_data(), c.reals, n, same);
        break;
      case TensorProto::FLOAT16:
        c.type = Type::real;
        read_either<std::uint16_t>(t, t.int32_data(), c.reals, n, half_to_float);
        break;
      case TensorProto::BFLOAT16:
        c.type = Type::real;
        read_either<std::uint16_t>(t, t.int32_data(), c.reals, n, bfloat_to_float);
        break;
      case TensorProto::INT64:
        read_either<std::int64_t>(t, t.int64_data(), c.integers, n, same);
        break;
      case TensorProto::INT32:
        read_either<std::int32_t>(t, t.int32_data(), c.integers, n, same);
        break;
      case TensorProto::INT16:
        read_either<std::int16_t>(t, t.int32_data(), c.integers, n, same);
        break;
      case TensorProto::INT8:
        read_either<std::int8_t>(t, t.int32_data(), c.integers, n,
                                 [](std::int8_t v) { return std::int64_t{v}; });
        break;
      case TensorProto::UINT8:
      case TensorProto::BOOL:
        read_either<std::uint8_t>(t, t.int32_data(), c.integers, n, same);
        break;
      default:
        throw std::invalid_argument("element type " + std::to_string(t.data_type()) +
                                    " is not supported");
    }
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(what + " (" + to_string(c.shape) + "): " + e.what());
  }
  return c;
}

}  // namespace gantry::compile
