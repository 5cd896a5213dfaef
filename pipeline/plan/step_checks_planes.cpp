// Bounds of the kernels that take images in planes: windows and convolutions.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "pipeline/plan/step_checks.hpp"

namespace gantry::step_checks {

static void pool(Arguments& a, bool average) {
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

static void resize(Arguments& a, bool linear) {
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

static void convolution(Arguments& a, bool depthwise) {
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

}  // namespace gantry::step_checks
