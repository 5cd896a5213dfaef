// The tile stage: crop, scale, YUV to RGB, normalise and planar layout in one pass from an NV12
// picture into the network's input tensor.
// SPDX-License-Identifier: Apache-2.0
//
// TILE_LANES neighbouring pixels of two rows per work-item: 4 on GPUs, so that a warp's stores lie
// side by side, 16 on CPUs, one vector register. Global range: column groups, row pairs, tiles.
//
// TILE_ALIGNED: every row of the tensor begins on a whole vector, so a vector is stored at once.
// On CPUs such stores go around the caches, which spares reading what is overwritten; the tensor is
// larger than they are.
#include "nn_fragments.clh"
#if TILE_LANES == 4
typedef float4 Lanes;
#define LOAD(p) convert_float4(vload4(0, p))
#define EVEN(v) (v).s0022
#define ODD(v) (v).s1133
#ifdef TILE_ALIGNED
#define STORE(v, p) (*(__global Lanes*)(p) = (v))
#else
#define STORE(v, p) vstore4(v, 0, p)
#endif
#else
typedef float16 Lanes;
#define LOAD(p) convert_float16(vload16(0, p))
#define EVEN(v) (v).s0022446688aaccee
#define ODD(v) (v).s1133557799bbddff
#if defined(TILE_ALIGNED) && defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define STORE(v, p) __builtin_nontemporal_store(v, (__global Lanes*)(p))
#endif
#endif
#ifndef STORE
#define STORE(v, p) vstore16(v, 0, p)
#endif
#endif

// The colour matrix with range and normalisation folded in: channel c of a pixel is
// clamp(x·Y + y·Cb + z·Cr + w, low, high); the limits are those of RGB 0 and 255.
typedef struct {
  float4 row[3];
  float4 low, high, pad;  // per channel of the tensor, in .x .y .z
} Colour;

float channel(float4 k, float y, float cb, float cr, float low, float high) {
  return clamp(fma(k.x, y, fma(k.y, cb, fma(k.z, cr, k.w))), low, high);
}

// What row c makes of the chroma, once for two rows.
Lanes chroma_part(float4 k, Lanes uv) {
  return fma((Lanes)(k.y), EVEN(uv), fma((Lanes)(k.z), ODD(uv), (Lanes)(k.w)));
}

Lanes with_luma(float4 k, Lanes y, Lanes chroma, float low, float high) {
  return clamp(fma((Lanes)(k.x), y, chroma), (Lanes)(low), (Lanes)(high));
}

// The tensor: planes of floats, or with TILE_PIXELS pixels of four halves, the fourth zero.
#ifdef TILE_PIXELS
typedef half Element;
#define PIXEL 4
#define PLANES 4

void put(__global half* out, size_t plane, float a, float b, float c) {
  *(__global uint2*)out = (uint2)(pack(a, b), pack(c, 0.0f));
}

// Neighbouring pixels of a row.
void put_lanes(__global half* out, size_t plane, Lanes a, Lanes b, Lanes c) {
  union {
    Lanes all;
    float each[TILE_LANES];
  } u, v, w;
  u.all = a, v.all = b, w.all = c;
  uint2 pixels[TILE_LANES];
  for (int i = 0; i < TILE_LANES; ++i)
    pixels[i] = (uint2)(pack(u.each[i], v.each[i]), pack(w.each[i], 0.0f));
#ifdef TILE_ALIGNED
  for (int i = 0; i < TILE_LANES; i += 2)
    ((__global uint4*)out)[i / 2] = (uint4)(pixels[i], pixels[i + 1]);
#else
  for (int i = 0; i < TILE_LANES; ++i) ((__global uint2*)out)[i] = pixels[i];
#endif
}
#else
typedef float Element;
#define PIXEL 1
#define PLANES 3

void put(__global float* out, size_t plane, float a, float b, float c) {
  out[0] = a;
  out[plane] = b;
  out[2 * plane] = c;
}

void put_lanes(__global float* out, size_t plane, Lanes a, Lanes b, Lanes c) {
  STORE(a, out);
  STORE(b, out + plane);
  STORE(c, out + 2 * plane);
}
#endif

// One pixel at native scale; (x, y) is a panorama pixel.
void native_pixel(__global const uchar* luma, __global const uchar* chroma, int pitch, int2 size,
                  int x, int y, __constant Colour* k, __global Element* out, size_t plane) {
  if (x < 0 || y < 0 || x >= size.x || y >= size.y) {
    put(out, plane, k->pad.x, k->pad.y, k->pad.z);
    return;
  }
  const float v = luma[(size_t)y * pitch + x];
  const size_t pair = (size_t)(y >> 1) * pitch + (x & ~1);
  const float cb = chroma[pair], cr = chroma[pair + 1];
  put(out, plane, channel(k->row[0], v, cb, cr, k->low.x, k->high.x),
      channel(k->row[1], v, cb, cr, k->low.y, k->high.y),
      channel(k->row[2], v, cb, cr, k->low.z, k->high.z));
}

