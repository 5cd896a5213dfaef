// Convolutions and attention over channels-last fp16 tensors, by the matrix steps of a warp.
//
// A convolution is the product of a matrix of output pixels by taps and input channels with one of
// taps and input channels by output channels. Each item loads its part of the fragments straight from
// memory, 16 bytes at a time: no local memory, no barrier; taps that share pixels meet in the cache.
//
// The columns of a product are dealt to output channels so that an item ends up with
// 2 GROUP neighbouring channels of a pixel: it loads residuals and stores results as whole words.
//
// Options: FX, FY     fragments of 16 pixels of a warp: along a row, and rows (POINTWISE: FX * FY)
//          N_FRAGS    fragments of 8 output channels of a warp, a multiple of GROUP
//          GROUP      1, 2 or 4
//          WARPS_M, WARPS_N  warps of a work-group along pixels and along channels
//          POINTWISE  1x1 without stride: pixels are numbered through all images
//          PIXELS4    an input of 4 channels: a step is a row of 4 neighbouring pixels
//          PREFETCH   the next step's operands are loaded before this one's are used
//          ATTENTION  the other kernel of this file
//          FUNCTION, RESIDUAL (0 none, 1 after the function, 2 before it), WHOLE (aligned stores)
//          ENLARGED   the residual has half the rows and columns
// SPDX-License-Identifier: Apache-2.0
#ifndef FX
#define FX 1
#define FY 1
#define N_FRAGS 1
#define GROUP 1
#define WARPS_M 1
#define WARPS_N 1
#endif
#ifndef FUNCTION
#define FUNCTION 0
#define RESIDUAL 0
#endif
#define M_FRAGS (FX * FY)
#define WARPS (WARPS_M * WARPS_N)
#include "nn_fragments.clh"

#ifndef ATTENTION
// Where one row of a fragment begins, and which taps of its window lie inside of the picture: bits
// 0 … 15 columns, 16 … 31 rows.
typedef struct {
  int from;
  uint inside;
} Row;

INLINE uint inside_bits(int first, int step, int taps, int size) {
  uint bits = 0;
  for (int k = 0; k < taps; ++k)
    bits |= (uint)(first + k * step >= 0 && first + k * step < size) << k;
  return bits;
}

// Output pixel of row `half_row` (0: g, 1: g + 8) of fragment `f`: image, row, column; image -1: none.
INLINE int3 pixel_of(int f, int half_row, int tile, int warp, int lane_row, int images, int height,
                     int width) {
#ifdef POINTWISE
  const int p = ((tile * WARPS_M + warp) * M_FRAGS + f) * 16 + half_row * 8 + lane_row;
  const int plane = height * width, image = p / plane;
  return (int3)(image < images ? image : -1, 0, p - image * plane);
#else
  const int row = ((int)get_group_id(1) * WARPS_M + warp) * FY + f / FX;
  const int column = (tile * FX + f % FX) * 16 + half_row * 8 + lane_row;
  return (int3)(row < height && column < width ? (int)get_group_id(2) : -1, row, column);
#endif
}

// Weights: [k block][fragment][lane][8]. taps: for each k block and t the distance in elements and
// the bits of Row that must be set. Groups: blocks of channels times tiles along a row, rows, images
// (POINTWISE: blocks of channels times tiles).
__attribute__((reqd_work_group_size(WARP, WARPS, 1))) __kernel void conv(
    __global const half* restrict x, int x_at, int x_image, int x_row, int x_pixel,
    __global const half* restrict weights, int weights_at, __global const float* restrict bias,
    int bias_at, __global const int* restrict taps, int taps_at, int k_blocks, int inputs,
    __global half* y, int y_at, int y_image, int y_row, int y_pixel, __global const half* residual,
    int residual_at, int residual_image, int residual_row, int residual_pixel, int in_height,
    int in_width, int images, int height, int width, int outputs, int fragments, int kernel_y,
    int kernel_x, int stride_y, int stride_x, int dilation_y, int dilation_x, int pad_y, int pad_x,
    float alpha, float beta) {
  EXCHANGE
  const int lane = (int)get_local_id(0), g = lane / 4, t = lane % 4;
  const int warp_n = (int)get_local_id(1) % WARPS_N, warp_m = (int)get_local_id(1) / WARPS_N;
  const int blocks = fragments / (N_FRAGS * WARPS_N);
  const int tile = (int)get_group_id(0) / blocks;
  const int first = ((int)get_group_id(0) % blocks * WARPS_N + warp_n) * N_FRAGS;

  Row rows[M_FRAGS][2];
#pragma unroll
  for (int f = 0; f < M_FRAGS; ++f)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int3 p = pixel_of(f, h, tile, warp_m, g, images, height, width);
      const int top = p.y * stride_y - pad_y, left = p.z * stride_x - pad_x;
      rows[f][h].from = x_at + p.x * x_image + top * x_row + left * x_pixel;
#ifdef POINTWISE
      rows[f][h].inside = p.x >= 0;
#else
      rows[f][h].inside = p.x < 0 ? 0
                                  : inside_bits(left, dilation_x, kernel_x, in_width) |
                                        inside_bits(top, dilation_y, kernel_y, in_height) << 16;
#endif
#ifndef PIXELS4
#ifdef POINTWISE
      rows[f][h].from += 8 * t;
#endif
#endif
    }

  Sums sums[M_FRAGS][N_FRAGS];
  __global const float* b = bias + bias_at + first * 8 + 2 * GROUP * t;
