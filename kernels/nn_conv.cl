// Convolutions over NCHW planes: register tiles of CO output channels by UNITS vectors of columns.
//
// A tile's vectors ("units") are VEC columns of one output row; the last one of a row is moved left
// so that it ends with the row, which computes some columns twice and leaves no rest. Where a row is
// shorter than VEC its one unit stores only the columns that exist.
//
// Convolutions with padding or strides read a prepared copy of their input: padded, with rows and
// columns apart by phase (their number modulo the stride), so that every tap of every output column is
// a run of consecutive floats. A 1x1 convolution treats the whole plane as one row. So do others where
// that wastes less: their one row is that of the padded input, and what its units compute between two
// rows of the output is left out when they are stored.
// SPDX-License-Identifier: Apache-2.0
#include "nn_math.clh"

#ifndef CO
#define CO 8
#endif
#ifndef UNITS
#define UNITS 3
#endif

// What the registers hold of a tile at once: PART_CHANNELS outputs by PART_VECTORS vectors of PART
// columns. A tile is done in as many passes over its input as it has such parts.
#if VEC == 16 && defined(__AVX512F__)
#define PART 16
#define PART_CHANNELS CO
#elif VEC == 16 && defined(__AVX__)
#define PART 8
#define PART_CHANNELS (CO / 2)
#elif VEC == 16
#define PART 4
#define PART_CHANNELS CO
#else
#define PART VEC
#define PART_CHANNELS CO
#endif
#define PART_VECTORS UNITS
#define PARTS (UNITS * VEC / PART)
#define SPLITS (CO / PART_CHANNELS)
// Input channels that are added before a tile's next part has its turn: what they and their weights
// take stays in a CPU's first cache for all parts. Elsewhere there is one part.
#if VEC == 16
#define TOGETHER(taps) max(4, ((taps) == 1 ? 64 : 144) / (taps))
#else
#define TOGETHER(taps) inputs
#endif
// Every function of apply() stands wherever a sum is finished. CPUs keep the code short, and the sums
// of other parts out of the registers; elsewhere sums must stay in them.
#if VEC == 16
#define SUMS_LOOP _Pragma("unroll 1")
#else
#define SUMS_LOOP _Pragma("unroll")
#endif
#define pfloat JOIN(float, PART)
#define load_part(p) JOIN(vload, PART)(0, p)

// y[plane][row phase][column phase][row][column] =
//     x[row * row_phases + row phase - pad_y][column * phases + column phase - pad_x], zero outside.
// Global ids: row of all phases, channel, image.
WIDE __kernel void prepare(__global const float* x, int x_at, int x_image, int x_plane, int x_row,
                           int height, int width, __global float* y, int y_at, int channels,
                           int row_phases, int phases, int rows, int columns, int pad_y,
                           int pad_x) {
  const int line = (int)get_global_id(0), both = line / rows, row = line - both * rows;
  const int row_phase = both / phases, phase = both - row_phase * phases;
  const int c = (int)get_global_id(1), n = (int)get_global_id(2);
  __global float* to =
      y + y_at + ((n * channels + c) * row_phases * phases * rows + line) * columns;
  const int in = row * row_phases + row_phase - pad_y;
  if (in < 0 || in >= height) {
    for (int i = 0; i < columns; ++i) to[i] = 0.0f;
    return;
  }
  __global const float* from = x + x_at + n * x_image + c * x_plane + in * x_row;
  // Columns first .. last-1 lie inside of the input.
  const int shift = phase - pad_x;
  const int first = min(columns, shift >= 0 ? 0 : (-shift + phases - 1) / phases);
  const int last = max(first, min(columns, (width - shift + phases - 1) / phases));
  int i = 0;
  for (; i < first; ++i) to[i] = 0.0f;
  if (phases == 1) {
    for (; i + VEC <= last; i += VEC) store_vector(load_vector(from + i + shift), to + i);
  } else if (phases == 2) {
    for (; i + VEC <= last; i += VEC) {
      const vfloat a = load_vector(from + 2 * i + shift),
                   b = load_vector(from + 2 * i + shift + VEC);
      store_vector((vfloat)(a.even, b.even), to + i);
    }
  }
  for (; i < last; ++i) to[i] = from[i * phases + shift];
  for (; i < columns; ++i) to[i] = 0.0f;
}