// Tiles at native scale. Origins are even, so a row pair and an even column share their chroma.
__kernel void tile_native(__global const uchar* picture, int pitch, int chroma_offset, int2 size,
                          __constant int2* origins, int first_tile, int2 network,
                          __constant Colour* k, __global Element* tensor) {
  const int column = get_global_id(0) * TILE_LANES, row = get_global_id(1) * 2;
  if (column >= network.x || row >= network.y) return;
  const size_t plane = (size_t)network.x * network.y;
  const int2 origin = origins[first_tile + get_global_id(2)];
  const int x = origin.x + column, y = origin.y + row;
  __global const uchar* chroma = picture + chroma_offset;
  __global Element* out =
      tensor + get_global_id(2) * PLANES * plane + ((size_t)row * network.x + column) * PIXEL;
  if (x >= 0 && y >= 0 && x + TILE_LANES <= size.x && y + 2 <= size.y &&
      column + TILE_LANES <= network.x && row + 2 <= network.y) {
    __global const uchar* luma = picture + (size_t)y * pitch + x;
    const Lanes upper = LOAD(luma), lower = LOAD(luma + pitch);
    const Lanes uv = LOAD(chroma + (size_t)(y >> 1) * pitch + x);
    const float low[3] = {k->low.x, k->low.y, k->low.z};
    const float high[3] = {k->high.x, k->high.y, k->high.z};
    Lanes above[3], below[3];
    for (int c = 0; c < 3; ++c) {
      const Lanes part = chroma_part(k->row[c], uv);
      above[c] = with_luma(k->row[c], upper, part, low[c], high[c]);
      below[c] = with_luma(k->row[c], lower, part, low[c], high[c]);
    }
    put_lanes(out, plane, above[0], above[1], above[2]);
    put_lanes(out + network.x * PIXEL, plane, below[0], below[1], below[2]);
    return;
  }
  if ((x >= size.x || y >= size.y || x + TILE_LANES <= 0 || y + 2 <= 0) &&
      column + TILE_LANES <= network.x && row + 2 <= network.y) {
    for (int j = 0; j < 2; ++j)
      put_lanes(out + j * network.x * PIXEL, plane, (Lanes)(k->pad.x), (Lanes)(k->pad.y),
                (Lanes)(k->pad.z));
    return;
  }
  for (int j = 0; j < 2 && row + j < network.y; ++j)
    for (int i = 0; i < TILE_LANES && column + i < network.x; ++i)
      native_pixel(picture, chroma, pitch, size, x + i, y + j, k,
                   out + ((size_t)j * network.x + i) * PIXEL, plane);
}

// Bilinear sample of one byte of every `stride`, edges repeated. (x, y) in samples, centres whole.
float sample(__global const uchar* data, int pitch, int stride, int2 size, float x, float y) {
  x = clamp(x, 0.0f, size.x - 1.0f);
  y = clamp(y, 0.0f, size.y - 1.0f);
  const int x0 = (int)x, y0 = (int)y;
  const int x1 = min(x0 + 1, size.x - 1) * stride, y1 = min(y0 + 1, size.y - 1);
  const float fx = x - x0, fy = y - y0;
  __global const uchar* a = data + (size_t)y0 * pitch;
  __global const uchar* b = data + (size_t)y1 * pitch;
  const float top = mix((float)a[x0 * stride], (float)a[x1], fx);
  const float bottom = mix((float)b[x0 * stride], (float)b[x1], fx);
  return mix(top, bottom, fy);
}

// Tiles at any scale: one pixel per work-item. `step` is panorama pixels per network pixel. Chroma
// samples are taken to lie in the middle of their four pixels, as at native scale.
__kernel void tile_scaled(__global const uchar* picture, int pitch, int chroma_offset, int2 size,
                          __constant int2* origins, int first_tile, int2 network,
                          __constant Colour* k, __global Element* tensor, float step) {
  const int column = get_global_id(0), row = get_global_id(1);
  if (column >= network.x || row >= network.y) return;
  const size_t plane = (size_t)network.x * network.y;
  const int2 origin = origins[first_tile + get_global_id(2)];
  const float x = origin.x + fma(column + 0.5f, step, -0.5f);
  const float y = origin.y + fma(row + 0.5f, step, -0.5f);
  __global Element* out =
      tensor + get_global_id(2) * PLANES * plane + ((size_t)row * network.x + column) * PIXEL;
  if (x < -0.5f || y < -0.5f || x >= size.x - 0.5f || y >= size.y - 0.5f) {
    put(out, plane, k->pad.x, k->pad.y, k->pad.z);
    return;
  }
  const float v = sample(picture, pitch, 1, size, x, y);
  const float cx = x * 0.5f - 0.25f, cy = y * 0.5f - 0.25f;
  __global const uchar* chroma = picture + chroma_offset;
  const float cb = sample(chroma, pitch, 2, size / 2, cx, cy);
  const float cr = sample(chroma + 1, pitch, 2, size / 2, cx, cy);
  put(out, plane, channel(k->row[0], v, cb, cr, k->low.x, k->high.x),
      channel(k->row[1], v, cb, cr, k->low.y, k->high.y),
      channel(k->row[2], v, cb, cr, k->low.z, k->high.z));
}