#pragma unroll
  for (int j = 0; j < N_FRAGS; ++j) {
    const float2 v = vload2(0, b + j / GROUP * 8 * GROUP + j % GROUP * 2);
#pragma unroll
    for (int f = 0; f < M_FRAGS; ++f) sums[f][j] = (Sums)(v.x, v.y, v.x, v.y);
  }

  __global const half* w = weights + weights_at + (first * WARP + lane) * 8;
  __global const int2* tap = (__global const int2*)(taps + taps_at) + t;
  uint4 left[M_FRAGS][2], right[N_FRAGS];

#if defined(POINTWISE)
#define LOAD_LEFT(to, k)                                                                       \
  _Pragma("unroll") for (int f = 0; f < M_FRAGS; ++f) _Pragma("unroll") for (int h = 0; h < 2; \
                                                                             ++h) to[f][h] =   \
      load16(x + (rows[f][h].from + (k)*32), (int)rows[f][h].inside && (k)*32 + 8 * t < inputs)
#elif defined(PIXELS4)
#define LOAD_LEFT(to, k)                                                                  \
  {                                                                                       \
    const int2 one = tap[(k)*8], two = tap[(k)*8 + 4];                                    \
    _Pragma("unroll") for (int f = 0; f < M_FRAGS; ++f)                                   \
        _Pragma("unroll") for (int h = 0; h < 2; ++h) {                                   \
      const Row r = rows[f][h];                                                           \
      to[f][h].xy = load8(x + (r.from + one.x), (r.inside & (uint)one.y) == (uint)one.y); \
      to[f][h].zw = load8(x + (r.from + two.x), (r.inside & (uint)two.y) == (uint)two.y); \
    }                                                                                     \
  }
#else
#define LOAD_LEFT(to, k)                                                                          \
  {                                                                                               \
    const int2 at = tap[(k)*4];                                                                   \
    _Pragma("unroll") for (int f = 0; f < M_FRAGS; ++f)                                           \
        _Pragma("unroll") for (int h = 0; h < 2; ++h) to[f][h] =                                  \
            load16(x + (rows[f][h].from + at.x), (rows[f][h].inside & (uint)at.y) == (uint)at.y); \
  }
#endif
#define LOAD_RIGHT(to, k)                                     \
  _Pragma("unroll") for (int j = 0; j < N_FRAGS; ++j) to[j] = \
      load16(w + ((k)*fragments + j) * WARP * 8, 1)

#ifdef PREFETCH
  LOAD_LEFT(left, 0);
  LOAD_RIGHT(right, 0);
#endif
  for (int k = 0; k < k_blocks; ++k) {
#ifdef PREFETCH
    uint4 next_left[M_FRAGS][2], next_right[N_FRAGS];
    const int next = min(k + 1, k_blocks - 1);
    LOAD_LEFT(next_left, next);
    LOAD_RIGHT(next_right, next);
#else
    LOAD_LEFT(left, k);
    LOAD_RIGHT(right, k);
#endif
#pragma unroll
    for (int f = 0; f < M_FRAGS; ++f)
#pragma unroll
      for (int j = 0; j < N_FRAGS; ++j) {
        const uint4 p = left[f][0], q = left[f][1], r = right[j];
        sums[f][j] = matrix_step(sums[f][j], p.x, q.x, p.y, q.y, r.x, r.y);
      }
#pragma unroll
    for (int f = 0; f < M_FRAGS; ++f)
#pragma unroll
      for (int j = 0; j < N_FRAGS; ++j) {
        const uint4 p = left[f][0], q = left[f][1], r = right[j];
        sums[f][j] = matrix_step(sums[f][j], p.z, q.z, p.w, q.w, r.z, r.w);
      }
#ifdef PREFETCH
#pragma unroll
    for (int f = 0; f < M_FRAGS; ++f) left[f][0] = next_left[f][0], left[f][1] = next_left[f][1];
#pragma unroll
    for (int j = 0; j < N_FRAGS; ++j) right[j] = next_right[j];
#endif
  }

