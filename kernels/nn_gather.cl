// Picks elements by indices that are known at run time or folded into the weights; dense operands.
// SPDX-License-Identifier: Apache-2.0

static inline int index_of(float raw, int size) {
  const int i = (int)raw;
  return clamp(i < 0 ? i + size : i, 0, size - 1);
}

// x [outer][size][inner], y [outer][picks][inner]. Global ids: pick times inner, outer.
__kernel void gather(__global const float* x, int x_at, __global const float* indices,
                     int indices_at, __global float* y, int y_at, int size, int picks, int inner) {
  const int i = (int)get_global_id(0) % inner, pick = (int)get_global_id(0) / inner,
            o = (int)get_global_id(1);
  if (pick >= picks) return;
  const int from = index_of(indices[indices_at + pick], size);
  y[y_at + (o * picks + pick) * inner + i] = x[x_at + (o * size + from) * inner + i];
}

// y and indices have the same shape; x the same rank. The table holds the sizes of y and the dense
// strides of x. Global id: the elements of y.
__kernel void gather_elements(__global const float* x, int x_at, __global const float* indices,
                              int indices_at, __global float* y, int y_at,
                              __global const int* tables, int table_at, int rank, int axis,
                              int size, int items) {
  __global const int* table = tables + table_at;
  const int i = (int)get_global_id(0);
  if (i >= items) return;
  int rest = i, from = x_at;
  for (int d = rank - 1; d >= 0; --d) {
    const int k = rest % table[d];
    rest /= table[d];
    from += (d == axis ? index_of(indices[indices_at + i], size) : k) * table[rank + d];
  }
  y[y_at + i] = x[from];
}
