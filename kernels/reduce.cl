// An NV12 picture made smaller: each sample is the mean of those of the source that it covers.
// SPDX-License-Identifier: Apache-2.0
//
// One work-item per sample of a plane. A sample that lies half in is counted whole, so that the mean
// is one of whole numbers; a picture of the same size is a copy.

int2 covered(int i, int from, int to) {
  return (int2)((int)((long)i * from / to), (int)(((long)(i + 1) * from + to - 1) / to));
}

uchar mean_of(int sum, int count) {
  return (uchar)((sum + count / 2) / count);
}

// Of a plane: `from` and `to` are columns, rows, pitch and offset.
__kernel void reduce_luma(__global const uchar* source, int4 from, __global uchar* target, int4 to) {
  const int x = get_global_id(0), y = get_global_id(1);
  const int2 columns = covered(x, from.x, to.x), rows = covered(y, from.y, to.y);
  int sum = 0;
  for (int j = rows.x; j < rows.y; ++j)
    for (int i = columns.x; i < columns.y; ++i) sum += source[(size_t)j * from.z + i];
  target[(size_t)y * to.z + x] = mean_of(sum, (rows.y - rows.x) * (columns.y - columns.x));
}

__kernel void reduce_chroma(__global const uchar* source, int4 from, __global uchar* target,
                            int4 to) {
  const int x = get_global_id(0), y = get_global_id(1);
  const int2 columns = covered(x, from.x, to.x), rows = covered(y, from.y, to.y);
  int cb = 0, cr = 0;
  for (int j = rows.x; j < rows.y; ++j)
    for (int i = columns.x; i < columns.y; ++i) {
      __global const uchar* s = source + from.w + (size_t)j * from.z + 2 * i;
      cb += s[0], cr += s[1];
    }
  const int count = (rows.y - rows.x) * (columns.y - columns.x);
  __global uchar* t = target + to.w + (size_t)y * to.z + 2 * x;
  t[0] = mean_of(cb, count), t[1] = mean_of(cr, count);
}
