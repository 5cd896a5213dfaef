// Reductions, softmax and the place of extremes along dimensions of strided tensors, and the k
// largest or smallest. Launches may be rounded up past their `items`.
// SPDX-License-Identifier: Apache-2.0
#include "nn_math.clh"

// The offsets of index `i` over `rank` sizes: the first strides into x, the second into y.
INLINE int2 offsets_of(__global const int* table, int rank, int i) {
  int2 at = (int2)(0, 0);
  for (int d = rank - 1; d >= 0; --d) {
    const int k = i % table[d];
    i /= table[d];
    at += k * (int2)(table[rank + d], table[2 * rank + d]);
  }
  return at;
}

INLINE float reduce_two(int kind, float s, float v) {
  switch (kind) {
    case 2:
      return fmax(s, v);
    case 3:
      return fmin(s, v);
    case 4:
      return s * v;
    case 5:
    case 6:
      return multiply_add(v, v, s);
    case 7:
      return s + fabs(v);
    default:
      return s + v;
  }
}

// Tables: kept dimensions (sizes, strides of x, strides of y), then reduced ones (the same, the
// strides of y unused). The last reduced dimension is walked inside. kind: Reduction in
// firmware/compile/ir.hpp. Global id: the output's elements.
__kernel void reduce(__global const float* x, int x_at, __global float* y, int y_at,
                     __global const int* tables, int table_at, int kept, int reduced, int outer,
                     int kind, float factor, int items) {
  if ((int)get_global_id(0) >= items) return;
  __global const int* keep = tables + table_at;
  __global const int* fold = keep + 3 * kept;
  const int2 at = offsets_of(keep, kept, (int)get_global_id(0));
  const int length = fold[reduced - 1], step = fold[2 * reduced - 1];
  float total = kind == 2 ? -INFINITY : kind == 3 ? INFINITY : kind == 4 ? 1.0f : 0.0f;
  for (int o = 0; o < outer; ++o) {
    // The rank-1 index over the outer reduced dimensions.
    int rest = o, from = x_at + at.x;
    for (int d = reduced - 2; d >= 0; --d) {
      from += rest % fold[d] * fold[reduced + d];
      rest /= fold[d];
    }
    // Sums of sums: the rounding error of long rows stays small.
    float part = kind == 2 ? -INFINITY : kind == 3 ? INFINITY : kind == 4 ? 1.0f : 0.0f;
    for (int i = 0; i < length; ++i) part = reduce_two(kind, part, x[from + i * step]);
    total = kind == 2 || kind == 3 || kind == 4 ? reduce_two(kind, total, part) : total + part;
  }
  total *= factor;
  y[y_at + at.y] = kind == 6 ? sqrt(total) : total;
}

// Global id: all other dimensions. NaN is never taken.
__kernel void arg_extreme(__global const float* x, int x_at, __global float* y, int y_at,
                          __global const int* tables, int table_at, int kept, int length, int step,
                          int minimum, int last, int items) {
  if ((int)get_global_id(0) >= items) return;
  const int2 at = offsets_of(tables + table_at, kept, (int)get_global_id(0));
  float best = x[x_at + at.x];
  int place = 0;
  for (int i = 1; i < length; ++i) {
    const float v = x[x_at + at.x + i * step];
    const int better = minimum ? v < best : v > best;
    if (better || (last && v == best)) {
      best = v;
      place = i;
    }
  }
  y[y_at + at.y] = (float)place;
}

// One row for each item. Global id: all other dimensions.
__kernel void softmax(__global const float* x, int x_at, __global float* y, int y_at,
                      __global const int* tables, int table_at, int kept, int length, int x_step,
                      int y_step, int logarithm, int items) {
  if ((int)get_global_id(0) >= items) return;
  const int2 at = offsets_of(tables + table_at, kept, (int)get_global_id(0));
  __global const float* from = x + x_at + at.x;
  __global float* to = y + y_at + at.y;
  float largest = from[0];
  for (int i = 1; i < length; ++i) largest = fmax(largest, from[i * x_step]);
  float sum = 0.0f;
  for (int i = 0; i < length; ++i) {
    const float e = exp(from[i * x_step] - largest);
    if (!logarithm) to[i * y_step] = e;
    sum += e;
  }
  if (logarithm) {
    const float shift = largest + log(sum);
    for (int i = 0; i < length; ++i) to[i * y_step] = from[i * x_step] - shift;
  } else {
    const float scale = 1.0f / sum;
    for (int i = 0; i < length; ++i) to[i * y_step] *= scale;
  }
}

