// Pools and resizing over NCHW planes.
//
// Global ids: run of kChunk columns, output row, image times channel.
// SPDX-License-Identifier: Apache-2.0
#include "nn_math.clh"

#define kChunk 256

// VEC values `step` apart from column `first` on, of which the first `lanes` are wanted; columns
// outside of the row give `outside`.
INLINE vfloat load_columns(__global const float* row, int first, int step, int width, int lanes,
                           float outside) {
  union {
    vfloat all;
    float each[VEC];
  } u;
  if (first >= 0 && first + (VEC - 1) * step < width) {
    if (step == 1) return load_vector(row + first);
    for (int i = 0; i < VEC; ++i) u.each[i] = row[first + i * step];
    return u.all;
  }
  for (int i = 0; i < VEC; ++i) {
    const int at = first + i * step;
    u.each[i] = i < lanes && at >= 0 && at < width ? row[at] : outside;
  }
  return u.all;
}

// How many of the taps of a window that begins at `begin` lie in 0 .. size-1.
INLINE int taps_inside(int begin, int taps, int dilation, int size) {
  int n = 0;
  for (int k = 0; k < taps; ++k) n += begin + k * dilation >= 0 && begin + k * dilation < size;
  return n;
}

#define POOL_ARGUMENTS                                                                        \
  __global const float *x, int x_at, int x_image, int x_plane, int height, int width,         \
      __global float *y, int y_at, int y_image, int y_plane, int out_width, int channels,     \
      int kernel_y, int kernel_x, int stride_y, int stride_x, int dilation_y, int dilation_x, \
      int pad_y, int pad_x

WIDE __kernel void max_pool(POOL_ARGUMENTS) {
  const int begin = (int)get_global_id(0) * kChunk, end = min(begin + kChunk, out_width);
  const int row = (int)get_global_id(1), top = row * stride_y - pad_y;
  const int image = (int)get_global_id(2) / channels, channel = (int)get_global_id(2) % channels;
  __global const float* plane = x + x_at + image * x_image + channel * x_plane;
  __global float* to = y + y_at + image * y_image + channel * y_plane + row * out_width;
  for (int column = begin; column < end; column += VEC) {
    vfloat largest = (vfloat)(-INFINITY);
    for (int ky = 0; ky < kernel_y; ++ky) {
      const int iy = top + ky * dilation_y;
      if (iy < 0 || iy >= height) continue;
      for (int kx = 0; kx < kernel_x; ++kx)
        largest = fmax(largest,
                       load_columns(plane + iy * width, column * stride_x - pad_x + kx * dilation_x,
                                    stride_x, width, end - column, -INFINITY));
    }
    store_part(largest, to + column, end - column);
  }
}

// Divided by the inputs that exist or, with count_padding, by those in the padded picture, which ends
// pad_y_end and pad_x_end after the input.
WIDE __kernel void average_pool(POOL_ARGUMENTS, int pad_y_end, int pad_x_end, int count_padding) {
  const int begin = (int)get_global_id(0) * kChunk, end = min(begin + kChunk, out_width);
  const int row = (int)get_global_id(1), top = row * stride_y - pad_y;
  const int image = (int)get_global_id(2) / channels, channel = (int)get_global_id(2) % channels;
  __global const float* plane = x + x_at + image * x_image + channel * x_plane;
  __global float* to = y + y_at + image * y_image + channel * y_plane + row * out_width;
  const int rows = count_padding
                       ? taps_inside(top + pad_y, kernel_y, dilation_y, height + pad_y + pad_y_end)
                       : taps_inside(top, kernel_y, dilation_y, height);
  for (int column = begin; column < end; column += VEC) {
    vfloat sum = (vfloat)(0.0f);
    for (int ky = 0; ky < kernel_y; ++ky) {
      const int iy = top + ky * dilation_y;
      if (iy < 0 || iy >= height) continue;
      for (int kx = 0; kx < kernel_x; ++kx)
        sum += load_columns(plane + iy * width, column * stride_x - pad_x + kx * dilation_x,
                            stride_x, width, end - column, 0.0f);
    }
    union {
      vfloat all;
      float each[VEC];
    } u;
    for (int i = 0; i < VEC; ++i) {
      const int left = (column + i) * stride_x - pad_x;
      const int columns =
          count_padding ? taps_inside(left + pad_x, kernel_x, dilation_x, width + pad_x + pad_x_end)
                        : taps_inside(left, kernel_x, dilation_x, width);
      u.each[i] = (float)max(rows * columns, 1);
    }
    store_part(sum / u.all, to + column, end - column);
  }
}

#define kRows 8

INLINE vfloat load_private(const float* p) {
  return JOIN(vload, VEC)(0, p);
}

