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
// Two kernels share this: `stitch_blocks` makes 4×2 pixels per work item, for GPUs; `stitch_tiles` makes
// a tile of 32×16, for CPUs. Where a tile's taps of two lines lie within 32 columns, which is nearly
// everywhere, the tile kernel reads whole runs of the source and permutes them in registers, since
// gathers are what bilinear sampling on CPUs waits for.
//
// -D: LOG_STEP, NODE_COLUMNS, NODES (per camera), WIDTH, HEIGHT, PITCH (panorama), TILE_COLUMNS,
//     TILE_ROWS, BLACK (luma), SLATE (luma)

#define INLINE static inline __attribute__((always_inline))
#define STEP (1 << LOG_STEP)

// What a tile needs, one byte per tile.
#define KIND_CAMERAS 15  // a bit for each camera that counts somewhere in it
#define KIND_BLEND 16    // weights differ from 1 somewhere
#define KIND_WINDOWS 32  // the windows of all its cameras hold all taps, and no tap needs clamping
#define KIND_SLATE 64    // the background is a lost camera's part

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

INLINE int luma_at(__global const uchar* luma, Picture p, int x, int y) {
  const int qx = clamp(x + 256, 0, (p.width - 1) << 16) >> 9;
  const int qy = clamp(y + 256, 0, (p.height - 1) << 16) >> 9;
  __global const uchar* upper = luma + (qy >> 7) * p.pitch;
  __global const uchar* lower = upper + ((qy & 127) ? p.pitch : 0);
  const int left = qx >> 7, right = left + ((qx & 127) ? 1 : 0);
  return corrected_luma(
      bilinear(upper[left], upper[right], lower[left], lower[right], qx & 127, qy & 127), p);
}

