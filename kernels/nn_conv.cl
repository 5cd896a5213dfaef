// Convolutions over NCHW planes: register tiles of CO output channels by UNITS vectors of columns.
//
// A tile's vectors ("units") are VEC columns of one output row; the last one of a row is moved left
// so that it ends with the row, which computes some columns twice and leaves no rest. Where a row is
// shorter than VEC its one unit stores only the columns that exist.
//
// Convolutions with padding or a column stride read a prepared copy of their input: padded, with the
// columns of each row split by phase (column modulo stride), so that every tap of every output column
// is a run of consecutive floats. A 1x1 convolution treats the whole plane as one row.
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
// Every function of apply() stands wherever a sum is finished. CPUs keep the code short; elsewhere
// sums must stay in registers.
#if VEC == 16
#define STORE_LOOP _Pragma("unroll 1")
#else
#define STORE_LOOP _Pragma("unroll")
#endif
#define pfloat JOIN(float, PART)
#define load_part(p) JOIN(vload, PART)(0, p)

// y[plane][row][phase][column] = x[row - pad_y][column * phases + phase - pad_x], zero outside.
// Global ids: row times phase, channel, image.
WIDE __kernel void prepare(__global const float* x, int x_at, int x_image, int x_plane, int x_row,
                           int height, int width, __global float* y, int y_at, int channels,
                           int rows, int phases, int columns, int pad_y, int pad_x) {
  const int row = (int)get_global_id(0) / phases, phase = (int)get_global_id(0) % phases;
  const int c = (int)get_global_id(1), n = (int)get_global_id(2);
  __global float* to = y + y_at + (((n * channels + c) * rows + row) * phases + phase) * columns;
  const int in = row - pad_y;
  if (in < 0 || in >= height) {
    for (int i = 0; i < columns; ++i) to[i] = 0.0f;
    return;
  }
  __global const float* from = x + x_at + n * x_image + c * x_plane + in * x_row;
  // Columns first .. last-1 lie inside of the input.
  const int shift = phase - pad_x;
  const int first = min(columns, shift >= 0 ? 0 : (-shift + phases - 1) / phases);
  const int last = max(first, min(columns, (width - shift + phases - 1) / phases));
  for (int i = 0; i < first; ++i) to[i] = 0.0f;
  if (phases == 1) {
    int i = first;
    for (; i + VEC <= last; i += VEC) store_vector(load_vector(from + i + shift), to + i);
    for (; i < last; ++i) to[i] = from[i + shift];
  } else {
    for (int i = first; i < last; ++i) to[i] = from[i * phases + shift];
  }
  for (int i = last; i < columns; ++i) to[i] = 0.0f;
}

// Where unit `u` lies: its offset in the input and in the output.
INLINE int2 unit_at(int u, int units_per_row, int width, int row_step, int* lanes) {
  const int row = u / units_per_row;
  const int column = min((u - row * units_per_row) * VEC, max(width - VEC, 0));
  *lanes = min(VEC, width);
  return (int2)(row * row_step + column, row * width + column);
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
INLINE vfloat finish(vfloat v, __global const float* residual, int place, int has_residual,
                     int residual_first, int enlarged_width, int function, float alpha,
                     float beta) {
  const vfloat r = !has_residual    ? (vfloat)(0.0f)
                   : enlarged_width ? load_enlarged(residual, place, enlarged_width)
                                    : load_vector(residual + place);
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
      int units_per_row, int units, int inputs, int outputs, int groups, int function,             \
      float alpha, float beta

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

  int2 at[UNITS];
  int lanes = VEC;
  for (int u = 0; u < UNITS; ++u)
    at[u] = unit_at(min(tile * UNITS + u, units - 1), units_per_row, width, row_step, &lanes);

  union {
    vfloat units[UNITS];
    pfloat parts[PARTS];
  } sum[CO];
  __global const float* b = bias + bias_at + (group * blocks + block) * CO;
#pragma unroll
  for (int c = 0; c < CO; ++c)
#pragma unroll
    for (int u = 0; u < UNITS; ++u) sum[c].units[u] = (vfloat)(b[c]);

#pragma unroll
  for (int c = 0; c < CO; c += PART_CHANNELS)
#pragma unroll
    for (int p = 0; p < PARTS; p += PART_VECTORS) {
      pfloat part[PART_CHANNELS][PART_VECTORS];
      int from[PART_VECTORS];
#pragma unroll
      for (int v = 0; v < PART_VECTORS; ++v) {
        from[v] = at[(p + v) * PART / VEC].x + (p + v) * PART % VEC;
#pragma unroll
        for (int k = 0; k < PART_CHANNELS; ++k) part[k][v] = sum[c + k].parts[p + v];
      }
      add_products(part, from, plane, x_plane, w + c, tap, single ? 1 : tap_count, single, inputs);
#pragma unroll
      for (int k = 0; k < PART_CHANNELS; ++k)
#pragma unroll
        for (int v = 0; v < PART_VECTORS; ++v) sum[c + k].parts[p + v] = part[k][v];
    }

  const int first = block * CO;
STORE_LOOP
  for (int c = 0; c < CO; ++c) {
    if (first + c < outputs) {
      const int channel = group * outputs + first + c;
      __global float* to = y + y_at + image * y_image + channel * y_plane;
      __global const float* r =
          residual + residual_at + image * residual_image + channel * residual_plane;
STORE_LOOP
      for (int u = 0; u < UNITS; ++u)
        store_part(finish(sum[c].units[u], r, at[u].y, has_residual, residual_first, enlarged_width,
                          function, alpha, beta),
                   to + at[u].y, lanes);
    }
  }
}

#define CONV_VALUES                                                                                \
  x, x_at, x_image, x_plane, row_step, weights, weights_at, bias, bias_at, taps, taps_at,          \
      tap_count, y, y_at, y_image, y_plane, residual, residual_at, residual_image, residual_plane, \
      has_residual, residual_first, enlarged_width, width, units_per_row, units, inputs, outputs,  \
      groups, function, alpha, beta

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
  int2 at[UNITS];
  int lanes = VEC;
  for (int u = 0; u < UNITS; ++u)
    at[u] = unit_at(min(tile * UNITS + u, units - 1), units_per_row, width, row_step, &lanes);
  vfloat sum[UNITS];
  for (int u = 0; u < UNITS; ++u) sum[u] = (vfloat)(bias[bias_at + channel]);
  for (int t = 0; t < tap_count; ++t) {
    const vfloat k = (vfloat)(w[t]);
#pragma unroll
    for (int u = 0; u < UNITS; ++u)
      sum[u] = multiply_add(k, load_vector(plane + tap[t] + at[u].x), sum[u]);
  }
  __global float* to = y + y_at + image * y_image + channel * y_plane;
  __global const float* r =
      residual + residual_at + image * residual_image + channel * residual_plane;
#pragma unroll
  for (int u = 0; u < UNITS; ++u)
    store_part(finish(sum[u], r, at[u].y, has_residual, residual_first, enlarged_width, function,
                      alpha, beta),
               to + at[u].y, lanes);
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
