// Stitches one to four NV12 cameras into an NV12 panorama through a coarse mesh.
// SPDX-License-Identifier: Apache-2.0
//
// Whole numbers throughout, so that every variant writes the same bytes:
//   positions  mesh nodes in 1/2^(16 − 2·LOG_STEP) pixel; the bilinear patch between them is exact in
//              1/2^16, then rounded to 1/128 and clamped to the picture
//   sample     h = (a << 7) + f (b − a) for the upper and lower two taps, v = h0 + ((h1 − h0) g + 64 >> 7):
//              1/128 code values
//   luma       ((v · gain) >> 16) + offset, clamped to 0 … 255: 1/32 code values
//   chroma     2×2 matrix on (Cb, Cr) − 128 plus a multiple of the panorama's own luma there: equal to
//              gains of R, G and B but for the small part of luma that comes from chroma
//   blend      Σ (value · weight) >> 16 in 1/256 code values; what the weights leave over is background
// Chroma samples lie on even luma columns, half-way between two luma lines (MPEG-2), in cameras and
// panorama alike.
//
// Both kernels work on tiles of 32×16 pixels. `stitch_tiles`, for CPUs, gives one to a work item. Where
// the taps of two lines lie within 32 columns, which is nearly everywhere, it reads whole runs of the
// source and permutes them in registers, since gathers are what sampling on CPUs waits for.
// `stitch_staged`, for GPUs, gives one to a work-group, which samples from local memory. What either way
// cannot take goes by blocks of 4×2 pixels from global memory.
//
// -D: LOG_STEP, NODE_COLUMNS, NODES (per camera), WIDTH, HEIGHT, PITCH (panorama), TILE_COLUMNS,
//     TILE_ROWS, BLACK (luma), SLATE (luma)

#define INLINE static inline __attribute__((always_inline))
#define STEP (1 << LOG_STEP)

// What a tile needs, one byte per tile.
#define KIND_CAMERAS 15  // a bit for each camera that counts somewhere in it
#define KIND_BLEND 16    // weights differ from 1 somewhere
#define KIND_WINDOWS 32  // the windows of all its cameras hold all taps; INSIDE too
#define KIND_SLATE 64    // the background is a lost camera's part
#define KIND_INSIDE 128  // no camera's tap needs clamping

#define HALF_LINE 32768  // 1/2^16 pixel

typedef struct {
  int width, height, pitch;
  ushort luma_gain;        // 1/2^14
  short luma_offset;       // 1/32 code value
  short4 chroma;           // rows of the matrix, 1/2^13
  short2 chroma_per_luma;  // 1/2^13
} Picture;

INLINE Picture picture_of(int4 format, short8 colour) {
  Picture p;
  p.width = format.x;
  p.height = format.y;
  p.pitch = format.z;
  p.luma_gain = (ushort)colour.s0;
  p.luma_offset = colour.s1;
  p.chroma = colour.s2345;
  p.chroma_per_luma = colour.s67;
  return p;
}

// --- one pixel at a time --------------------------------------------------------------------------

// A quantity along one column of a cell: its value in the cell's upper line and its growth per line.
typedef struct {
  int top, per_line;
} Column;

// `a b / c d`: the cell's nodes; i: column within the cell.
INLINE Column column_of(int a, int b, int c, int d, int i) {
  const int upper = (a << LOG_STEP) + i * (b - a), lower = (c << LOG_STEP) + i * (d - c);
  const Column column = {upper << LOG_STEP, lower - upper};
  return column;
}

INLINE int bilinear(int a, int b, int c, int d, int f, int g) {
  const int h0 = (a << 7) + f * (b - a), h1 = (c << 7) + f * (d - c);
  return h0 + (((h1 - h0) * g + 64) >> 7);
}

INLINE int corrected_luma(int v, Picture p) {
  return clamp((int)(((uint)v * p.luma_gain) >> 16) + p.luma_offset, 0, 255 << 5);
}

// Where a sample's four taps lie: columns left and right in two lines, and the position between them.
typedef struct {
  int upper, lower, left, right, f, g;
} Taps;

// `qx`, `qy`: 1/2^shift of a sample; `width`, `height`: of the plane, in samples. Without `clamped`
// all taps exist.
INLINE Taps taps_at(int qx, int qy, int shift, int width, int height, int pitch, bool clamped) {
  Taps t;
  if (clamped) {
    qx = clamp(qx, 0, (width - 1) << shift);
    qy = clamp(qy, 0, (height - 1) << shift);
  }
  qx >>= shift - 7;
  qy >>= shift - 7;
  t.f = qx & 127;
  t.g = qy & 127;
  t.left = qx >> 7;
  t.right = t.left + (clamped && t.f == 0 ? 0 : 1);
  t.upper = (qy >> 7) * pitch;
  t.lower = t.upper + (clamped && t.g == 0 ? 0 : pitch);
  return t;
}

