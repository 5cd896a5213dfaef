// Element by element over strided tensors of any rank: functions, combinations, choices, copies and
// padding.
//
// A table holds `rank` sizes, then `rank` strides for each operand in the order of the arguments, the
// output last. One item does CHUNK elements of the last dimension: global id 0 counts these chunks,
// global id 1 all other dimensions.
// SPDX-License-Identifier: Apache-2.0
#include "nn_math.clh"

// A core's share; where items beside each other share a load, as on GPUs, one vector.
#ifndef CHUNK
#define CHUNK 256
#endif

// Operands 0, 1, … of unary, turn and binary are fp16 where HALF0, HALF1, … are defined.
#ifdef HALF0
#define element0 half
#define load0 load_half_strided
#else
#define element0 float
#define load0 load_strided
#endif
#ifdef HALF1
#define element1 half
#define load1 load_half_strided
#define store1 store_half_strided
#else
#define element1 float
#define load1 load_strided
#define store1 store_strided
#endif
#ifdef HALF2
#define element2 half
#define store2 store_half_strided
#else
#define element2 float
#define store2 store_strided
#endif

// Adds each operand's place of the row `row` to offsets[].
INLINE void locate(__global const int* table, int rank, int operands, int row, int* offsets) {
  for (int d = rank - 2; d >= 0; --d) {
    const int i = row % table[d];
    row /= table[d];
    for (int k = 0; k < operands; ++k) offsets[k] += i * table[(k + 1) * rank + d];
  }
}

// VEC elements, `stride` apart, of which the first `lanes` exist.
INLINE vfloat load_strided(__global const float* p, int stride, int lanes) {
  if (stride == 1) return load_vector(p);
  if (stride == 0) return (vfloat)(p[0]);
  union {
    vfloat all;
    float each[VEC];
  } u;
  for (int i = 0; i < VEC; ++i) u.each[i] = p[min(i, lanes - 1) * stride];
  return u.all;
}

INLINE void store_strided(vfloat v, __global float* p, int stride, int lanes) {
  if (stride == 1) {
    store_part(v, p, lanes);
    return;
  }
  union {
    vfloat all;
    float each[VEC];
  } u;
  u.all = v;
  for (int i = 0; i < min(lanes, VEC); ++i) p[i * stride] = u.each[i];
}

INLINE vfloat load_half_strided(__global const half* p, int stride, int lanes) {
  if (stride == 1 && lanes >= VEC) return JOIN(vload_half, VEC)(0, p);
  union {
    vfloat all;
    float each[VEC];
  } u;
  for (int i = 0; i < VEC; ++i) u.each[i] = vload_half(min(i, lanes - 1) * stride, p);
  return u.all;
}

INLINE void store_half_strided(vfloat v, __global half* p, int stride, int lanes) {
  if (stride == 1 && lanes >= VEC) {
    JOIN(vstore_half, VEC)(v, 0, p);
    return;
  }
  union {
    vfloat all;
    float each[VEC];
  } u;
  u.all = v;
  for (int i = 0; i < min(lanes, VEC); ++i) vstore_half(u.each[i], i * stride, p);
}

WIDE __kernel void unary(__global const element0* x, int x_at, __global element1* y, int y_at,
                         __global const int* tables, int table_at, int rank, int function,
                         float alpha, float beta) {
  __global const int* table = tables + table_at;
  int at[2] = {x_at, y_at};
  locate(table, rank, 2, (int)get_global_id(1), at);
  const int size = table[rank - 1], sx = table[2 * rank - 1], sy = table[3 * rank - 1];
  const int begin = (int)get_global_id(0) * CHUNK, end = min(begin + CHUNK, size);
  for (int i = begin; i < end; i += VEC) {
    const vfloat v = load0(x + at[0] + i * sx, sx, end - i);
    store1(apply(function, v, alpha, beta), y + at[1] + i * sy, sy, end - i);
  }
}