#pragma unroll
  for (int f = 0; f < M_FRAGS; ++f)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int3 p = pixel_of(f, h, tile, warp_m, g, images, height, width);
      if (p.x < 0) continue;
      __global half* to = y + (y_at + p.x * y_image + p.y * y_row + p.z * y_pixel);
#if RESIDUAL
#ifdef ENLARGED
      const int2 from = (int2)(p.y + p.z / width, p.z % width) / 2;
#else
      const int2 from = p.yz;
#endif
      __global const half* add = residual + (residual_at + p.x * residual_image +
                                             from.x * residual_row + from.y * residual_pixel);
#endif
#pragma unroll
      for (int q = 0; q < N_FRAGS / GROUP; ++q) {
        const int channel = (first + q * GROUP) * 8 + 2 * GROUP * t;
        if (channel >= outputs) continue;
        float v[2 * GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; ++i) {
          const Sums s = sums[f][q * GROUP + i];
          v[2 * i] = h ? s.z : s.x;
          v[2 * i + 1] = h ? s.w : s.y;
        }
#if RESIDUAL
        float more[2 * GROUP];
#pragma unroll
        for (int i = 0; i < 2 * GROUP; ++i) more[i] = vload_half(channel + i, add);
#endif
#pragma unroll
        for (int i = 0; i < 2 * GROUP; ++i) {
#if RESIDUAL == 2
          v[i] += more[i];
#endif
          v[i] = activated(FUNCTION, v[i], alpha, beta);
#if RESIDUAL == 1
          v[i] += more[i];
#endif
        }
#ifdef WHOLE
#if GROUP == 4
        *(__global uint4*)(to + channel) = pack8(v);
#elif GROUP == 2
        *(__global uint2*)(to + channel) = (uint2)(pack(v[0], v[1]), pack(v[2], v[3]));
#else
        *(__global uint*)(to + channel) = pack(v[0], v[1]);
#endif
#else
        for (int i = 0; i < 2 * GROUP; ++i)
          if (channel + i < outputs) vstore_half(v[i], channel + i, to);
#endif
      }
    }
}

#else
// softmax(scale q k) v for heads of 8 to 32 channels in q and k and 64 in v. One warp makes 16 tokens
// of one head; scores never leave it. Two passes over the keys: the largest score first, so that the
// second needs no corrections. Groups: tokens / (16 WARPS), heads, images.
__attribute__((reqd_work_group_size(WARP, WARPS, 1))) __kernel void attention(
    __global const half* restrict q, int q_at, int q_image, int q_head, int q_token,
    __global const half* restrict k, int k_at, int k_image, int k_head, int k_token,
    __global const half* restrict v, int v_at, int v_image, int v_head, int v_token,
    __global half* y, int y_at, int y_image, int y_head, int y_token, int tokens, int depth,
    float scale) {
  EXCHANGE
  __local float shared[WARPS * WARP * 2];
  const int lane = (int)get_local_id(0), g = lane / 4, t = lane % 4;
  const int head = (int)get_group_id(1), image = (int)get_group_id(2);
  const int first = ((int)get_group_id(0) * WARPS + (int)get_local_id(1)) * 16;
  const int deep = 8 * t < depth;  // this item's channels of q and k exist
  __global const half* keys = k + k_at + image * k_image + head * k_head + 8 * t;
  __global const half* values = v + v_at + image * v_image + head * v_head + 8 * g;
  __global const half* queries = q + q_at + image * q_image + head * q_head + 8 * t;
  const uint4 q0 = load16(queries + (first + g) * q_token, deep && first + g < tokens);
  const uint4 q1 = load16(queries + (first + g + 8) * q_token, deep && first + g + 8 < tokens);
  const float power = scale * 1.44269504f;  // of 2

  float upper = -INFINITY, lower = -INFINITY;  // of rows g and g + 8
  for (int block = 0; block < tokens; block += 64) {
    uint4 r[8];  // loads that are under way together
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int token = block + 8 * i + g;
      r[i] = load16(keys + token * k_token, deep && token < tokens);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int n = block + 8 * i + 2 * t;
      Sums s = matrix_step((Sums)(0.0f), q0.x, q1.x, q0.y, q1.y, r[i].x, r[i].y);
      s = matrix_step(s, q0.z, q1.z, q0.w, q1.w, r[i].z, r[i].w);
      if (n < tokens) upper = fmax(upper, s.x * power), lower = fmax(lower, s.z * power);
      if (n + 1 < tokens) upper = fmax(upper, s.y * power), lower = fmax(lower, s.w * power);
    }
  }
  __local float* mine = shared + get_local_id(1) * WARP * 2;
  mine[lane] = upper;
  mine[WARP + lane] = lower;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = 0; i < 4; ++i) {
    upper = fmax(upper, mine[g * 4 + i]);
    lower = fmax(lower, mine[WARP + g * 4 + i]);
  }
  barrier(CLK_LOCAL_MEM_FENCE);

  // Fragment j's column g stands for channel 8g + j of v: an item's loads are whole words.
  Sums sums[8];