// `x`, `y` are luma positions; `luma_sum`: of the panorama's two lines, black subtracted.
INLINE int2 chroma_at(__global const uchar* chroma, Picture p, int x, int y, int luma_sum) {
  const int qx = clamp(x + 512, 0, (p.width / 2 - 1) << 17) >> 10;
  const int qy = clamp(y - HALF_LINE + 512, 0, (p.height / 2 - 1) << 17) >> 10;
  __global const uchar* upper = chroma + (qy >> 7) * p.pitch;
  __global const uchar* lower = upper + ((qy & 127) ? p.pitch : 0);
  const int left = qx >> 7, right = left + ((qx & 127) ? 1 : 0), f = qx & 127, g = qy & 127;
  const int2 a = convert_int2(vload2(left, upper)), b = convert_int2(vload2(right, upper));
  const int2 c = convert_int2(vload2(left, lower)), d = convert_int2(vload2(right, lower));
  const int cb = bilinear(a.x, b.x, c.x, d.x, f, g) - (128 << 7);
  const int cr = bilinear(a.y, b.y, c.y, d.y, f, g) - (128 << 7);
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

// The 4×2 luma and 2×1 chroma samples from luma column x0, line y0; both inside one cell.
INLINE void block(ARGUMENTS, int kind, int x0, int y0) {
  const int node = (y0 >> LOG_STEP) * NODE_COLUMNS + (x0 >> LOG_STEP);
  const int i0 = x0 & (STEP - 1), j = y0 & (STEP - 1);
  const bool blend = kind & KIND_BLEND;
  const int background = kind & KIND_SLATE ? SLATE : BLACK;
  int sum[2][4] = {{0}}, rest[2][4];
  for (int i = 0; i < 4; ++i) rest[0][i] = rest[1][i] = 65535;

  for (int c = 0; c < 4; ++c) {
    if (!(kind >> c & 1)) continue;
    const Picture p = picture_of(formats[c], COLOUR(c));
    __global const int* nx = nodes + 2 * c * NODES + node;
    __global const int* ny = nx + NODES;
    __global const ushort* nw = weights + c * NODES + node;
    const int xa = nx[0], xb = nx[1], xc = nx[NODE_COLUMNS], xd = nx[NODE_COLUMNS + 1];
    const int ya = ny[0], yb = ny[1], yc = ny[NODE_COLUMNS], yd = ny[NODE_COLUMNS + 1];
    for (int i = 0; i < 4; ++i) {
      const Column x = column_of(xa, xb, xc, xd, i0 + i), y = column_of(ya, yb, yc, yd, i0 + i);
      Column w = {65535 << 2 * LOG_STEP, 0};
      if (blend) w = column_of(nw[0], nw[1], nw[NODE_COLUMNS], nw[NODE_COLUMNS + 1], i0 + i);
      for (int line = 0; line < 2; ++line) {
        const int weight = (w.top + (j + line) * w.per_line) >> 2 * LOG_STEP;
        const int v = luma_at(CAMERA(c), p, x.top + (j + line) * x.per_line,
                              y.top + (j + line) * y.per_line);
        sum[line][i] += weighted(v, weight);
        rest[line][i] -= weight;
      }
    }
  }
  uchar4 luma[2];
  for (int line = 0; line < 2; ++line)
    luma[line] = (uchar4)(blended(sum[line][0], rest[line][0], background),
                          blended(sum[line][1], rest[line][1], background),
                          blended(sum[line][2], rest[line][2], background),
                          blended(sum[line][3], rest[line][3], background));

  int2 chroma_sum[2] = {(int2)(0), (int2)(0)};
  int chroma_rest[2] = {65535, 65535};
  const int luma_sum[2] = {luma[0].x + luma[1].x - 2 * BLACK, luma[0].z + luma[1].z - 2 * BLACK};
  for (int c = 0; c < 4; ++c) {
    if (!(kind >> c & 1)) continue;
    const Picture p = picture_of(formats[c], COLOUR(c));
    __global const int* nx = nodes + 2 * c * NODES + node;
    __global const int* ny = nx + NODES;
    __global const ushort* nw = weights + c * NODES + node;
    for (int k = 0; k < 2; ++k) {
      const int i = i0 + 2 * k;
      const Column x = column_of(nx[0], nx[1], nx[NODE_COLUMNS], nx[NODE_COLUMNS + 1], i);
      const Column y = column_of(ny[0], ny[1], ny[NODE_COLUMNS], ny[NODE_COLUMNS + 1], i);
      Column w = {65535 << 2 * LOG_STEP, 0};
      if (blend) w = column_of(nw[0], nw[1], nw[NODE_COLUMNS], nw[NODE_COLUMNS + 1], i);
      const int weight = (w.top + j * w.per_line + (w.per_line >> 1)) >> 2 * LOG_STEP;
      const int2 v = chroma_at(CAMERA(c) + p.pitch * p.height, p,
                               x.top + j * x.per_line + (x.per_line >> 1),
                               y.top + j * y.per_line + (y.per_line >> 1), luma_sum[k]);
      chroma_sum[k] += (int2)(weighted(v.x, weight), weighted(v.y, weight));
      chroma_rest[k] -= weight;
    }
  }
  const uchar4 chroma = (uchar4)(blended(chroma_sum[0].x, chroma_rest[0], 128),
                                 blended(chroma_sum[0].y, chroma_rest[0], 128),
                                 blended(chroma_sum[1].x, chroma_rest[1], 128),
                                 blended(chroma_sum[1].y, chroma_rest[1], 128));

  __global uchar* out = panorama + y0 * PITCH + x0;
  __global uchar* out_chroma = panorama + PITCH * HEIGHT + (y0 >> 1) * PITCH + x0;
  if (x0 + 4 <= WIDTH) {
    vstore4(luma[0], 0, out);
    vstore4(luma[1], 0, out + PITCH);
    vstore4(chroma, 0, out_chroma);
  } else {
    vstore2(luma[0].xy, 0, out);
    vstore2(luma[1].xy, 0, out + PITCH);
    vstore2(chroma.xy, 0, out_chroma);
  }
}

#ifdef STITCH_BLOCKS
__kernel void stitch_blocks(ARGUMENTS) {
  const int x0 = (int)get_global_id(0) * 4, y0 = (int)get_global_id(1) * 2;
  if (x0 >= WIDTH || y0 >= HEIGHT) return;
  block(PASSED, kinds[(y0 >> 4) * TILE_COLUMNS + (x0 >> 5)], x0, y0);
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