INLINE int luma_at(__global const uchar* luma, Picture p, int x, int y, bool clamped) {
  const Taps t = taps_at(x + 256, y + 256, 16, p.width, p.height, p.pitch, clamped);
  __global const uchar *upper = luma + t.upper, *lower = luma + t.lower;
  return corrected_luma(
      bilinear(upper[t.left], upper[t.right], lower[t.left], lower[t.right], t.f, t.g), p);
}

// `x`, `y` are luma positions; `luma_sum`: of the panorama's two lines, black subtracted.
INLINE int2 chroma_at(__global const uchar* luma, Picture p, int x, int y, int luma_sum,
                      bool clamped) {
  const Taps t = taps_at(x + 512, y - HALF_LINE + 512, 17, p.width / 2, p.height / 2, p.pitch, clamped);
  __global const uchar* chroma = luma + p.pitch * p.height;
  __global const ushort* upper = (__global const ushort*)(chroma + t.upper);
  __global const ushort* lower = (__global const ushort*)(chroma + t.lower);
  const int a = upper[t.left], b = upper[t.right], c = lower[t.left], d = lower[t.right];
  const int middle = 128 << 7;
  const int cb = bilinear(a & 255, b & 255, c & 255, d & 255, t.f, t.g) - middle;
  const int cr = bilinear(a >> 8, b >> 8, c >> 8, d >> 8, t.f, t.g) - middle;
  const int2 own = (int2)((cb * p.chroma.x + 16384) >> 15, (cb * p.chroma.z + 16384) >> 15) +
                   (int2)((cr * p.chroma.y + 16384) >> 15, (cr * p.chroma.w + 16384) >> 15);
  const int2 cross = ((luma_sum << 6) * convert_int2(p.chroma_per_luma) + 16384) >> 15;
  return clamp(own + cross + (128 << 5), 0, 255 << 5);
}

INLINE int weighted(int value, int weight) { return (int)(((uint)value * 8u * (uint)weight) >> 16); }
INLINE uchar blended(int sum, int rest, int background) {
  return (uchar)((sum + (int)(((uint)background * 256u * (uint)rest) >> 16) + 128) >> 8);
}

#define CAMERA(number) \
  ((number) == 0 ? camera0 : (number) == 1 ? camera1 : (number) == 2 ? camera2 : camera3)
#define COLOUR(number) \
  ((number) == 0 ? colour0 : (number) == 1 ? colour1 : (number) == 2 ? colour2 : colour3)

#define ARGUMENTS                                                                                  \
  __global const uchar *restrict camera0, __global const uchar *restrict camera1,                  \
      __global const uchar *restrict camera2, __global const uchar *restrict camera3,              \
      __global uchar *panorama, __global const int4 *restrict formats,                             \
      __global const int *restrict nodes, __global const ushort *restrict weights,                 \
      __global const uchar *restrict kinds, __global const uint *restrict windows, short8 colour0, \
      short8 colour1, short8 colour2, short8 colour3
#define PASSED                                                                                   \
  camera0, camera1, camera2, camera3, panorama, formats, nodes, weights, kinds, windows, colour0, \
      colour1, colour2, colour3

// Positions of a block: its four columns, at its upper line.
typedef struct {
  int x[4], y[4], x_per_line[4], y_per_line[4];
} BlockPositions;

INLINE BlockPositions positions_of(__global const int* nodes, int camera, int x0, int y0) {
  __global const int* nx =
      nodes + 2 * camera * NODES + (y0 >> LOG_STEP) * NODE_COLUMNS + (x0 >> LOG_STEP);
  __global const int* ny = nx + NODES;
  const int xa = nx[0], xb = nx[1], xc = nx[NODE_COLUMNS], xd = nx[NODE_COLUMNS + 1];
  const int ya = ny[0], yb = ny[1], yc = ny[NODE_COLUMNS], yd = ny[NODE_COLUMNS + 1];
  const int j = y0 & (STEP - 1);
  BlockPositions p;
  for (int i = 0; i < 4; ++i) {
    const Column x = column_of(xa, xb, xc, xd, (x0 & (STEP - 1)) + i);
    const Column y = column_of(ya, yb, yc, yd, (x0 & (STEP - 1)) + i);
    p.x[i] = x.top + j * x.per_line;
    p.y[i] = y.top + j * y.per_line;
    p.x_per_line[i] = x.per_line;
    p.y_per_line[i] = y.per_line;
  }
  return p;
}

