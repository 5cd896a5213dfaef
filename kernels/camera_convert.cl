// A camera's picture, in whatever order it came, as NV12: once, straight into the surface.
// SPDX-License-Identifier: Apache-2.0
//
// Chroma is averaged over what one NV12 sample covers, rounding half up; words of more than 8 bits
// are rounded to 8. Then, where TRANSFORM is given, colours go from the camera's matrix and range to
// the rig's, in 1/2^14 (the coefficients of YuvTransform); luma uses its NV12 sample's chroma.
//
// A work item is 8 columns of 2 rows. The last item of a row begins where it just fits, so that no
// byte beyond the picture is read; what it shares with its neighbour is written twice alike.
//
// -D: LUMA_STEP, CHROMA_STEP, SAMPLE_BYTES, SHIFT, HIGH_BYTE (place of a word's upper byte),
//     CHROMA_COLUMNS (0: grey), CHROMA_ROWS; TRANSFORM with Y_Y, Y_CB, Y_CR, Y_OFFSET, CB_CB, CB_CR,
//     CR_CB, CR_CR

int sample_at(__global const uchar* p) {
#if SAMPLE_BYTES == 1
  return p[0];
#else
  return min(255, (p[HIGH_BYTE] * 256 + p[1 - HIGH_BYTE] + (1 << (SHIFT - 1))) >> SHIFT);
#endif
}

uchar clamped(int value) {
  return convert_uchar_sat(value >> 14);
}

#if CHROMA_COLUMNS != 0
// `x`, `y`: of the NV12 sample.
int chroma_at(__global const uchar* p, int pitch, int x, int y) {
  const int columns = 2 / CHROMA_COLUMNS, rows = 2 / CHROMA_ROWS;
  int sum = columns * rows / 2;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c)
      sum += sample_at(p + (y * rows + r) * pitch + (x * columns + c) * CHROMA_STEP);
  return sum / (columns * rows);
}
#endif

// Offsets and pitches in bytes; width even, at least 8; height even.
__kernel void camera_convert(__global const uchar* luma, int luma_offset, int luma_pitch,
                             __global const uchar* cb, int cb_offset, int cb_pitch,
                             __global const uchar* cr, int cr_offset, int cr_pitch,
                             __global uchar* picture, int width, int height, int pitch) {
  const int x0 = min((int)get_global_id(0) * 8, width - 8), y0 = get_global_id(1) * 2;
  uchar chroma[8], upper[8], lower[8];
  for (int i = 0; i < 4; ++i) {
#if CHROMA_COLUMNS == 0
    chroma[2 * i] = chroma[2 * i + 1] = 128;
#else
    const int b = chroma_at(cb + cb_offset, cb_pitch, x0 / 2 + i, y0 / 2);
    const int r = chroma_at(cr + cr_offset, cr_pitch, x0 / 2 + i, y0 / 2);
#ifdef TRANSFORM
    chroma[2 * i] = clamped(CB_CB * (b - 128) + CB_CR * (r - 128) + 128 * 16384 + 8192);
    chroma[2 * i + 1] = clamped(CR_CB * (b - 128) + CR_CR * (r - 128) + 128 * 16384 + 8192);
    const int shift = Y_CB * (b - 128) + Y_CR * (r - 128) + Y_OFFSET;
    __global const uchar* p = luma + luma_offset + y0 * luma_pitch + (x0 + 2 * i) * LUMA_STEP;
    upper[2 * i] = clamped(Y_Y * sample_at(p) + shift);
    upper[2 * i + 1] = clamped(Y_Y * sample_at(p + LUMA_STEP) + shift);
    lower[2 * i] = clamped(Y_Y * sample_at(p + luma_pitch) + shift);
    lower[2 * i + 1] = clamped(Y_Y * sample_at(p + luma_pitch + LUMA_STEP) + shift);
#else
    chroma[2 * i] = b;
    chroma[2 * i + 1] = r;
#endif
#endif
  }
#if CHROMA_COLUMNS == 0 || !defined(TRANSFORM)
  for (int i = 0; i < 8; ++i) {
    __global const uchar* p = luma + luma_offset + y0 * luma_pitch + (x0 + i) * LUMA_STEP;
    upper[i] = sample_at(p);
    lower[i] = sample_at(p + luma_pitch);
#ifdef TRANSFORM
    upper[i] = clamped(Y_Y * upper[i] + Y_OFFSET);
    lower[i] = clamped(Y_Y * lower[i] + Y_OFFSET);
#endif
  }
#endif
  __global uchar* out = picture + y0 * pitch + x0;
  vstore8(vload8(0, upper), 0, out);
  vstore8(vload8(0, lower), 0, out + pitch);
  vstore8(vload8(0, chroma), 0, picture + (height + y0 / 2) * pitch + x0);
}