// Where a unit's columns lie in the output: lanes 0 .. first-1 from `to` on, and, where it passes the
// end of a row, lanes second .. last-1 from `next` on.
typedef struct {
  int from, to, first, next, second, last;
} Unit;

// padded_width: of the input's rows, where all of them are one row; 0: rows by themselves.
INLINE Unit unit_at(int u, int units_per_row, int width, int row_step, int padded_width,
                    int out_width) {
  const int row = u / units_per_row, lanes = min(VEC, width);
  const int column = min((u - row * units_per_row) * VEC, max(width - VEC, 0));
  const int place = row * width + column;
  Unit unit = {row * row_step + column, place, lanes, 0, lanes, lanes};
  if (padded_width) {
    const int line = place / padded_width, at = place - line * padded_width;
    unit.to = line * out_width + at;
    unit.first = clamp(out_width - at, 0, lanes);
    unit.next = (line + 1) * out_width;
    unit.second = min(padded_width - at, lanes);
    unit.last = min(unit.second + out_width, lanes);
  }
  return unit;
}

INLINE void store_unit(vfloat v, __global float* plane, Unit unit) {
  if (unit.first == VEC) {
    store_vector(v, plane + unit.to);
    return;
  }
  union {
    vfloat all;
    float each[VEC];
  } u;
  u.all = v;
  for (int i = 0; i < unit.first; ++i) plane[unit.to + i] = u.each[i];
  for (int i = unit.second; i < unit.last; ++i) plane[unit.next + i - unit.second] = u.each[i];
}

INLINE vfloat load_unit(__global const float* plane, Unit unit) {
  if (unit.second >= unit.last) return load_vector(plane + unit.to);
  union {
    vfloat all;
    float each[VEC];
  } u;
  u.all = (vfloat)(0.0f);
  for (int i = 0; i < unit.first; ++i) u.each[i] = plane[unit.to + i];
  for (int i = unit.second; i < unit.last; ++i) u.each[i] = plane[unit.next + i - unit.second];
  return u.all;
}

// Columns from `place` on of a plane whose pixels are squares of four of a plane that is `width` wide.
INLINE vfloat load_enlarged(__global const float* plane, int place, int width) {
  union {
    vfloat all;
    float each[VEC];
  } u;
  const int first = place / 2, row = first / width;
  int column = first - row * width;
  __global const float* from = plane + row / 2 * width;
  int odd = row & 1;
#pragma unroll
  for (int i = 0; i < VEC; i += 2, ++column) {
    if (column == width) {
      from += odd ? width : 0;
      odd = !odd;
      column = 0;
    }
    u.each[i] = u.each[i + 1] = from[column];
  }
  return u.all;
}

// enlarged_width: of a residual that is to be enlarged; 0: it lies as the output does.
INLINE vfloat finish(vfloat v, __global const float* residual, Unit unit, int has_residual,
                     int residual_first, int enlarged_width, int function, float alpha,
                     float beta) {
  const vfloat r = !has_residual    ? (vfloat)(0.0f)
                   : enlarged_width ? load_enlarged(residual, unit.to, enlarged_width)
                                    : load_unit(residual, unit);
  if (residual_first) return apply(function, v + r, alpha, beta);
  return apply(function, v, alpha, beta) + r;
}

#define CONV_ARGUMENTS                                                                             \
  __global const float *restrict x, int x_at, int x_image, int x_plane, int row_step,              \
      __global const float *restrict weights, int weights_at, __global const float *restrict bias, \
      int bias_at, __global const int *restrict taps, int taps_at, int tap_count,                  \
      __global float *restrict y, int y_at, int y_image, int y_plane,                              \
      __global const float *restrict residual, int residual_at, int residual_image,                \
      int residual_plane, int has_residual, int residual_first, int enlarged_width, int width,     \
      int padded_width, int out_width, int units_per_row, int units, int inputs, int outputs,      \
      int groups, int function, float alpha, float beta

