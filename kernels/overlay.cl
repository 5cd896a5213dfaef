// Shapes drawn over an NV12 picture, in place.
// SPDX-License-Identifier: Apache-2.0
//
// The picture is cut into tiles of 32×16 pixels; one work-group per tile that any shape touches, one
// work-item per 2×2 pixels with the chroma sample that they share. Each goes through the tile's
// shapes in their order, so that what is drawn later lies on top and nothing is written twice.
// Whole numbers throughout: every device draws the same picture.
//
// A shape's coverage of a pixel is 0 … 256; luma is blended by it, chroma by the mean of the four.
// The layout of `list` is OverlayShape's and Overlay's in pipeline/overlay*.hpp.

#define SHAPE_INTS 16
#define TILE_INTS 4

typedef struct {
  int kind, left, top, right, bottom, size;  // pixels; [left, right) × [top, bottom) holds all of it
  int x, y, along_x, along_y, length;        // lines: 1/16 pixel; the direction in 1/4096
  uint low, high;                            // glyphs: 35 dots, row by row
  int ink, opacity;                          // Y, Cb, Cr from the low byte up; 0 … 256
  int unused;
} Shape;

int inside(int sixteenths) {
  return clamp(sixteenths * 16, 0, 256);
}

int coverage(__global const Shape* s, int x, int y) {
  if (x < s->left || x >= s->right || y < s->top || y >= s->bottom) return 0;
  switch (s->kind) {
    case 0:  // filled
      return 256;
    case 1:  // outline
      return x < s->left + s->size || x >= s->right - s->size || y < s->top + s->size ||
                     y >= s->bottom - s->size
                 ? 256
                 : 0;
    case 2: {  // line
      const int dx = 16 * x - s->x, dy = 16 * y - s->y, reach = s->size + 8;
      const int along = (dx * s->along_x + dy * s->along_y) >> 12;
      const int across = (dy * s->along_x - dx * s->along_y) >> 12;
      const int ends = inside(min(along, s->length - along) + reach);
      return min(ends, inside(reach - (int)abs(across)));
    }
    default: {  // glyph
      const int dot = (y - s->top) / s->size * 5 + (x - s->left) / s->size;
      return (dot < 32 ? s->low >> dot : s->high >> (dot - 32)) & 1 ? 256 : 0;
    }
  }
}

uchar blend(uchar under, int ink, int alpha) {
  return (uchar)(under + (((ink - under) * alpha + 128) >> 8));
}

// `format`: width, height, pitch, offset of the chroma plane.
__attribute__((reqd_work_group_size(128, 1, 1))) __kernel void overlay_draw(
    __global uchar* picture, int4 format, __global const int* list, int tiles_at, int entries_at) {
  __global const int* tile = list + tiles_at + TILE_INTS * get_group_id(0);
  const int x = tile[0] + 2 * (get_local_id(0) % 16), y = tile[1] + 2 * (get_local_id(0) / 16);
  if (x >= format.x || y >= format.y) return;
  __global uchar* luma = picture + (size_t)y * format.z + x;
  __global uchar* chroma = picture + format.w + (size_t)(y / 2) * format.z + x;
  uchar p[4] = {luma[0], luma[1], luma[format.z], luma[format.z + 1]};
  uchar cb = chroma[0], cr = chroma[1];
  for (int i = 0; i < tile[3]; ++i) {
    __global const Shape* s =
        (__global const Shape*)(list + SHAPE_INTS * list[entries_at + tile[2] + i]);
    const int ink = s->ink, opacity = s->opacity;
    int sum = 0;
    for (int k = 0; k < 4; ++k) {
      const int alpha = coverage(s, x + k % 2, y + k / 2) * opacity >> 8;
      p[k] = blend(p[k], ink & 255, alpha);
      sum += alpha;
    }
    cb = blend(cb, ink >> 8 & 255, (sum + 2) >> 2);
    cr = blend(cr, ink >> 16 & 255, (sum + 2) >> 2);
  }
  luma[0] = p[0], luma[1] = p[1], luma[format.z] = p[2], luma[format.z + 1] = p[3];
  chroma[0] = cb, chroma[1] = cr;
}
