// Stitches one to four NV12 cameras into an NV12 panorama through a coarse mesh.
// SPDX-License-Identifier: Apache-2.0
//
// Whole numbers throughout, so that every variant writes the same bytes:
//   positions  mesh nodes in 1/2^(16 − 2·LOG_STEP) pixel; the bilinear patch between them is exact
//              in 1/2^16, then rounded to 1/128 and clamped to the picture
//   sample     h = (a << 7) + f (b − a) for the upper and for the lower two taps, then
//              v = h0 + ((h1 − h0) g + 64 >> 7): 1/128 code values
//   luma       ((v · gain) >> 16) + offset, clamped to 0 … 255: 1/32 code values
//   chroma     2×2 matrix on (Cb, Cr) − 128 plus a multiple of the panorama's own luma there,
//              rounded and clamped likewise: equal to gains of R, G and B but for the small part of
//              luma that comes from chroma
//   blend      Σ (value · weight) >> 16 in 1/256 code values; what the weights leave over is
//              background
// Chroma samples lie on even luma columns, half-way between two luma lines (MPEG-2), in cameras and
// panorama alike.
//
// Both kernels work on tiles of 32×16 pixels. `stitch_tiles`, for CPUs, gives one to a work item.
// Where the taps of two lines lie within 32 columns, which is nearly everywhere, it reads whole
// runs of the source and permutes them in registers, since gathers are what sampling on CPUs waits
// for. `stitch_staged`, for GPUs, gives one to a work-group, which samples from local memory. What
// either way cannot take goes by blocks of two lines from global memory.
//
// -D: CAMERAS, LOG_STEP, NODE_COLUMNS, NODES (per camera), WIDTH, HEIGHT, PITCH (panorama),
//     TILE_COLUMNS, TILE_ROWS, BLACK (luma), and FORMAT0 to FORMAT3: width, height and
//     pitch of the cameras' pictures as (int4); STITCH_TILES, or STITCH_STAGED with LUMA_LINES and
//     CHROMA_LINES

#define INLINE static inline __attribute__((always_inline))
#define STEP (1 << LOG_STEP)

// What a tile needs, one byte per tile.
#define KIND_CAMERAS 15  // a bit for each camera that counts somewhere in it
#define KIND_BLEND 16    // weights differ from 1 somewhere
#define KIND_WINDOWS 32  // the windows of all its cameras hold all taps; INSIDE too
#define KIND_INSIDE 128  // no camera's tap needs clamping

#define HALF_LINE 32768  // 1/2^16 pixel

// 128 and half of what is shifted away, 1/2^20 code value.
#define CHROMA_BIAS ((128 << 20) + (1 << 14))

typedef struct {
  int width, height, pitch;
  int luma_gain;         // 1/2^14
  int luma_offset;       // 1/32 code value
  int4 chroma;           // rows of the matrix, 1/2^13
  int2 chroma_per_luma;  // 1/2^13
} Picture;

INLINE Picture picture_of(int4 format, int8 colour) {
  Picture p;
  p.width = format.x;
  p.height = format.y;
  p.pitch = format.z;
  p.luma_gain = colour.s0;
  p.luma_offset = colour.s1;
  p.chroma = colour.s2345;
  p.chroma_per_luma = colour.s67;
  return p;
}

// --- one pixel at a time ------------------------------------------------------------------------

// A quantity along one column of a cell: its value in the cell's upper line and its growth per
// line.
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
  return clamp((int)(((uint)v * (uint)p.luma_gain) >> 16) + p.luma_offset, 0, 255 << 5);
}

// Where a sample's four taps lie: columns left and right in two lines, and the position between
// them.
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

