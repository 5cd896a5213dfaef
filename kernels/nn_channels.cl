// Channels-last fp16 tensors: depthwise convolutions, pools, resizing, and detection heads. An item
// does 8 channels, so that neighbours read neighbouring words.
// SPDX-License-Identifier: Apache-2.0
#ifndef WARPS
#define WARPS 1
#endif
#ifndef RESIDUAL
#define RESIDUAL 0
#endif
#ifndef FUNCTION
#define FUNCTION 0
#endif
#ifndef RUN
#define KERNEL_Y 1
#define KERNEL_X 1
#define STRIDE_X 1
#define RUN 1
#endif
#include "nn_fragments.clh"

#define PLACE                                                                               \
  const int chunk = (int)get_global_id(0) % chunks, place = (int)get_global_id(0) / chunks; \
  const int row = (int)get_global_id(1), image = (int)get_global_id(2);

// RUN output pixels of a row for each item. Weights: [tap][channel].
// Global ids: chunk of 8 channels times run (rounded up to whole groups), row, image.
__kernel void depthwise(__global const half* restrict x, int x_at, int x_image, int x_row,
                        int x_pixel, __global const half* restrict weights, int weights_at,
                        __global const float* restrict bias, int bias_at, __global half* y,
                        int y_at, int y_image, int y_row, int y_pixel,
                        __global const half* residual, int residual_at, int residual_image,
                        int residual_row, int residual_pixel, int has_residual, int residual_first,
                        int in_height, int in_width, int width, int chunks, int stride_y,
                        int dilation_y, int pad_y, int pad_x, float alpha, float beta) {
  PLACE
  const int first = place * RUN;
  if (first >= width) return;
  float sums[RUN][8];
#pragma unroll
  for (int c = 0; c < 8; ++c) {
    const float b = bias[bias_at + chunk * 8 + c];
#pragma unroll
    for (int r = 0; r < RUN; ++r) sums[r][c] = b;
  }
  const int left = first * STRIDE_X - pad_x;
  for (int ky = 0; ky < KERNEL_Y; ++ky) {
    const int in = row * stride_y - pad_y + ky * dilation_y;
    if (in < 0 || in >= in_height) continue;
    float w[KERNEL_X][8];
#pragma unroll
    for (int kx = 0; kx < KERNEL_X; ++kx)
      unpack8(load16(weights + weights_at + ((ky * KERNEL_X + kx) * chunks + chunk) * 8, 1), w[kx]);
    __global const half* from = x + x_at + image * x_image + in * x_row + chunk * 8;
#pragma unroll
    for (int i = 0; i < (RUN - 1) * STRIDE_X + KERNEL_X; ++i) {
      float v[8];
      unpack8(load16(from + (left + i) * x_pixel, left + i >= 0 && left + i < in_width), v);
#pragma unroll
      for (int r = 0; r < RUN; ++r) {
        const int kx = i - r * STRIDE_X;
        if (kx < 0 || kx >= KERNEL_X) continue;
#pragma unroll
        for (int c = 0; c < 8; ++c) sums[r][c] = mad(v[c], w[kx][c], sums[r][c]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < RUN; ++r) {
    if (first + r >= width) continue;
    float more[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (has_residual)
      unpack8(
          *(__global const uint4*)(residual + residual_at + image * residual_image +
                                   row * residual_row + (first + r) * residual_pixel + chunk * 8),
          more);
#pragma unroll
    for (int c = 0; c < 8; ++c) {
      const float before = residual_first ? more[c] : 0.0f, after = residual_first ? 0.0f : more[c];
      sums[r][c] = activated(FUNCTION, sums[r][c] + before, alpha, beta) + after;
    }
    *(__global uint4*)(y + y_at + image * y_image + row * y_row + (first + r) * y_pixel +
                       chunk * 8) = pack8(sums[r]);
  }
}

// Global ids: chunk of 8 channels times column (rounded up to whole groups), row, image.
__kernel void max_pool(__global const half* restrict x, int x_at, int x_image, int x_row,
                       int x_pixel, __global half* y, int y_at, int y_image, int y_row, int y_pixel,
                       int in_height, int in_width, int width, int chunks, int kernel_y,
                       int kernel_x, int stride_y, int stride_x, int dilation_y, int dilation_x,
                       int pad_y, int pad_x) {
  PLACE
  if (place >= width) return;
  float largest[8];
  for (int c = 0; c < 8; ++c) largest[c] = -INFINITY;
  for (int ky = 0; ky < kernel_y; ++ky) {
    const int in = row * stride_y - pad_y + ky * dilation_y;
    if (in < 0 || in >= in_height) continue;
    for (int kx = 0; kx < kernel_x; ++kx) {
      const int column = place * stride_x - pad_x + kx * dilation_x;
      if (column < 0 || column >= in_width) continue;
      float v[8];
      unpack8(load16(x + x_at + image * x_image + in * x_row + column * x_pixel + chunk * 8, 1), v);
#pragma unroll
      for (int c = 0; c < 8; ++c) largest[c] = fmax(largest[c], v[c]);
    }
  }
  *(__global uint4*)(y + y_at + image * y_image + row * y_row + place * y_pixel + chunk * 8) =
      pack8(largest);
}

// Three max pools of 5x5, each over the one before, from their input alone: the largest of 5x5, 9x9
// and 13x13, by rows first. An item does 2 channels, so that all sums stay in registers.
// Global ids: pair of channels times column (rounded up to whole groups), run of POOL_ROWS rows, image.
#define POOL_ROWS 8
__kernel void max_pool_chain(__global const half* restrict x, int x_at, int x_image, int x_row,
                             int x_pixel, __global half* y5, int y5_at, int y5_image, int y5_row,
                             int y5_pixel, __global half* y9, int y9_at, int y9_image, int y9_row,
                             int y9_pixel, __global half* y13, int y13_at, int y13_image,
                             int y13_row, int y13_pixel, int height, int width, int pairs) {
  const int pair = (int)get_global_id(0) % pairs, column = (int)get_global_id(0) / pairs;
  const int first = (int)get_global_id(1) * POOL_ROWS, image = (int)get_global_id(2);
  if (column >= width) return;
  const float2 nothing = (float2)(-INFINITY);
  float2 five[POOL_ROWS], nine[POOL_ROWS], thirteen[POOL_ROWS];
#pragma unroll
  for (int r = 0; r < POOL_ROWS; ++r) five[r] = nine[r] = thirteen[r] = nothing;
  for (int in = max(first - 6, 0); in < min(first + POOL_ROWS + 6, height); ++in) {
    __global const half* from = x + x_at + image * x_image + in * x_row + 2 * pair;
    float2 widest[3] = {nothing, nothing, nothing};  // of 5, 9 and 13 columns
#pragma unroll
    for (int d = -6; d <= 6; ++d) {
      const int at = column + d, w = abs(d) <= 2 ? 0 : abs(d) <= 4 ? 1 : 2;
      if (at < 0 || at >= width) continue;
      widest[w] = fmax(widest[w], unpack(*(__global const uint*)(from + at * x_pixel)));
    }
    widest[1] = fmax(widest[1], widest[0]);
    widest[2] = fmax(widest[2], widest[1]);
#pragma unroll
    for (int r = 0; r < POOL_ROWS; ++r) {
      const int distance = abs(in - first - r);
      if (distance <= 2) five[r] = fmax(five[r], widest[0]);
      if (distance <= 4) nine[r] = fmax(nine[r], widest[1]);
      if (distance <= 6) thirteen[r] = fmax(thirteen[r], widest[2]);
    }
  }
#define STORE_PAIR(to, from)                                                     \
  *(__global uint*)(to + to##_at + image * to##_image + (first + r) * to##_row + \
                    column * to##_pixel + 2 * pair) = pack(from[r].x, from[r].y)
#pragma unroll
  for (int r = 0; r < POOL_ROWS; ++r) {
    if (first + r >= height) continue;
    STORE_PAIR(y5, five);
    STORE_PAIR(y9, nine);
    STORE_PAIR(y13, thirteen);
  }
}

// Chunks of 8 channels from one place to another. Global ids: chunk times place of the last dimension
// (rounded up to whole groups), places of the other two.
__kernel void copy(__global const half* restrict x, int x_at, int x_outer, int x_middle,
                   int x_inner, __global half* y, int y_at, int y_outer, int y_middle, int y_inner,
                   int inner, int chunks) {
  PLACE
  if (place >= inner) return;
  *(__global uint4*)(y + y_at + image * y_outer + row * y_middle + place * y_inner + chunk * 8) =
      load16(x + x_at + image * x_outer + row * x_middle + place * x_inner + chunk * 8, 1);
}

// The table says which input row each output row takes, then which column each column. With RESIDUAL
// another image is added, and the sum goes through FUNCTION.
__kernel void resize_nearest(__global const half* restrict x, int x_at, int x_image, int x_row,
                             int x_pixel, __global half* y, int y_at, int y_image, int y_row,
                             int y_pixel, __global const half* residual, int residual_at,
                             int residual_image, int residual_row, int residual_pixel, int height,
                             int width, int chunks, __global const int* restrict tables,
                             int table_at, float alpha, float beta) {
  PLACE
  if (place >= width) return;
  const int in = tables[table_at + row], column = tables[table_at + height + place];
  uint4 v = load16(x + x_at + image * x_image + in * x_row + column * x_pixel + chunk * 8, 1);
#if RESIDUAL
  float sums[8], more[8];
  unpack8(v, sums);
  unpack8(*(__global const uint4*)(residual + residual_at + image * residual_image +
                                   row * residual_row + place * residual_pixel + chunk * 8),
          more);
#pragma unroll
  for (int c = 0; c < 8; ++c) sums[c] = activated(FUNCTION, sums[c] + more[c], alpha, beta);
  v = pack8(sums);
#endif
  *(__global uint4*)(y + y_at + image * y_image + row * y_row + place * y_pixel + chunk * 8) = v;
}

// The head of YOLOv8 and its successors: the expected distance of each side over 16 bins, boxes by
// centre and size, and the sigmoid of the scores. Global ids: anchor (rounded up), image.
__kernel void distance_boxes(__global const half* restrict bins, int bins_at, int bins_image,
                             int bins_anchor, __global const half* restrict scores, int scores_at,
                             int scores_image, int scores_anchor,
                             __global const float* restrict anchors, int anchors_at,
                             __global const float* restrict steps, int steps_at, __global float* y,
                             int y_at, int y_image, int y_channel, int count, int classes) {
  const int anchor = (int)get_global_id(0), image = (int)get_global_id(1);
  if (anchor >= count) return;
  __global const half* from = bins + bins_at + image * bins_image + anchor * bins_anchor;
  __global const half* score = scores + scores_at + image * scores_image + anchor * scores_anchor;
  __global float* to = y + y_at + image * y_image + anchor;
  float distance[4];
#pragma unroll
  for (int side = 0; side < 4; ++side) {
    float v[16];
    unpack8(load16(from + side * 16, 1), v);
    unpack8(load16(from + side * 16 + 8, 1), v + 8);
    float largest = v[0];
#pragma unroll
    for (int i = 1; i < 16; ++i) largest = fmax(largest, v[i]);
    float sum = 0, weighted = 0;
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      const float e = native_exp(v[i] - largest);
      sum += e;
      weighted = mad((float)i, e, weighted);
    }
    distance[side] = weighted / sum;
  }
  const float step = steps[steps_at + anchor];
  const float x_centre = anchors[anchors_at + anchor],
              y_centre = anchors[anchors_at + count + anchor];
  to[0] = (x_centre + (distance[2] - distance[0]) * 0.5f) * step;
  to[y_channel] = (y_centre + (distance[3] - distance[1]) * 0.5f) * step;
  to[2 * y_channel] = (distance[0] + distance[2]) * step;
  to[3 * y_channel] = (distance[1] + distance[3]) * step;
  for (int c = 0; c < classes; c += 8) {
    float v[8];
    unpack8(load16(score + c, 1), v);
#pragma unroll
    for (int i = 0; i < 8; ++i)
      if (c + i < classes) to[(4 + c + i) * y_channel] = activated(3, v[i], 0.0f, 0.0f);
  }
}
