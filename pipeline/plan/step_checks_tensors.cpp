// Bounds of the kernels that take strided tensors of any rank.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "pipeline/plan/step_checks.hpp"

namespace gantry::step_checks {

namespace {

constexpr std::int64_t kMost = 16;  // dimensions of a table

// A table of `rank` sizes, then of `rank` strides for each operand, from entry `from` on.
Reach strided(const IntTable& t, std::int64_t from, std::int64_t rank, std::int64_t operand) {
  Reach r;
  for (std::int64_t d = 0; d < rank; ++d) r.along(t[from + d], t[from + (operand + 1) * rank + d]);
  return r;
}

void element_wise(Arguments& a, int inputs) {
  Operand operands[4];
  for (int i = 0; i <= inputs; ++i) operands[i] = a.operand(i);
  const IntTable t = a.table();
  const std::int64_t rank = a.integer(1, kMost);
  check_chunks(a);
  for (int i = 0; i < inputs; ++i) a.reads(operands[i], strided(t, 0, rank, i));
  a.writes(operands[inputs], strided(t, 0, rank, inputs));
}

}  // namespace

void unary(Arguments& a) {
  element_wise(a, 1);
  a.skip_integers(1);
  a.real(), a.real();
}
void binary(Arguments& a) {
  element_wise(a, 2);
  a.skip_integers(1);
}
void where(Arguments& a) {
  element_wise(a, 3);
}

void turn(Arguments& a) {
  const Operand x = a.operand(0), y = a.operand(1);
  const IntTable t = a.table();
  const std::int64_t rank = a.integer(2, kMost), rows = t[rank - 2];
  check_chunks(a);
  // Squares of VEC rows, each a run of the input and a row of the output.
  bounded_product({a.items(1), a.option("VEC", 16)});
  bounded_product({a.items(2), std::max<std::int64_t>(rows, 1)});
  if (t[2 * rank - 2] != 1 || t[3 * rank - 1] != 1)
    throw std::invalid_argument("its table does not turn rows");
  a.reads(x, strided(t, 0, rank, 0));
  a.writes(y, strided(t, 0, rank, 1));
}

void pad(Arguments& a) {
  const Operand x = a.operand(), y = a.operand();
  const IntTable t = a.table();
  const std::int64_t rank = a.integer(1, kMost);
  a.skip_integers(1);
  a.real();
  check_chunks(a);
  Reach from;
  for (std::int64_t d = 0; d < rank; ++d) {
    from.along(t[3 * rank + d], t[rank + d]);
    if (std::abs(t[4 * rank + d]) > kPadding) throw std::invalid_argument("a pad is out of range");
  }
  a.reads(x, from);
  a.writes(y, strided(t, 0, rank, 1));
}

void gather(Arguments& a) {
  const Operand x = a.operand(), indices = a.operand(), y = a.operand();
  const std::int64_t size = a.positive(), picks = a.positive(), inner = a.positive();
  a.reads(x, Reach().along(bounded_product({a.items(1), size, inner}), 1));
  a.reads(indices, Reach().along(picks, 1));
  a.writes(y, Reach().along(bounded_product({a.items(1), picks, inner}), 1));
}

void gather_elements(Arguments& a) {
  const Operand x = a.operand(), indices = a.operand(), y = a.operand();
  const IntTable t = a.table();
  const std::int64_t rank = a.integer(1, kMost), axis = a.integer(0, rank - 1), size = a.positive(),
                     items = a.positive();
  Reach from;
  for (std::int64_t d = 0; d < rank; ++d) {
    if (t[d] < 1) throw std::invalid_argument("its sizes are out of range");
    from.along(d == axis ? size : t[d], t[rank + d]);
  }
  a.reads(x, from);
  a.reads(indices, Reach().along(items, 1));
  a.writes(y, Reach().along(items, 1));
}

void matmul(Arguments& a) {
  const Operand x = a.operand();
  const std::int64_t a_row = a.integer(), a_column = a.integer();
  const Operand b = a.operand();
  const std::int64_t b_row = a.integer();
  const Operand y = a.operand();
  const std::int64_t y_row = a.integer();
  const IntTable t = a.table();
  const std::int64_t rank = a.integer(0, kMost), m = a.positive(), k = a.positive(),
                     n = a.positive();
  constexpr std::int64_t kRows = 4;  // of the kernel
  bounded_product({a.items(1), kRows});
  // The last vector of columns may begin anywhere before n.
  if (bounded_product({a.items(0) - 1, a.option("VEC", 16)}) >= n)
    throw std::invalid_argument("it has more columns than its matrix");
  a.reads(x, strided(t, 0, rank, 0).along(m, a_row).along(k, a_column));
  a.reads(b, strided(t, 0, rank, 1).along(k, b_row).along(n, 1));
  a.writes(y, strided(t, 0, rank, 2).along(m, y_row).along(n, 1));
}

void reduce(Arguments& a) {
  const Operand x = a.operand(), y = a.operand();
  const IntTable t = a.table();
  const std::int64_t kept = a.integer(1, kMost), reduced = a.integer(1, kMost);
  a.skip_integers(2);  // how often the outer loop runs, and the kind
  a.real();
  a.skip_integers(1);
  Reach from = strided(t, 0, kept, 0);
  const Reach folded = strided(t, 3 * kept, reduced, 0);
  a.reads(x, from.between(folded.low, folded.high));
  a.writes(y, strided(t, 0, kept, 1));
}

void arg_extreme(Arguments& a) {
  const Operand x = a.operand(), y = a.operand();
  const IntTable t = a.table();
  const std::int64_t kept = a.integer(0, kMost), length = a.positive(), step = a.integer();
  a.skip_integers(3);
  a.reads(x, strided(t, 0, kept, 0).along(length, step));
  a.writes(y, strided(t, 0, kept, 1));
}

void softmax(Arguments& a) {
  const Operand x = a.operand(), y = a.operand();
  const IntTable t = a.table();
  const std::int64_t kept = a.integer(0, kMost), length = a.positive(), x_step = a.integer(),
                     y_step = a.integer();
  a.skip_integers(2);
  a.reads(x, strided(t, 0, kept, 0).along(length, x_step));
  a.writes(y, strided(t, 0, kept, 1).along(length, y_step));
}

void softmax_rows(Arguments& a) {
  const Operand x = a.operand(), y = a.operand();
  const IntTable t = a.table();
  const std::int64_t kept = a.integer(0, kMost), length = a.positive();
  a.reads(x, strided(t, 0, kept, 0).along(length, 1));
  a.writes(y, strided(t, 0, kept, 1).along(length, 1));
}

void softmax_columns(Arguments& a) {
  const Operand x = a.operand(), y = a.operand();
  const IntTable t = a.table();
  const std::int64_t kept = a.integer(1, kMost), columns = a.positive(), length = a.positive(),
                     x_step = a.integer(), y_step = a.integer();
  bounded_product({a.items(0), a.option("VEC", 16)});
  bounded_product({a.items(1), columns});
  if (columns != t[kept - 1] || t[2 * kept - 1] != 1 || t[3 * kept - 1] != 1)
    throw std::invalid_argument("its table is not one of columns");
  a.reads(x, strided(t, 0, kept, 0).along(length, x_step));
  a.writes(y, strided(t, 0, kept, 1).along(length, y_step));
}

void top_k(Arguments& a) {
  const Operand x = a.operand(), values = a.operand(), places = a.operand();
  const std::int64_t length = a.positive(), inner = a.positive(), k = a.positive();
  a.skip_integers(1);
  const std::int64_t outer = divided_up(a.items(1), inner);
  a.reads(x, Reach().along(bounded_product({outer, length, inner}), 1));
  a.writes(values, Reach().along(bounded_product({outer, k, inner}), 1));
  a.writes(places, Reach().along(bounded_product({outer, k, inner}), 1));
}

}  // namespace gantry::step_checks
