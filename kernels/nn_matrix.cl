// Batched matrix products over strided operands; rows of the right matrix and of the result are
// contiguous.
//
// The table holds the batch dimensions: `rank` sizes, then `rank` strides each of a, b and y.
// Global ids: block of VEC columns, block of ROWS rows, batch.
// SPDX-License-Identifier: Apache-2.0
#include "nn_math.clh"

#define ROWS 4

WIDE __kernel void matmul(__global const float* a, int a_at, int a_row, int a_column,
                          __global const float* b, int b_at, int b_row, __global float* y, int y_at,
                          int y_row, __global const int* tables, int table_at, int rank, int m,
                          int k, int n) {
  __global const int* table = tables + table_at;
  int rest = (int)get_global_id(2);
  for (int d = rank - 1; d >= 0; --d) {
    const int i = rest % table[d];
    rest /= table[d];
    a_at += i * table[rank + d];
    b_at += i * table[2 * rank + d];
    y_at += i * table[3 * rank + d];
  }
  const int column = (int)get_global_id(0) * VEC, row = (int)get_global_id(1) * ROWS;
  vfloat sum[ROWS];
  int a_rows[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    sum[r] = (vfloat)(0.0f);
    a_rows[r] = a_at + min(row + r, m - 1) * a_row;
  }
  for (int i = 0; i < k; ++i) {
    const vfloat v = load_vector(b + b_at + i * b_row + column);
#pragma unroll
    for (int r = 0; r < ROWS; ++r)
      sum[r] = multiply_add((vfloat)(a[a_rows[r] + i * a_column]), v, sum[r]);
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r)
    if (row + r < m) store_part(sum[r], y + y_at + (row + r) * y_row + column, n - column);
}