// Adds the products of `inputs` planes to one part.
INLINE void add_products(pfloat part[PART_CHANNELS][PART_VECTORS], const int* from,
                         __global const float* restrict plane, int x_plane,
                         __global const float* restrict w, __global const int* restrict tap,
                         int tap_count, int single, int inputs) {
  for (int i = 0; i < inputs; ++i, plane += x_plane)
    for (int t = 0; t < tap_count; ++t, w += CO) {
      __global const float* start = single ? plane : plane + tap[t];
      pfloat x[PART_VECTORS];
#pragma unroll
      for (int v = 0; v < PART_VECTORS; ++v) x[v] = load_part(start + from[v]);
#pragma unroll
      for (int k = 0; k < PART_CHANNELS; ++k) {
        const pfloat weight = (pfloat)(w[k]);
#pragma unroll
        for (int v = 0; v < PART_VECTORS; ++v) part[k][v] = multiply_add(weight, x[v], part[k][v]);
      }
    }
}

// Weights: [group][block of CO outputs][input channel][tap][CO].
// Global ids: tile of UNITS units and block of CO output channels (the other way round where
// `blocks_first`), image times group.
INLINE void conv_tile(int tile, int block, int single, CONV_ARGUMENTS) {
  const int image = (int)get_global_id(2) / groups, group = (int)get_global_id(2) % groups;
  const int blocks = (outputs + CO - 1) / CO;
  __global const float* w =
      weights + weights_at + (group * blocks + block) * inputs * tap_count * CO;
  __global const float* plane = x + x_at + image * x_image + group * inputs * x_plane;
  __global const int* tap = taps + taps_at;

  Unit at[UNITS];
  for (int u = 0; u < UNITS; ++u)
    at[u] = unit_at(min(tile * UNITS + u, units - 1), units_per_row, width, row_step, padded_width,
                    out_width);

  union {
    vfloat units[UNITS];
    pfloat parts[PARTS];
  } sum[CO];
  __global const float* b = bias + bias_at + (group * blocks + block) * CO;
#pragma unroll
  for (int c = 0; c < CO; ++c)
#pragma unroll
    for (int u = 0; u < UNITS; ++u) sum[c].units[u] = (vfloat)(b[c]);

  const int step = TOGETHER(single ? 1 : tap_count);
  for (int i = 0; i < inputs; i += step, plane += step * x_plane, w += step * tap_count * CO)
    SUMS_LOOP
  for (int q = 0; q < PARTS / PART_VECTORS * SPLITS; ++q) {
    const int p = q / SPLITS * PART_VECTORS, c = q % SPLITS * PART_CHANNELS;
    pfloat part[PART_CHANNELS][PART_VECTORS];
    int from[PART_VECTORS];
#pragma unroll
    for (int v = 0; v < PART_VECTORS; ++v) {
      from[v] = at[(p + v) * PART / VEC].from + (p + v) * PART % VEC;
#pragma unroll
      for (int k = 0; k < PART_CHANNELS; ++k) part[k][v] = sum[c + k].parts[p + v];
    }
    add_products(part, from, plane, x_plane, w + c, tap, single ? 1 : tap_count, single,
                 min(step, inputs - i));
#pragma unroll
    for (int k = 0; k < PART_CHANNELS; ++k)
#pragma unroll
      for (int v = 0; v < PART_VECTORS; ++v) sum[c + k].parts[p + v] = part[k][v];
  }

  const int first = block * CO;
  SUMS_LOOP
  for (int c = 0; c < CO; ++c) {
    if (first + c < outputs) {
      const int channel = group * outputs + first + c;
      __global float* to = y + y_at + image * y_image + channel * y_plane;
      __global const float* r =
          residual + residual_at + image * residual_image + channel * residual_plane;
      SUMS_LOOP
      for (int u = 0; u < UNITS; ++u)
        store_unit(finish(sum[c].units[u], r, at[u], has_residual, residual_first, enlarged_width,
                          function, alpha, beta),
                   to, at[u]);
    }
  }
}

#define CONV_VALUES                                                                                \
  x, x_at, x_image, x_plane, row_step, weights, weights_at, bias, bias_at, taps, taps_at,          \
      tap_count, y, y_at, y_image, y_plane, residual, residual_at, residual_image, residual_plane, \
      has_residual, residual_first, enlarged_width, width, padded_width, out_width, units_per_row, \
      units, inputs, outputs, groups, function, alpha, beta

