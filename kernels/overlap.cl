// Sums of what two cameras show at the points of their overlap, for the colour match.
// SPDX-License-Identifier: Apache-2.0
//
// A point is one chroma sample of each camera and the 2×2 luma samples around it. Points at which
// either camera is near black or clips in luma, red or blue are left out, since no gain holds
// there. Each work item adds up every WORK_ITEMS-th point into its own row of `sums`: count, then
// Y, Cb, Cr of the first camera and of the second. The host adds the rows.
//
// -D: WORK_ITEMS, DARK, BRIGHT (luma), RED_OF_CR, BLUE_OF_CB (in luma codes, 1/256)

typedef struct {
  int y4, cb, cr;
  bool useful;
} Sample;

Sample sample_at(__global const uchar* picture, int4 format, int x, int y) {
  __global const uchar* luma = picture + 2 * y * format.z + 2 * x;
  __global const uchar* chroma = picture + format.z * (format.y + y) + 2 * x;
  const int4 four = (int4)(luma[0], luma[1], luma[format.z], luma[format.z + 1]);
  Sample s;
  s.y4 = four.x + four.y + four.z + four.w;
  s.cb = chroma[0];
  s.cr = chroma[1];
  const int red = 64 * s.y4 + RED_OF_CR * (s.cr - 128),
            blue = 64 * s.y4 + BLUE_OF_CB * (s.cb - 128);
  s.useful = all(four > DARK) && all(four < BRIGHT) && red < 256 * BRIGHT && blue < 256 * BRIGHT &&
             red > 256 * DARK && blue > 256 * DARK;
  return s;
}

// `points`: chroma column and line in the first camera, then in the second.
__kernel void overlap_sums(__global const uchar* first, __global const uchar* second,
                           int4 first_format, int4 second_format, __global const int4* points,
                           int count, __global int* sums) {
  const int item = get_global_id(0);
  int total[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  for (int n = item; n < count; n += WORK_ITEMS) {
    const Sample a = sample_at(first, first_format, points[n].x, points[n].y);
    const Sample b = sample_at(second, second_format, points[n].z, points[n].w);
    if (!a.useful || !b.useful) continue;
    total[0] += 1;
    total[1] += a.y4, total[2] += a.cb, total[3] += a.cr;
    total[4] += b.y4, total[5] += b.cb, total[6] += b.cr;
  }
  for (int k = 0; k < 8; ++k) sums[8 * item + k] = total[k];
}