// Corrected but for what luma adds, 1/2^20. `x`, `y` are luma positions.
INLINE int2 chroma_at(__global const uchar* luma, Picture p, int x, int y, bool clamped) {
  const Taps t =
      taps_at(x + 512, y - HALF_LINE + 512, 17, p.width / 2, p.height / 2, p.pitch, clamped);
  __global const uchar* chroma = luma + p.pitch * p.height;
  __global const ushort* upper = (__global const ushort*)(chroma + t.upper);
  __global const ushort* lower = (__global const ushort*)(chroma + t.lower);
  const int a = upper[t.left], b = upper[t.right], c = lower[t.left], d = lower[t.right];
  const int middle = 128 << 7;
  const int cb = bilinear(a & 255, b & 255, c & 255, d & 255, t.f, t.g) - middle;
  const int cr = bilinear(a >> 8, b >> 8, c >> 8, d >> 8, t.f, t.g) - middle;
  return (int2)(cb * p.chroma.x + cr * p.chroma.y, cb * p.chroma.z + cr * p.chroma.w);
}

// `luma_sum`: of the panorama's two lines, black subtracted.
INLINE int2 corrected_chroma(int2 v, Picture p, int luma_sum) {
  return clamp((v + luma_sum * 64 * p.chroma_per_luma + CHROMA_BIAS) >> 15, 0, 255 << 5);
}

// Of each camera: its picture and its colour.
#define ARGUMENTS                                                                               \
  __global const uchar *restrict camera0, int8 colour0, __global const uchar *restrict camera1, \
      int8 colour1, __global const uchar *restrict camera2, int8 colour2,                       \
      __global const uchar *restrict camera3, int8 colour3, __global const int *restrict nodes, \
      __global const ushort *restrict weights, __global uchar *panorama
#define PASSED \
  camera0, colour0, camera1, colour1, camera2, colour2, camera3, colour3, nodes, weights, panorama
#if CAMERAS == 1
#define OF_CAMERA(what, number) what##0
#elif CAMERAS == 2
#define OF_CAMERA(what, number) ((number) == 0 ? what##0 : what##1)
#else
#define OF_CAMERA(what, number) \
  ((number) == 0 ? what##0 : (number) == 1 ? what##1 : (number) == 2 ? what##2 : what##3)
#endif
#define CAMERA(number) OF_CAMERA(camera, number)
#define PICTURE(number) picture_of(OF_CAMERA(FORMAT, number), OF_CAMERA(colour, number))

INLINE int only_camera(int kind) {
  return kind & 1 ? 0 : CAMERAS < 3 || kind & 2 ? 1 : kind & 4 ? 2 : 3;
}

INLINE void store_two(__global uchar* out, uchar2 v) {
#if PITCH % 2 == 0
  *(__global uchar2*)out = v;
#else
  vstore2(v, 0, out);
#endif
}

#include "stitch_blocks.clh"

#ifdef STITCH_STAGED
#include "stitch_staged.clh"

// A job (made at set-up) is a tile's column and line (16 bits each), its kind and, from bit 8,
// which quarter of it, and the boxes of its only camera; box 0: by blocks, a quarter of the tile.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void stitch_staged(
    ARGUMENTS, __global const uint4* restrict jobs) {
  __local Stage stage;
  staged_job(PASSED, jobs[get_group_id(0)], &stage, get_local_id(0));
}
#endif

#ifdef STITCH_TILES
#if defined(__AVX512BW__)
#define VECTORS __attribute__((min_vector_width(512)))
#elif defined(__AVX2__)
#define VECTORS __attribute__((min_vector_width(256)))
#else
#define VECTORS
#endif
#ifdef __AVX2__
#include "stitch_tiles.clh"
#endif

VECTORS __kernel void stitch_tiles(ARGUMENTS, __global const uchar* restrict kinds,
                                   __global const uint* restrict windows) {
  const int x0 = (int)get_global_id(0) * 32, y0 = (int)get_global_id(1) * 16;
  const int kind = kinds[(y0 >> 4) * TILE_COLUMNS + (x0 >> 5)];
#ifdef __AVX2__
  if (kind & KIND_WINDOWS) {
    tile(PASSED, windows, kind, x0, y0);
    return;
  }
#endif
  for (int y = y0; y < min(y0 + 16, HEIGHT); y += 2)
    for (int x = x0; x < min(x0 + 32, WIDTH); x += BLOCK_COLUMNS) block(PASSED, kind, x, y);
}
#endif