#pragma unroll
  for (int j = 0; j < 8; ++j) sums[j] = (Sums)(0.0f);
  float above = 0, below = 0;
  for (int block = 0; block < tokens; block += 32) {
    uint4 key[4], value[8];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int token = block + 8 * i + g;
      key[i] = load16(keys + token * k_token, deep && token < tokens);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int token = block + i / 4 * 16 + 2 * t + (i & 1) + (i & 2) * 4;
      value[i] = load16(values + token * v_token, token < tokens);
    }
#pragma unroll
    for (int part = 0; part < 2; ++part) {
      Sums s[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int column = block + 16 * part + 8 * i + 2 * t;
        const uint4 r = key[2 * part + i];
        Sums c = matrix_step((Sums)(0.0f), q0.x, q1.x, q0.y, q1.y, r.x, r.y);
        c = matrix_step(c, q0.z, q1.z, q0.w, q1.w, r.z, r.w);
        s[i].x = column < tokens ? native_exp2(c.x * power - upper) : 0.0f;
        s[i].y = column + 1 < tokens ? native_exp2(c.y * power - upper) : 0.0f;
        s[i].z = column < tokens ? native_exp2(c.z * power - lower) : 0.0f;
        s[i].w = column + 1 < tokens ? native_exp2(c.w * power - lower) : 0.0f;
        above += s[i].x + s[i].y;
        below += s[i].z + s[i].w;
      }
      const uint a0 = pack(s[0].x, s[0].y), a1 = pack(s[0].z, s[0].w);
      const uint a2 = pack(s[1].x, s[1].y), a3 = pack(s[1].z, s[1].w);
      uint words[4][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const uint4 r = value[4 * part + i];
        words[i][0] = r.x, words[i][1] = r.y, words[i][2] = r.z, words[i][3] = r.w;
      }
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const int shift = j % 2 * 16;
        const uint b0 = (words[0][j / 2] >> shift & 0xffff) | (words[1][j / 2] >> shift) << 16;
        const uint b1 = (words[2][j / 2] >> shift & 0xffff) | (words[3][j / 2] >> shift) << 16;
        sums[j] = matrix_step(sums[j], a0, a1, a2, a3, b0, b1);
      }
    }
  }
  mine[lane] = above;
  mine[WARP + lane] = below;
  barrier(CLK_LOCAL_MEM_FENCE);
  above = below = 0;
  for (int i = 0; i < 4; ++i) {
    above += mine[g * 4 + i];
    below += mine[WARP + g * 4 + i];
  }
  above = 1.0f / above;
  below = 1.0f / below;

  // Columns 2t and 2t + 1 of all fragments: channels 16t … 16t + 15.
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int token = first + g + 8 * h;
    if (token >= tokens) continue;
    __global half* to = y + (y_at + image * y_image + head * y_head + token * y_token + 16 * t);
    float even[8], odd[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      even[j] = h ? sums[j].z * below : sums[j].x * above;
      odd[j] = h ? sums[j].w * below : sums[j].y * above;
    }
    ((__global uint4*)to)[0] = pack8(even);
    ((__global uint4*)to)[1] = pack8(odd);
  }
}
#endif