// kxk: blocks of channels first where the weights are small, tiles first where they are large.
WIDE __kernel void conv(CONV_ARGUMENTS, int blocks_first) {
  const int i = (int)get_global_id(0), j = (int)get_global_id(1);
  conv_tile(blocks_first ? j : i, blocks_first ? i : j, 0, CONV_VALUES);
}

WIDE __kernel void conv_1x1(CONV_ARGUMENTS, int blocks_first) {
  const int i = (int)get_global_id(0), j = (int)get_global_id(1);
  conv_tile(blocks_first ? j : i, blocks_first ? i : j, 1, CONV_VALUES);
}

// One input channel for each output channel (or for `outputs` of them). Weights: [channel][tap].
// Global ids: tile of UNITS units, output channel, image.
WIDE __kernel void conv_depthwise(CONV_ARGUMENTS) {
  const int tile = (int)get_global_id(0), channel = (int)get_global_id(1),
            image = (int)get_global_id(2);
  __global const float* plane = x + x_at + image * x_image + channel / outputs * x_plane;
  __global const float* w = weights + weights_at + channel * tap_count;
  __global const int* tap = taps + taps_at;
  Unit at[UNITS];
  for (int u = 0; u < UNITS; ++u)
    at[u] = unit_at(min(tile * UNITS + u, units - 1), units_per_row, width, row_step, padded_width,
                    out_width);
  vfloat sum[UNITS];
  for (int u = 0; u < UNITS; ++u) sum[u] = (vfloat)(bias[bias_at + channel]);
  for (int t = 0; t < tap_count; ++t) {
    const vfloat k = (vfloat)(w[t]);
#pragma unroll
    for (int u = 0; u < UNITS; ++u)
      sum[u] = multiply_add(k, load_vector(plane + tap[t] + at[u].from), sum[u]);
  }
  __global float* to = y + y_at + image * y_image + channel * y_plane;
  __global const float* r =
      residual + residual_at + image * residual_image + channel * residual_plane;
#pragma unroll
  for (int u = 0; u < UNITS; ++u)
    store_unit(finish(sum[u], r, at[u], has_residual, residual_first, enlarged_width, function,
                      alpha, beta),
               to, at[u]);
}

// Each output gathers the inputs that reach it. Weights: [input channel][output in group][ky][kx].
// Global ids: place in the output's plane (`items` of them), image times output channel.
__kernel void conv_transpose(__global const float* x, int x_at, int x_image, int x_plane, int x_row,
                             int height, int width, __global const float* weights, int weights_at,
                             __global const float* bias, int bias_at, __global float* y, int y_at,
                             int y_image, int y_plane, int out_width, int inputs, int outputs,
                             int groups, int kernel_y, int kernel_x, int stride_y, int stride_x,
                             int dilation_y, int dilation_x, int pad_y, int pad_x, int items) {
  const int place = (int)get_global_id(0), row = place / out_width, column = place % out_width;
  if (place >= items) return;
  const int channels = outputs * groups;
  const int image = (int)get_global_id(1) / channels, channel = (int)get_global_id(1) % channels;
  const int group = channel / outputs, out = channel % outputs;
  float sum = bias[bias_at + channel];
  for (int i = 0; i < inputs; ++i) {
    const int in = group * inputs + i;
    __global const float* plane = x + x_at + image * x_image + in * x_plane;
    __global const float* w = weights + weights_at + (in * outputs + out) * kernel_y * kernel_x;
    for (int ky = 0; ky < kernel_y; ++ky) {
      const int sy = row + pad_y - ky * dilation_y;
      if (sy < 0 || sy % stride_y || sy / stride_y >= height) continue;
      for (int kx = 0; kx < kernel_x; ++kx) {
        const int sx = column + pad_x - kx * dilation_x;
        if (sx < 0 || sx % stride_x || sx / stride_x >= width) continue;
        const float v = plane[sy / stride_y * x_row + sx / stride_x];
        sum = multiply_add(w[ky * kernel_x + kx], v, sum);
      }
    }
  }
  y[y_at + image * y_image + channel * y_plane + place] = sum;
}