// Three max pools of 5x5, each over the one before, from their input alone: the largest of 5x5, 9x9
// and 13x13, by rows first. Global ids: vector of columns, run of kRows rows, image times channel.
WIDE __kernel void max_pool_chain(__global const float* x, int x_at, int x_image, int x_plane,
                                  int height, int width, int channels, __global float* y5,
                                  int y5_at, int y5_image, int y5_plane, __global float* y9,
                                  int y9_at, int y9_image, int y9_plane, __global float* y13,
                                  int y13_at, int y13_image, int y13_plane) {
  const int column = (int)get_global_id(0) * VEC, first = (int)get_global_id(1) * kRows;
  const int image = (int)get_global_id(2) / channels, channel = (int)get_global_id(2) % channels;
  __global const float* plane = x + x_at + image * x_image + channel * x_plane;
  vfloat five[kRows], nine[kRows], thirteen[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) five[r] = nine[r] = thirteen[r] = (vfloat)(-INFINITY);
  for (int in = max(first - 6, 0); in < min(first + kRows + 6, height); ++in) {
    float line[VEC + 12];
#pragma unroll
    for (int i = 0; i < VEC + 12; ++i) {
      const int at = column - 6 + i;
      line[i] = at >= 0 && at < width ? plane[in * width + at] : -INFINITY;
    }
    vfloat widest[3];  // of 5, 9 and 13 columns
    vfloat largest = (vfloat)(-INFINITY);
#pragma unroll
    for (int w = 0; w < 3; ++w) {
      const int before = w ? 2 * w : -1;  // columns on either side that are in already
#pragma unroll
      for (int d = before + 1; d <= 2 * w + 2; ++d)
        largest = fmax(largest, fmax(load_private(line + 6 - d), load_private(line + 6 + d)));
      widest[w] = largest;
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int distance = abs(in - first - r);
      if (distance <= 2) five[r] = fmax(five[r], widest[0]);
      if (distance <= 4) nine[r] = fmax(nine[r], widest[1]);
      if (distance <= 6) thirteen[r] = fmax(thirteen[r], widest[2]);
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (first + r >= height) continue;
    const int to = (first + r) * width + column, lanes = width - column;
    store_part(five[r], y5 + y5_at + image * y5_image + channel * y5_plane + to, lanes);
    store_part(nine[r], y9 + y9_at + image * y9_image + channel * y9_plane + to, lanes);
    store_part(thirteen[r], y13 + y13_at + image * y13_image + channel * y13_plane + to, lanes);
  }
}

#define RESIZE_ARGUMENTS                                                                     \
  __global const float *x, int x_at, int x_image, int x_plane, int width, __global float *y, \
      int y_at, int y_image, int y_plane, int out_height, int out_width, int channels,       \
      __global const int *tables, int table_at

// The table says which input row each output row takes, then which column each column. With `has_sum`
// another image is added, and the sum goes through a function.
WIDE __kernel void resize_nearest(RESIZE_ARGUMENTS, __global const float* other, int other_at,
                                  int other_image, int other_plane, int has_sum, int function,
                                  float alpha, float beta) {
  const int begin = (int)get_global_id(0) * kChunk, end = min(begin + kChunk, out_width);
  const int row = (int)get_global_id(1);
  const int image = (int)get_global_id(2) / channels, channel = (int)get_global_id(2) % channels;
  __global const int* table = tables + table_at;
  __global const float* restrict from =
      x + x_at + image * x_image + channel * x_plane + table[row] * width;
  __global float* restrict to = y + y_at + image * y_image + channel * y_plane + row * out_width;
  __global const int* restrict columns = table + out_height;
  if (!has_sum) {
    for (int i = begin; i < end; ++i) to[i] = from[columns[i]];
    return;
  }
  __global const float* restrict add =
      other + other_at + image * other_image + channel * other_plane + row * out_width;
  for (int i = begin; i < end; i += VEC) {
    union {
      vfloat all;
      float each[VEC];
    } u;
    for (int k = 0; k < VEC; ++k) u.each[k] = from[columns[min(i + k, end - 1)]];
    store_part(apply(function, u.all + load_vector(add + i), alpha, beta), to + i, end - i);
  }
}

// Two rows and two columns: a table of rows, next rows, columns, next columns, and one of the weights
// of the next rows, then of the next columns.
__kernel void resize_linear(RESIZE_ARGUMENTS, __global const float* weights, int weights_at) {
  const int begin = (int)get_global_id(0) * kChunk, end = min(begin + kChunk, out_width);
  const int row = (int)get_global_id(1);
  const int image = (int)get_global_id(2) / channels, channel = (int)get_global_id(2) % channels;
  __global const int* table = tables + table_at;
  __global const float* plane = x + x_at + image * x_image + channel * x_plane;
  __global const float* restrict upper = plane + table[row] * width;
  __global const float* restrict lower = plane + table[out_height + row] * width;
  __global const int* restrict left = table + 2 * out_height;
  __global const int* restrict right = left + out_width;
  __global const float* restrict fraction = weights + weights_at + out_height;
  __global float* restrict to = y + y_at + image * y_image + channel * y_plane + row * out_width;
  const float fy = weights[weights_at + row];
  for (int i = begin; i < end; ++i) {
    const float top = mix(upper[left[i]], upper[right[i]], fraction[i]);
    const float bottom = mix(lower[left[i]], lower[right[i]], fraction[i]);
    to[i] = mix(top, bottom, fy);
  }
}
