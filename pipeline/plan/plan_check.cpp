// What each kernel touches, argument by argument: the loops of kernels/nn_*.cl as bounds.
//
// A kernel that bounds its own item (`items`, a remainder by a size) needs no bound of its launch.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/plan_check.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "pipeline/plan/step_arguments.hpp"

namespace gantry {
namespace {

using Arguments = StepArguments;
using Operand = StepArguments::Operand;

constexpr std::int64_t kChunk = 256;                        // of the kernels
constexpr std::int64_t kMost = 16;                          // dimensions of a table
constexpr std::int64_t kPadding = 1 << 24;                  // far from overflow when it is added
constexpr std::int64_t kMostItems = std::int64_t{1} << 34;  // of a launch: more would never end

// A table of `rank` sizes, then of `rank` strides for each operand, from entry `from` on.
Reach strided(const IntTable& t, std::int64_t from, std::int64_t rank, std::int64_t operand) {
  Reach r;
  for (std::int64_t d = 0; d < rank; ++d) r.along(t[from + d], t[from + (operand + 1) * rank + d]);
  return r;
}

// Chunks of the first dimension are counted in ints.
void check_chunks(const Arguments& a) {
  bounded_product({a.items(0), a.option("CHUNK", kChunk)});
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

void pool(Arguments& a, bool average) {
  const Operand x = a.operand();
  const std::int64_t x_image = a.integer(), x_plane = a.integer(), height = a.positive(),
                     width = a.positive();
  const Operand y = a.operand();
  const std::int64_t y_image = a.integer(), y_plane = a.integer(), out_width = a.positive(),
                     channels = a.positive();
  // The window: the kernel leaves out what lies outside of the plane.
  std::int64_t window[6];  // kernel, stride, dilation, each y and x
  for (auto& w : window) w = a.integer(1, 1 << 15);
  for (int i = 0; i < (average ? 4 : 2); ++i) a.integer(-kPadding, kPadding);
  if (average) a.skip_integers(1);
  check_chunks(a);
  const std::int64_t images = divided_up(a.items(2), channels), rows = a.items(1);
  bounded_product({rows, window[2]});
  bounded_product({out_width, window[3]});
  a.reads(
      x,
      Reach().along(images, x_image).along(channels, x_plane).along(height, width).along(width, 1));
  a.writes(y, Reach()
                  .along(images, y_image)
                  .along(channels, y_plane)
                  .along(rows, out_width)
                  .along(out_width, 1));
}

void max_pool(Arguments& a) {
  pool(a, false);
}
void average_pool(Arguments& a) {
  pool(a, true);
}

void max_pool_chain(Arguments& a) {
  const Operand x = a.operand();
  const std::int64_t x_image = a.integer(), x_plane = a.integer(), height = a.positive(),
                     width = a.positive(), channels = a.positive();
  constexpr std::int64_t kRows = 8;  // of the kernel
  bounded_product({a.items(0), a.option("VEC", 16)});
  bounded_product({a.items(1), kRows});
  const std::int64_t images = divided_up(a.items(2), channels);
  const auto image = [&](std::int64_t image_step, std::int64_t plane_step) {
    return Reach()
        .along(images, image_step)
        .along(channels, plane_step)
        .along(height, width)
        .along(width, 1);
  };
  a.reads(x, image(x_image, x_plane));
  for (int i = 0; i < 3; ++i) {
    const Operand y = a.operand();
    const std::int64_t y_image = a.integer(), y_plane = a.integer();
    a.writes(y, image(y_image, y_plane));
  }
}

void resize(Arguments& a, bool linear) {
  const Operand x = a.operand();
  const std::int64_t x_image = a.integer(), x_plane = a.integer(), width = a.positive();
  const Operand y = a.operand();
  const std::int64_t y_image = a.integer(), y_plane = a.integer(), out_height = a.positive(),
                     out_width = a.positive(), channels = a.positive();
  const IntTable t = a.table();
  const std::int64_t tables = linear ? 2 : 1;
  const Reach rows = t.range(0, tables * out_height),
              columns = t.range(tables * out_height, tables * out_width);
  const auto image = [&](std::int64_t images, std::int64_t image_step, std::int64_t plane_step) {
    return Reach()
        .along(images, image_step)
        .along(channels, plane_step)
        .along(out_height, out_width)
        .along(out_width, 1);
  };
  const std::int64_t images = divided_up(a.items(2), channels);
  if (linear) {
    a.reads(a.operand(), Reach().along(out_height + out_width, 1));
  } else {
    const Operand other = a.operand();
    const std::int64_t other_image = a.integer(), other_plane = a.integer();
    if (a.flag()) a.reads(other, image(images, other_image, other_plane));
    a.skip_integers(1);
    a.real(), a.real();
  }
  if (a.items(1) > out_height) throw std::invalid_argument("it has more rows than its table");
  if (rows.low < 0 || columns.low < 0) throw std::invalid_argument("its table is out of range");
  check_chunks(a);
  a.reads(x, Reach()
                 .along(images, x_image)
                 .along(channels, x_plane)
                 .along(rows.high + 1, width)
                 .along(columns.high + 1, 1));
  a.writes(y, image(images, y_image, y_plane));
}

void resize_nearest(Arguments& a) {
  resize(a, false);
}
void resize_linear(Arguments& a) {
  resize(a, true);
}

void prepare(Arguments& a) {
  const Operand x = a.operand();
  const std::int64_t x_image = a.integer(), x_plane = a.integer(), x_row = a.integer(),
                     height = a.positive(), width = a.positive();
  const Operand y = a.operand();
  const std::int64_t channels = a.positive(), row_phases = a.positive(), phases = a.positive(),
                     rows = a.positive(), columns = a.positive();
  for (int i = 0; i < 2; ++i) a.integer(-kPadding, kPadding);
  bounded_product({columns, phases});
  bounded_product({rows, row_phases});
  a.reads(x, Reach()
                 .along(a.items(2), x_image)
                 .along(a.items(1), x_plane)
                 .along(height, x_row)
                 .along(width, 1));
  const std::int64_t lines = bounded_product({row_phases, phases, rows});
  const std::int64_t plane = bounded_product({lines, columns});
  if (a.items(0) > lines) throw std::invalid_argument("it has more rows than its planes");
  a.writes(y, Reach()
                  .along(a.items(2), bounded_product({channels, plane}))
                  .along(a.items(1), plane)
                  .along(plane, 1));
}

void convolution(Arguments& a, bool depthwise) {
  const Operand x = a.operand();
  const std::int64_t x_image = a.integer(), x_plane = a.integer(), row_step = a.integer();
  const Operand weights = a.operand(), bias = a.operand();
  const IntTable taps = a.table();
  const std::int64_t tap_count = a.positive();
  const Operand y = a.operand();
  const std::int64_t y_image = a.integer(), y_plane = a.integer();
  const Operand residual = a.operand();
  const std::int64_t residual_image = a.integer(), residual_plane = a.integer();
  const bool has_residual = a.flag();
  a.skip_integers(1);
  const std::int64_t enlarged_width = a.integer(0);
  const std::int64_t width = a.positive(), padded_width = a.integer(0), out_width = a.positive(),
                     units_per_row = a.positive(), units = a.positive(), inputs = a.positive(),
                     outputs = a.positive(), groups = a.positive();
  a.skip_integers(1);
  a.real(), a.real();
  const bool blocks_first = !depthwise && a.flag();

  const std::int64_t block = a.option("CO", 8), blocks = divided_up(outputs, block);
  const std::int64_t rows = divided_up(units, units_per_row);
  const std::int64_t images = depthwise ? a.items(2) : divided_up(a.items(2), groups);
  const std::int64_t channels = depthwise ? a.items(1) : bounded_product({groups, outputs});
  const std::int64_t planes =
      depthwise ? (channels - 1) / outputs + 1 : bounded_product({groups, inputs});
  bounded_product({a.items(blocks_first ? 1 : 0), a.option("UNITS", 3)});
  bounded_product({units, a.option("VEC", 16)});
  if (!depthwise && a.items(blocks_first ? 0 : 1) > blocks)
    throw std::invalid_argument("it has more blocks of channels than weights");
  const Reach tap = taps.range(0, tap_count);
  a.reads(x, Reach()
                 .along(images, x_image)
                 .along(planes, x_plane)
                 .along(rows, row_step)
                 .along(width, 1)
                 .between(tap.low, tap.high));
  const std::int64_t packed = depthwise ? channels : bounded_product({groups, blocks, block});
  a.reads(bias, Reach().along(packed, 1));
  a.reads(weights, Reach().along(bounded_product({packed, depthwise ? 1 : inputs, tap_count}), 1));
  if (padded_width && (padded_width < a.option("VEC", 16) || padded_width < out_width))
    throw std::invalid_argument("its rows are wider than their input");
  const std::int64_t places = bounded_product({rows, width});
  const std::int64_t last =
      padded_width ? (places - 1) / padded_width * out_width + std::min(out_width, places) : places;
  const auto image = [&](std::int64_t image_step, std::int64_t plane_step) {
    return Reach().along(images, image_step).along(channels, plane_step).along(last, 1);
  };
  if (has_residual && enlarged_width) {
    // A quarter of the output's pixels, by whole rows.
    a.reads(residual,
            Reach()
                .along(images, residual_image)
                .along(channels, residual_plane)
                .along(divided_up(last, bounded_product({4, enlarged_width})), enlarged_width)
                .along(enlarged_width, 1));
  } else if (has_residual) {
    a.reads(residual, image(residual_image, residual_plane));
  }
  a.writes(y, image(y_image, y_plane));
}

void conv(Arguments& a) {
  convolution(a, false);
}
void conv_depthwise(Arguments& a) {
  convolution(a, true);
}

void conv_transpose(Arguments& a) {
  const Operand x = a.operand();
  const std::int64_t x_image = a.integer(), x_plane = a.integer(), x_row = a.integer(),
                     height = a.positive(), width = a.positive();
  const Operand weights = a.operand(), bias = a.operand(), y = a.operand();
  const std::int64_t y_image = a.integer(), y_plane = a.integer();
  a.positive();  // the output's width: rows and columns are its quotients
  const std::int64_t inputs = a.positive(), outputs = a.positive(), groups = a.positive();
  const std::int64_t ky = a.integer(1, 1 << 15), kx = a.integer(1, 1 << 15);
  for (int i = 0; i < 4; ++i) a.integer(1, 1 << 15);
  for (int i = 0; i < 2; ++i) a.integer(-kPadding, kPadding);
  const std::int64_t items = a.positive();
  const std::int64_t channels = bounded_product({outputs, groups}),
                     images = divided_up(a.items(1), channels);
  const std::int64_t planes = bounded_product({groups, inputs});
  a.reads(
      x,
      Reach().along(images, x_image).along(planes, x_plane).along(height, x_row).along(width, 1));
  a.reads(weights, Reach().along(bounded_product({planes, outputs, ky, kx}), 1));
  a.reads(bias, Reach().along(channels, 1));
  a.writes(y, Reach().along(images, y_image).along(channels, y_plane).along(items, 1));
}

using Check = void (*)(Arguments&);
const std::map<std::string, Check, std::less<>>& checks() {
  static const std::map<std::string, Check, std::less<>> table{
      {"nn_conv/prepare", prepare},
      {"nn_conv/conv", conv},
      {"nn_conv/conv_1x1", conv},
      {"nn_conv/conv_depthwise", conv_depthwise},
      {"nn_conv/conv_transpose", conv_transpose},
      {"nn_elementwise/unary", unary},
      {"nn_elementwise/turn", turn},
      {"nn_elementwise/binary", binary},
      {"nn_elementwise/where", where},
      {"nn_elementwise/pad", pad},
      {"nn_gather/gather", gather},
      {"nn_gather/gather_elements", gather_elements},
      {"nn_matrix/matmul", matmul},
      {"nn_reduce/reduce", reduce},
      {"nn_reduce/arg_extreme", arg_extreme},
      {"nn_reduce/softmax", softmax},
      {"nn_reduce/softmax_rows", softmax_rows},
      {"nn_reduce/softmax_columns", softmax_columns},
      {"nn_reduce/top_k", top_k},
      {"nn_window/max_pool", max_pool},
      {"nn_window/average_pool", average_pool},
      {"nn_window/max_pool_chain", max_pool_chain},
      {"nn_window/resize_nearest", resize_nearest},
      {"nn_window/resize_linear", resize_linear}};
  return table;
}

// Options are the compiler's command line: numbers under names, and of those only what kernels know.
void check_options(const Plan::Step& step, const Arguments& a) {
  std::string_view rest = step.options;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    const std::size_t equals = std::min(word.find('='), word.size());
    const auto all = [](std::string_view part, auto is) {
      return part.size() < 16 && std::all_of(part.begin(), part.end(), is);
    };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto named = [&](char c) { return (c >= 'A' && c <= 'Z') || c == '_' || digit(c); };
    if (!word.starts_with("-D") || !all(word.substr(2, equals - 2), named) ||
        !all(word.substr(std::min(equals + 1, word.size())), digit))
      throw std::invalid_argument(
          fmt::format("the option '{}' is not -DNAME or -DNAME=NUMBER", word));
  }
  const std::int64_t vector = a.option("VEC", 16), block = a.option("CO", 8),
                     units = a.option("UNITS", 3);
  if ((vector != 4 && vector != 8 && vector != 16) || block < 2 || block > 64 || block % 2 ||
      units < 1 || units > 64)
    throw std::invalid_argument(fmt::format("the options '{}' are out of range", step.options));
}

}  // namespace

void check_step(const Plan& plan, const Plan::Step& step) {
  // The tensor-core family has no bounds here yet: its plans are trusted as their checksum is.
  if (step.family == "nn_tensor" || step.family == "nn_channels") return;
  const auto check = checks().find(step.family + "/" + step.kernel);
  if (check == checks().end()) throw std::invalid_argument("the kernel is not known");
  Arguments arguments(plan, step);
  check_options(step, arguments);
  std::int64_t items = 1;
  for (std::uint32_t d = 0; d < 3; ++d)
    if ((items *= arguments.items(d)) > kMostItems)
      throw std::invalid_argument("it has too many work-items");
  check->second(arguments);
  arguments.end();
}

}  // namespace gantry
