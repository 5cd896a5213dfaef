// NV12 to XRGB8888, into a rectangle of a screen: the one conversion where no plane takes NV12.
//
// The same arithmetic as in tests/hal/display/screen_painter_test.cpp, to the bit: 16.16 fixed point, rounded.
// `colour`: luma offset, luma gain, red of Cr, green of Cb, green of Cr, blue of Cb.
// `picture`: width, height, pitch, chroma offset. `place`: x, y, width, height; `row`: pixels.
// SPDX-License-Identifier: Apache-2.0

// --- same size: eight pixels of two rows, which share their chroma

uint8 convert8(int8 y, int8 u, int8 v, int8 colour) {
  const int8 luma = (y - colour.s0) * colour.s1 + 32768;
  const int8 r = clamp((luma + colour.s2 * v) >> 16, 0, 255);
  const int8 g = clamp((luma - colour.s3 * u - colour.s4 * v) >> 16, 0, 255);
  const int8 b = clamp((luma + colour.s5 * u) >> 16, 0, 255);
  return as_uint8(r << 16 | g << 8 | b) | 0xff000000u;
}

uint convert1(int y, int u, int v, int8 colour) {
  const int luma = (y - colour.s0) * colour.s1 + 32768;
  const int r = clamp((luma + colour.s2 * v) >> 16, 0, 255);
  const int g = clamp((luma - colour.s3 * u - colour.s4 * v) >> 16, 0, 255);
  const int b = clamp((luma + colour.s5 * u) >> 16, 0, 255);
  return as_uint(r << 16 | g << 8 | b) | 0xff000000u;
}

__kernel void scanout_copy(__global const uchar* source, int4 picture, __global uint* screen,
                           int4 place, int row, int8 colour) {
  const int x = 8 * (int)get_global_id(0), y = 2 * (int)get_global_id(1);
  if (x >= picture.s0 || y >= picture.s1) return;
  __global const uchar* luma = source + (size_t)y * picture.s2 + x;
  __global const uchar* chroma = source + picture.s3 + (size_t)(y / 2) * picture.s2 + x;
  __global uint* out = screen + (size_t)(place.s1 + y) * row + place.s0 + x;
  if (x + 8 <= picture.s0) {
    const int8 uv = convert_int8(vload8(0, chroma)) - 128;
    const int8 u = uv.s00224466, v = uv.s11335577;
    vstore8(convert8(convert_int8(vload8(0, luma)), u, v, colour), 0, out);
    vstore8(convert8(convert_int8(vload8(0, luma + picture.s2)), u, v, colour), 0, out + row);
    return;
  }
  for (int i = 0; x + i < picture.s0; ++i) {
    const int u = chroma[i & ~1] - 128, v = chroma[i | 1] - 128;
    out[i] = convert1(luma[i], u, v, colour);
    out[i + row] = convert1(luma[i + picture.s2], u, v, colour);
  }
}

// --- another size: the mean of evenly spread samples when smaller, bilinear when larger

// Position of sample k of `taps` under output pixel x.
int spread(int x, int k, int taps, int from, int to) {
  return (int)((2 * ((uint)x * taps + k) + 1) * (uint)from / (2 * (uint)to * taps));
}

// Where output pixel x lies between two samples: their first, and 256ths to the second.
int2 between(int x, int from, int to) {
  const long p = ((2 * (long)x + 1) * from * 128) / to - 128;
  const int q = (int)clamp(p, 0L, (long)(from - 1) * 256);
  return (int2)(q >> 8, q & 255);
}

// One plane; `step` 1 is luma, 2 one of the interleaved components.
int sample_plane(__global const uchar* plane, int pitch, int step, int2 from, int2 to, int x, int y) {
  if (from.x > to.x || from.y > to.y) {
    const int nx = max(1, (from.x + to.x - 1) / to.x), ny = max(1, (from.y + to.y - 1) / to.y);
    int sum = nx * ny / 2;
    for (int j = 0; j < ny; ++j) {
      __global const uchar* line = plane + (size_t)spread(y, j, ny, from.y, to.y) * pitch;
      for (int i = 0; i < nx; ++i) sum += line[spread(x, i, nx, from.x, to.x) * step];
    }
    return sum / (nx * ny);
  }
  const int2 px = between(x, from.x, to.x), py = between(y, from.y, to.y);
  __global const uchar* a = plane + (size_t)py.x * pitch;
  __global const uchar* b = plane + (size_t)min(py.x + 1, from.y - 1) * pitch;
  const int x0 = px.x * step, x1 = min(px.x + 1, from.x - 1) * step;
  const int top = a[x0] * (256 - px.y) + a[x1] * px.y;
  const int bottom = b[x0] * (256 - px.y) + b[x1] * px.y;
  return (top * (256 - py.y) + bottom * py.y + 32768) >> 16;
}

__kernel void scanout_scale(__global const uchar* source, int4 picture, __global uint* screen,
                            int4 place, int row, int8 colour) {
  const int x = get_global_id(0), y = get_global_id(1);
  if (x >= place.s2 || y >= place.s3) return;
  const int2 full = (int2)(picture.s0, picture.s1), coarse = full / 2;
  __global const uchar* chroma = source + picture.s3;
  const int luma = sample_plane(source, picture.s2, 1, full, place.s23, x, y);
  const int u = sample_plane(chroma, picture.s2, 2, coarse, place.s23, x, y) - 128;
  const int v = sample_plane(chroma + 1, picture.s2, 2, coarse, place.s23, x, y) - 128;
  screen[(size_t)(place.s1 + y) * row + place.s0 + x] = convert1(luma, u, v, colour);
}