// A block's samples: two lines of luma, and pairs of chroma.
typedef struct {
  uchar4 luma[2], chroma;
} Block;

INLINE int luma_sum_of(const Block* b, int column) {
  return (column ? b->luma[0].z + b->luma[1].z : b->luma[0].x + b->luma[1].x) - 2 * BLACK;
}

// Only one camera counts, wholly. (value · 8 · 65535) >> 16, rounded as a blend is, is this shift.
INLINE uchar alone(int value) { return (uchar)((value + 15) >> 5); }

INLINE Block block_of_one(ARGUMENTS, int c, bool clamped, int x0, int y0) {
  const Picture p = picture_of(formats[c], COLOUR(c));
  __global const uchar* camera = CAMERA(c);
  const BlockPositions at = positions_of(nodes, c, x0, y0);
  Block b;
  uchar luma[2][4];
  for (int line = 0; line < 2; ++line)
    for (int i = 0; i < 4; ++i)
      luma[line][i] = alone(luma_at(camera, p, at.x[i] + line * at.x_per_line[i],
                                    at.y[i] + line * at.y_per_line[i], clamped));
  for (int line = 0; line < 2; ++line)
    b.luma[line] = (uchar4)(luma[line][0], luma[line][1], luma[line][2], luma[line][3]);
  int2 chroma[2];
  for (int k = 0; k < 2; ++k)
    chroma[k] = chroma_at(camera, p, at.x[2 * k] + (at.x_per_line[2 * k] >> 1),
                          at.y[2 * k] + (at.y_per_line[2 * k] >> 1), luma_sum_of(&b, k), clamped);
  b.chroma = (uchar4)(alone(chroma[0].x), alone(chroma[0].y), alone(chroma[1].x), alone(chroma[1].y));
  return b;
}

// A camera's weights in a block, as positions are.
typedef struct {
  int w[4], per_line[4];
} BlockWeights;

INLINE BlockWeights weights_of_block(__global const ushort* weights, int camera, int x0, int y0) {
  __global const ushort* n =
      weights + camera * NODES + (y0 >> LOG_STEP) * NODE_COLUMNS + (x0 >> LOG_STEP);
  BlockWeights b;
  for (int i = 0; i < 4; ++i) {
    const Column w =
        column_of(n[0], n[1], n[NODE_COLUMNS], n[NODE_COLUMNS + 1], (x0 & (STEP - 1)) + i);
    b.w[i] = w.top + (y0 & (STEP - 1)) * w.per_line;
    b.per_line[i] = w.per_line;
  }
  return b;
}

