// Candidate boxes: of all anchors of a detection head those that are strong enough, in a list of
// bounded length, so that nothing else leaves the device.
// SPDX-License-Identifier: Apache-2.0

// `counts` holds how many there are of each image, listed or not; it begins at zero. `capacity`
// records of each image follow, `records_at` bytes after the counts. A record: the
// anchor, its best class (both as ints), then centre, size and score as they stand in the tensor.
typedef struct {
  int anchor, class_index;
  float box[4];
  float score, unused;
} Record;

// Global ids: anchor (rounded up), image. `wanted`: the classes that are looked for and, of every
// class, the least score (infinite where it is not looked for).
__kernel void select_scores(__global const float* restrict values, int image_stride,
                            int anchor_stride, int channel_stride, int anchors, int classes,
                            __global const int* restrict wanted, int wanted_count,
                            __global const float* restrict least, __global int* counts,
                            int records_at, int capacity) {
  const int anchor = (int)get_global_id(0), image = (int)get_global_id(1);
  if (anchor >= anchors) return;
  __global const float* v = values + image * image_stride + anchor * anchor_stride;
  __global const float* scores = v + 4 * channel_stride;
  int hit = 0;
  for (int i = 0; i < wanted_count; ++i)
    hit |= scores[wanted[i] * channel_stride] >= least[wanted[i]];
  if (!hit) return;
  int best = 0;
  for (int c = 1; c < classes; ++c)
    if (scores[c * channel_stride] > scores[best * channel_stride]) best = c;
  const float score = scores[best * channel_stride];
  if (!(score >= least[best])) return;
  const int at = atomic_inc(counts + image);
  if (at >= capacity) return;
  __global Record* r =
      (__global Record*)((__global char*)counts + records_at) + image * capacity + at;
  r->anchor = anchor;
  r->class_index = best;
  for (int i = 0; i < 4; ++i) r->box[i] = v[i * channel_stride];
  r->score = score;
  r->unused = 0;
}