// A copy whose input runs along the last but one dimension while its output runs along the last: VEC
// rows are read at once and turned. The table is that of unary. Global ids: run of CHUNK elements of
// the last dimension, VEC elements of the last but one, all other dimensions.
WIDE __kernel void turn(__global const element0* x, int x_at, __global element1* y, int y_at,
                        __global const int* tables, int table_at, int rank) {
  __global const int* table = tables + table_at;
  const int rows = table[rank - 2], size = table[rank - 1];
  const int first = (int)get_global_id(1) * VEC;
  int at[2] = {x_at, y_at};
  locate(table, rank, 2, (int)get_global_id(2) * rows + first, at);
  const int sx = table[2 * rank - 1], row_y = table[3 * rank - 2];
  const int begin = (int)get_global_id(0) * CHUNK, end = min(begin + CHUNK, size);
  const int wanted = min(VEC, rows - first);
  float square[VEC][VEC];
  for (int i = begin; i < end; i += VEC) {
    const int lanes = min(VEC, end - i);
    for (int k = 0; k < lanes; ++k)
      store_vector(load0(x + at[0] + (i + k) * sx, 1, VEC), square[k]);
    for (int r = 0; r < wanted; ++r)
      for (int k = 0; k < lanes; ++k)
        store1((vfloat)(square[k][r]), y + at[1] + r * row_y + i + k, 1, 1);
  }
}

WIDE __kernel void binary(__global const element0* a, int a_at, __global const element1* b,
                          int b_at, __global element2* y, int y_at, __global const int* tables,
                          int table_at, int rank, int kind) {
  __global const int* table = tables + table_at;
  int at[3] = {a_at, b_at, y_at};
  locate(table, rank, 3, (int)get_global_id(1), at);
  const int size = table[rank - 1];
  const int sa = table[2 * rank - 1], sb = table[3 * rank - 1], sy = table[4 * rank - 1];
  const int begin = (int)get_global_id(0) * CHUNK, end = min(begin + CHUNK, size);
  for (int i = begin; i < end; i += VEC) {
    const vfloat u = load0(a + at[0] + i * sa, sa, end - i);
    const vfloat v = load1(b + at[1] + i * sb, sb, end - i);
    store2(combine(kind, u, v), y + at[2] + i * sy, sy, end - i);
  }
}

__kernel void where(__global const float* c, int c_at, __global const float* a, int a_at,
                    __global const float* b, int b_at, __global float* y, int y_at,
                    __global const int* tables, int table_at, int rank) {
  __global const int* table = tables + table_at;
  int at[4] = {c_at, a_at, b_at, y_at};
  locate(table, rank, 4, (int)get_global_id(1), at);
  const int size = table[rank - 1];
  const int sc = table[2 * rank - 1], sa = table[3 * rank - 1], sb = table[4 * rank - 1],
            sy = table[5 * rank - 1];
  const int begin = (int)get_global_id(0) * CHUNK, end = min(begin + CHUNK, size);
  for (int i = begin; i < end; ++i)
    y[at[3] + i * sy] = c[at[0] + i * sc] != 0.0f ? a[at[1] + i * sa] : b[at[2] + i * sb];
}

// The table holds output sizes, input strides, output strides, input sizes and the pads in front.
// mode 0: `value` outside; 1: reflected without the edge; 2: the edge.
__kernel void pad(__global const float* x, int x_at, __global float* y, int y_at,
                  __global const int* tables, int table_at, int rank, int mode, float value) {
  __global const int* table = tables + table_at;
  int rest = (int)get_global_id(1), from = x_at, to = y_at;
  int outside_rows = 0;
  const int begin = (int)get_global_id(0) * CHUNK, end = min(begin + CHUNK, table[rank - 1]);
  for (int d = rank - 2; d >= 0; --d) {
    const int o = rest % table[d], size = table[3 * rank + d];
    rest /= table[d];
    int i = o - table[4 * rank + d];
    outside_rows |= i < 0 || i >= size;
    if (mode == 1) i = i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
    i = clamp(i, 0, size - 1);
    from += i * table[rank + d];
    to += o * table[2 * rank + d];
  }
  const int d = rank - 1, size = table[3 * rank + d];
  for (int o = begin; o < end; ++o) {
    int i = o - table[4 * rank + d];
    const int outside = outside_rows || i < 0 || i >= size;
    if (mode == 1) i = i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
    i = clamp(i, 0, size - 1);
    y[to + o * table[2 * rank + d]] = mode == 0 && outside ? value : x[from + i * table[rank + d]];
  }
}