// Any number of cameras, none too.
INLINE Block blended_block(ARGUMENTS, int kind, int x0, int y0) {
  const int background = kind & KIND_SLATE ? SLATE : BLACK;
  int sum[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
  int rest[2][4] = {{65535, 65535, 65535, 65535}, {65535, 65535, 65535, 65535}};
  for (int c = 0; c < 4; ++c) {
    if (!(kind >> c & 1)) continue;
    const Picture p = picture_of(formats[c], COLOUR(c));
    const BlockPositions at = positions_of(nodes, c, x0, y0);
    const BlockWeights w = weights_of_block(weights, c, x0, y0);
    for (int line = 0; line < 2; ++line)
      for (int i = 0; i < 4; ++i) {
        const int weight = (w.w[i] + line * w.per_line[i]) >> 2 * LOG_STEP;
        const int v = luma_at(CAMERA(c), p, at.x[i] + line * at.x_per_line[i],
                              at.y[i] + line * at.y_per_line[i], true);
        sum[line][i] += weighted(v, weight);
        rest[line][i] -= weight;
      }
  }
  Block b;
  for (int line = 0; line < 2; ++line)
    b.luma[line] = (uchar4)(blended(sum[line][0], rest[line][0], background),
                            blended(sum[line][1], rest[line][1], background),
                            blended(sum[line][2], rest[line][2], background),
                            blended(sum[line][3], rest[line][3], background));

  int2 chroma[2] = {(int2)(0), (int2)(0)};
  int chroma_rest[2] = {65535, 65535};
  for (int c = 0; c < 4; ++c) {
    if (!(kind >> c & 1)) continue;
    const Picture p = picture_of(formats[c], COLOUR(c));
    const BlockPositions at = positions_of(nodes, c, x0, y0);
    const BlockWeights w = weights_of_block(weights, c, x0, y0);
    for (int k = 0; k < 2; ++k) {
      const int i = 2 * k, weight = (w.w[i] + (w.per_line[i] >> 1)) >> 2 * LOG_STEP;
      const int2 v = chroma_at(CAMERA(c), p, at.x[i] + (at.x_per_line[i] >> 1),
                               at.y[i] + (at.y_per_line[i] >> 1), luma_sum_of(&b, k), true);
      chroma[k] += (int2)(weighted(v.x, weight), weighted(v.y, weight));
      chroma_rest[k] -= weight;
    }
  }
  b.chroma = (uchar4)(blended(chroma[0].x, chroma_rest[0], 128), blended(chroma[0].y, chroma_rest[0], 128),
                      blended(chroma[1].x, chroma_rest[1], 128), blended(chroma[1].y, chroma_rest[1], 128));
  return b;
}

INLINE void store_four(__global uchar* out, uchar4 v) {
#if PITCH % 4 == 0
  *(__global uchar4*)out = v;
#else
  vstore4(v, 0, out);
#endif
}

INLINE int only_camera(int kind) { return kind & 1 ? 0 : kind & 2 ? 1 : kind & 4 ? 2 : 3; }

// The 4×2 luma and 2×1 chroma samples from luma column x0, line y0, which lie in one cell.
INLINE void block(ARGUMENTS, int kind, int x0, int y0) {
  Block b;
  if ((kind & KIND_BLEND) || !(kind & KIND_CAMERAS))
    b = blended_block(PASSED, kind, x0, y0);
  else if (kind & KIND_INSIDE)
    b = block_of_one(PASSED, only_camera(kind), false, x0, y0);
  else
    b = block_of_one(PASSED, only_camera(kind), true, x0, y0);
  __global uchar* luma = panorama + y0 * PITCH + x0;
  __global uchar* chroma = panorama + PITCH * HEIGHT + (y0 >> 1) * PITCH + x0;
  if (x0 + 4 <= WIDTH) {
    store_four(luma, b.luma[0]);
    store_four(luma + PITCH, b.luma[1]);
    store_four(chroma, b.chroma);
  } else {
    vstore2(b.luma[0].xy, 0, luma);
    vstore2(b.luma[1].xy, 0, luma + PITCH);
    vstore2(b.chroma.xy, 0, chroma);
  }
}

#ifdef STITCH_STAGED
#include "stitch_staged.clh"

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void stitch_staged(ARGUMENTS) {
  __local uint4 stage[STAGE_LINES * STAGE_WORDS];
  const int item = get_local_id(0), column = get_group_id(0), line = get_group_id(1);
  const int tile = line * TILE_COLUMNS + column, kind = kinds[tile];
  const int x0 = column * 32, y0 = line * 16;
  if ((kind & KIND_CAMERAS) && !(kind & KIND_BLEND)) {
    const int c = only_camera(kind);
    __global const uint* boxes = windows + (c * TILE_ROWS * TILE_COLUMNS + tile) * 2;
    if (box_lines(boxes[0])) {
      staged_tile(PASSED, c, boxes[0], boxes[1], stage, x0, y0, item);
      return;
    }
  }
  for (int n = item; n < 64; n += ITEMS) {
    const int x = x0 + 4 * (n & 7), y = y0 + 2 * (n >> 3);
    if (x < WIDTH && y < HEIGHT) block(PASSED, kind, x, y);
  }
}
#endif

#ifdef STITCH_TILES
#ifdef __AVX512BW__
#include "stitch_windows.clh"
#include "stitch_tiles.clh"
#define VECTORS __attribute__((min_vector_width(512)))
#else
#define VECTORS
#endif

VECTORS __kernel void stitch_tiles(ARGUMENTS) {
  const int x0 = (int)get_global_id(0) * 32, y0 = (int)get_global_id(1) * 16;
  const int kind = kinds[(y0 >> 4) * TILE_COLUMNS + (x0 >> 5)];
#ifdef __AVX512BW__
  if (kind & KIND_WINDOWS) {
    tile(PASSED, kind, x0, y0);
    return;
  }
#endif
  for (int y = y0; y < min(y0 + 16, HEIGHT); y += 2)
    for (int x = x0; x < min(x0 + 32, WIDTH); x += 4) block(PASSED, kind, x, y);
}
#endif