// Rows of consecutive elements, a vector at a time.
WIDE __kernel void softmax_rows(__global const float* x, int x_at, __global float* y, int y_at,
                                __global const int* tables, int table_at, int kept, int length) {
  const int2 at = offsets_of(tables + table_at, kept, (int)get_global_id(0));
  __global const float* from = x + x_at + at.x;
  __global float* to = y + y_at + at.y;
  union {
    vfloat all;
    float each[VEC];
  } u;
  const int whole = length / VEC * VEC;
  u.all = (vfloat)(-INFINITY);
  for (int i = 0; i < whole; i += VEC) u.all = fmax(u.all, load_vector(from + i));
  float largest = -INFINITY;
  for (int i = 0; i < VEC; ++i) largest = fmax(largest, u.each[i]);
  for (int i = whole; i < length; ++i) largest = fmax(largest, from[i]);
  u.all = (vfloat)(0.0f);
  for (int i = 0; i < whole; i += VEC) {
    const vfloat e = exact_exp(load_vector(from + i) - largest);
    store_vector(e, to + i);
    u.all += e;
  }
  float sum = 0.0f;
  for (int i = 0; i < VEC; ++i) sum += u.each[i];
  for (int i = whole; i < length; ++i) {
    const float e = exp(from[i] - largest);
    to[i] = e;
    sum += e;
  }
  const float scale = 1.0f / sum;
  for (int i = 0; i < whole; i += VEC) store_vector(load_vector(to + i) * scale, to + i);
  for (int i = whole; i < length; ++i) to[i] *= scale;
}

// Rows across consecutive elements: VEC of them beside each other. Global ids: vector of the last of
// the other dimensions, which has `columns`; places of the rest.
WIDE __kernel void softmax_columns(__global const float* x, int x_at, __global float* y, int y_at,
                                   __global const int* tables, int table_at, int kept, int columns,
                                   int length, int x_step, int y_step) {
  const int column = (int)get_global_id(0) * VEC, lanes = columns - column;
  if (lanes <= 0) return;
  const int2 at = offsets_of(tables + table_at, kept, (int)get_global_id(1) * columns + column);
  __global const float* from = x + x_at + at.x;
  __global float* to = y + y_at + at.y;
  vfloat largest = load_vector(from);
  for (int i = 1; i < length; ++i) largest = fmax(largest, load_vector(from + i * x_step));
  vfloat sum = (vfloat)(0.0f);
  for (int i = 0; i < length; ++i) {
    const vfloat e = exact_exp(load_vector(from + i * x_step) - largest);
    store_part(e, to + i * y_step, lanes);
    sum += e;
  }
  const vfloat scale = 1.0f / sum;
  for (int i = 0; i < length; ++i)
    store_part(load_vector(to + i * y_step) * scale, to + i * y_step, lanes);
}

// Each element counts those before it in order: its rank is its place. Ties: the lower index first.
// Dense: x [outer][length][inner], values and places [outer][k][inner].
// Global ids: element of the axis, outer times inner.
__kernel void top_k(__global const float* x, int x_at, __global float* values, int values_at,
                    __global float* places, int places_at, int length, int inner, int k,
                    int largest) {
  const int i = (int)get_global_id(0), o = (int)get_global_id(1) / inner,
            in = (int)get_global_id(1) % inner;
  if (i >= length) return;
  __global const float* row = x + x_at + o * length * inner + in;
  const float mine = row[i * inner];
  int rank = 0;
  for (int j = 0; j < length; ++j) {
    const float v = row[j * inner];
    const int before = largest ? v > mine : v < mine;
    rank += before || (v == mine && j < i);
  }
  if (rank >= k) return;
  const int to = (o * k + rank) * inner + in;
  values[values_at + to] = mine;
  places[places_at + to] = (float)i;
}
