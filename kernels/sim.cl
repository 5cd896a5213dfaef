// The simulated camera: a still background made once, then per frame exposure, noise and actors.
// SPDX-License-Identifier: Apache-2.0
//
// The encoded picture is the square root of linear light (close to BT.709's curve), so that a
// change of exposure or white balance is a 3×3 matrix on (Y, Cb, Cr). The background is kept in 16
// bits: full-size Y, then half-size (Cb, Cr) pairs with 0.5 added, in the layout of NV12.
#include "sim_ground.clh"

#define STORED 65535.0f

// Direction of a pixel in the world from the mesh; zero where the lens sees nothing.
float3 mesh_direction(__global const float4* mesh, int nodes, float x, float y) {
  const float gx = x / SIM_MESH_STEP + 1, gy = y / SIM_MESH_STEP + 1;
  const int ix = (int)gx, iy = (int)gy;
  const float u = gx - ix, v = gy - iy;
  const float4 a = mesh[iy * nodes + ix], b = mesh[iy * nodes + ix + 1];
  const float4 c = mesh[(iy + 1) * nodes + ix], d = mesh[(iy + 1) * nodes + ix + 1];
  if (a.w * b.w * c.w * d.w == 0) return (float3)(0);
  return normalize(mix(mix(a, b, u), mix(c, d, u), v).xyz);
}

float3 encoded(__constant SimGround* g, float3 c, float x, float y) {
  const float dx = x - g->centre_x, dy = y - g->centre_y;
  const float shade = 1 - g->vignette * (dx * dx + dy * dy) * g->inverse_radius_squared;
  const float3 e = sqrt(clamp(c, 0.0f, 1.0f)) * shade;
  return (float3)(dot((float3)(g->from_rgb[0], g->from_rgb[1], g->from_rgb[2]), e),
                  dot((float3)(g->from_rgb[3], g->from_rgb[4], g->from_rgb[5]), e),
                  dot((float3)(g->from_rgb[6], g->from_rgb[7], g->from_rgb[8]), e));
}

// One work-item per 2×2 pixels. Sub-samples are averaged in linear light.
__kernel void sim_background(__constant SimGround* g, __global const float4* mesh, int nodes,
                             __global ushort* out, int width, int height, int pitch) {
  const int cx = get_global_id(0), cy = get_global_id(1);
  if (2 * cx >= width || 2 * cy >= height) return;
  float2 chroma = (float2)(0);
  for (int k = 0; k < 4; ++k) {
    const int px = 2 * cx + (k & 1), py = 2 * cy + (k >> 1);
    const float3 left = mesh_direction(mesh, nodes, px - 0.5f, py);
    const float sample = length(mesh_direction(mesh, nodes, px + 0.5f, py) - left) / g->samples;
    float3 sum = (float3)(0);
    for (int j = 0; j < g->samples * g->samples && !g->black; ++j) {
      const float x = px + ((j % g->samples) + 0.5f) / g->samples - 0.5f;
      const float y = py + ((j / g->samples) + 0.5f) / g->samples - 0.5f;
      const float3 d = mesh_direction(mesh, nodes, x, y);
      if (d.x != 0 || d.y != 0 || d.z != 0) sum += scene_colour(g, d, sample);
    }
    const float3 e = encoded(g, sum / (float)(g->samples * g->samples), (float)px, (float)py);
    out[py * pitch + px] = convert_ushort_sat_rte(e.x * STORED);
    chroma += e.yz * 0.25f;
  }
  __global ushort* at = out + (height + cy) * pitch + 2 * cx;
  at[0] = convert_ushort_sat_rte((chroma.x + 0.5f) * STORED);
  at[1] = convert_ushort_sat_rte((chroma.y + 0.5f) * STORED);
}

// Standard normal noise, nearly: the sum of four uniform bytes.
float8 noise8(uint seed, int x, int y) {
  uint8 h =
      ((uint8)(0, 1, 2, 3, 4, 5, 6, 7) + (uint)x) * 0x9e3779b1u ^ ((uint)y * 0x85ebca77u + seed);
  h = (h ^ h >> 15) * 0x2c1b3c6du;
  h = (h ^ h >> 13) * 0x297a2d39u;
  h ^= h >> 16;
  const uint8 pairs = (h & 0x00ff00ffu) + (h >> 8 & 0x00ff00ffu);
  return (convert_float8((pairs & 0xffffu) + (pairs >> 16)) - 510.0f) * (1.0f / 147.8f);
}

typedef struct {
  float8 y0, y1, cb, cr;  // two rows of luma; chroma of the pairs, each value twice
} Block;

Block load_background(__global const ushort* ground, int x, int y, int height, int pitch) {
  Block b;
  b.y0 = convert_float8(vload8(0, ground + y * pitch + x)) * (1 / STORED);
  b.y1 = convert_float8(vload8(0, ground + (y + 1) * pitch + x)) * (1 / STORED);
  const float8 c =
      convert_float8(vload8(0, ground + (height + y / 2) * pitch + x)) * (1 / STORED) - 0.5f;
  b.cb = c.s00224466;
  b.cr = c.s11335577;
  return b;
}

// Exposure, white balance, noise and range; then the bytes.
void store_block(__global const SimFrame* f, Block b, __global uchar* out, int x, int y, int height,
                 int pitch) {
  const float8 y0 =
      f->transform[0] * b.y0 + (f->transform[1] * b.cb + f->transform[2] * b.cr + f->offset[0]);
  const float8 y1 =
      f->transform[0] * b.y1 + (f->transform[1] * b.cb + f->transform[2] * b.cr + f->offset[0]);
  const float8 ym = 0.5f * (b.y0 + b.y1);
  const float8 luma = 0.5f * (ym + ym.s10325476);
  const float8 cb =
      f->transform[3] * luma + f->transform[4] * b.cb + f->transform[5] * b.cr + f->offset[1];
  const float8 cr =
      f->transform[6] * luma + f->transform[7] * b.cb + f->transform[8] * b.cr + f->offset[2];
  const uint seed = f->noise_seed;
  const float8 noisy0 = y0 + f->luma_noise * noise8(seed, x, y);
  const float8 noisy1 = y1 + f->luma_noise * noise8(seed, x, y + 1);
  const float8 c = (float8)(cb.s0, cr.s0, cb.s2, cr.s2, cb.s4, cr.s4, cb.s6, cr.s6) +
                   f->chroma_noise * noise8(seed + 0x51ed27u, x, y);
  vstore8(convert_uchar8_sat_rte(noisy0), 0, out + y * pitch + x);
  vstore8(convert_uchar8_sat_rte(noisy1), 0, out + (y + 1) * pitch + x);
  vstore8(convert_uchar8_sat_rte(c), 0, out + (height + y / 2) * pitch + x);
}

// The whole picture without actors. One work-item per 8×2 pixels; columns beyond the width are
// padding of the rows.
__kernel void sim_compose(__global const SimFrame* f, __global const ushort* ground,
                          __global uchar* out, int height, int pitch) {
  const int x = get_global_id(0) * 8, y = get_global_id(1) * 2;
  store_block(f, load_background(ground, x, y, height, pitch), out, x, y, height, pitch);
}

// Where the point is along and across a limb, and how much of the pixel the limb covers.
typedef struct {
  float8 along, cover, nx, ny;
} Across;

Across across_limb(float ax, float ay, float ra, float bx, float by, float rb, float8 px,
                   float8 py) {
  Across a;
  const float dx = bx - ax, dy = by - ay;
  const float8 qx = px - ax, qy = py - ay;
  a.along = clamp((qx * dx + qy * dy) / fmax(dx * dx + dy * dy, 1e-6f), 0.0f, 1.0f);
  const float8 r = ra + (rb - ra) * a.along, shown = fmax(r, 0.5f);
  const float8 ex = qx - a.along * dx, ey = qy - a.along * dy;
  // A limb thinner than a pixel is drawn a pixel wide and as much fainter.
  a.cover = clamp(0.5f + shown - sqrt(ex * ex + ey * ey), 0.0f, 1.0f) * (r / shown);
  a.nx = clamp(ex / shown, -1.0f, 1.0f);
  a.ny = clamp(ey / shown, -1.0f, 1.0f);
  return a;
}

bool misses(float left, float top, float right, float bottom, int x, int y) {
  return left > x + 8 || right < x - 1 || top > y + 2 || bottom < y - 1;
}

float8 shadow_row(__global const SimShadow* s, float8 px, float y, float8 light) {
  const Across a = across_limb(s->ax, s->ay * s->aspect, s->ra, s->bx, s->by * s->aspect, s->rb, px,
                               (float8)(y * s->aspect));
  return fmin(light, 1 - a.cover * s->opacity);
}

void paint_row(__global const SimFrame* f, __global const SimActor* actor,
               __global const SimCapsule* c, float8 px, float y, float8 shade, float8* luma,
               float8* cb, float8* cr) {
  const Across a = across_limb(c->ax, c->ay, c->ra, c->bx, c->by, c->rb, px, (float8)(y));
  const float8 nz = sqrt(fmax(1 - a.nx * a.nx - a.ny * a.ny, 0.0f));
  const float8 lit =
      fmax(a.nx * actor->light[0] + a.ny * actor->light[1] + nz * actor->light[2], 0.0f);
  const float8 brightness = sqrt(f->ambient * (0.75f - 0.25f * a.ny) + f->sun * lit) * shade;
  float8 second = clamp((a.along - c->split) * 64, 0.0f, 1.0f);
  if (c->pattern) {
    const float dx = c->bx - c->ax, dy = c->by - c->ay;
    const float8 side = (a.nx * dy - a.ny * dx) * rsqrt(fmax(dx * dx + dy * dy, 1e-6f));
    const float8 wave = c->pattern == 1   ? cos(side * 9.0f)
                        : c->pattern == 2 ? cos(a.along * 16)
                                          : side;
    second = clamp(0.5f + wave * 3, 0.0f, 1.0f);
  }
  *luma =
      mix(*luma, mix((float8)(c->first[0]), (float8)(c->second[0]), second) * brightness, a.cover);
  *cb = mix(*cb, mix((float8)(c->first[1]), (float8)(c->second[1]), second) * brightness, a.cover);
  *cr = mix(*cr, mix((float8)(c->first[2]), (float8)(c->second[2]), second) * brightness, a.cover);
}

// A ball, averaged over the exposure. Its patches are the twelve corners of an icosahedron.
void paint_ball_row(__global const SimFrame* f, __global const SimActor* actor, float8 px, float y,
                    float8 shade, float8* luma, float8* cb, float8* cr) {
  __global const SimBallSprite* s = f->balls + (actor->ball - 1);
  float8 cover = (float8)(0), sum0 = (float8)(0), sum1 = (float8)(0), sum2 = (float8)(0);
  for (int i = 0; i < SIM_BLUR_SAMPLES; ++i) {
    const float t = (i + 0.5f) / SIM_BLUR_SAMPLES;
    // The edge is a ramp one pixel wide, which adds π/12 to a disc's area: drawn as much smaller.
    const float r = mix(s->r0, s->r1, t), shown = sqrt(fmax(r * r - 1.0f / 12, 0.25f));
    const float8 dx = px - mix(s->x0, s->x1, t);
    const float dy = y - mix(s->y0, s->y1, t);
    const float8 c =
        clamp(0.5f + shown - sqrt(dx * dx + dy * dy), 0.0f, 1.0f) * fmin(3 * r * r, 1.0f);
    const float8 nx = clamp(dx / shown, -1.0f, 1.0f);
    const float ny = clamp(dy / shown, -1.0f, 1.0f);
    const float8 inside = nx * nx + ny * ny;
    const float8 nz = sqrt(fmax(1 - inside, 0.0f));
    const float8 lit =
        fmax(nx * actor->light[0] + ny * actor->light[1] + nz * actor->light[2], 0.0f);
    const float8 brightness = sqrt(f->ambient * (0.8f - 0.2f * ny) + f->sun * lit) * shade * c;
    const float8 a = fabs(s->orientation[0] * nx + s->orientation[1] * ny - s->orientation[2] * nz);
    const float8 b = fabs(s->orientation[3] * nx + s->orientation[4] * ny - s->orientation[5] * nz);
    const float8 d = fabs(s->orientation[6] * nx + s->orientation[7] * ny - s->orientation[8] * nz);
    const float8 corner =
        fmax(fmax(a + 1.618034f * b, b + 1.618034f * d), d + 1.618034f * a) * 0.525731f;
    const float8 patch = clamp((corner - 0.93f) * 25, 0.0f, 1.0f) * s->patches;
    cover += c;
    sum0 += mix((float8)(s->colour[0]), (float8)(s->patch[0]), patch) * brightness;
    sum1 += mix((float8)(s->colour[1]), (float8)(s->patch[1]), patch) * brightness;
    sum2 += mix((float8)(s->colour[2]), (float8)(s->patch[2]), patch) * brightness;
  }
  const float8 left = 1 - cover * (1.0f / SIM_BLUR_SAMPLES);
  *luma = *luma * left + sum0 * (1.0f / SIM_BLUR_SAMPLES);
  *cb = *cb * left + sum1 * (1.0f / SIM_BLUR_SAMPLES);
  *cr = *cr * left + sum2 * (1.0f / SIM_BLUR_SAMPLES);
}

// Tiles with actors in them, again and whole. One work-item per 8×2 pixels of a tile.
__kernel void sim_actors(__global const SimFrame* f, int tiles_offset, int members_offset,
                         __global const ushort* ground, __global uchar* out, int height,
                         int pitch) {
  __global const SimTile* tiles =
      (__global const SimTile*)((__global const uchar*)f + tiles_offset);
  __global const ushort* members =
      (__global const ushort*)((__global const uchar*)f + members_offset);
  const int blocks = SIM_TILE / 8 * (SIM_TILE / 2);
  const SimTile tile = tiles[get_global_id(0) / blocks];
  const int block = get_global_id(0) % blocks;
  const int x = tile.x + (block & 1) * 8, y = tile.y + (block >> 1) * 2;
  if (x >= pitch || y >= height) return;
  Block b = load_background(ground, x, y, height, pitch);
  const float8 px = (float8)(0, 1, 2, 3, 4, 5, 6, 7) + (float)x;
  const float8 vx = (px - f->centre_x) * (px - f->centre_x);
  const float vy = (y + 0.5f - f->centre_y) * (y + 0.5f - f->centre_y);
  const float8 shade = 1 - f->vignette * (vx + vy) * f->inverse_radius_squared;

  float8 light0 = (float8)(1), light1 = (float8)(1);
  for (int i = 0; i < tile.count; ++i) {
    __global const SimActor* a = f->actors + members[tile.first + i];
    if (misses(a->shadow_left, a->shadow_top, a->shadow_right, a->shadow_bottom, x, y)) continue;
    for (int k = a->first_shadow; k < a->first_shadow + a->shadows; ++k) {
      light0 = shadow_row(f->shadows + k, px, (float)y, light0);
      light1 = shadow_row(f->shadows + k, px, (float)(y + 1), light1);
    }
  }
  float8 cb0 = b.cb * light0, cr0 = b.cr * light0, cb1 = b.cb * light1, cr1 = b.cr * light1;
  b.y0 *= light0;
  b.y1 *= light1;
  for (int i = 0; i < tile.count; ++i) {
    __global const SimActor* a = f->actors + members[tile.first + i];
    if (misses(a->left, a->top, a->right, a->bottom, x, y)) continue;
    if (a->ball) {
      paint_ball_row(f, a, px, (float)y, shade, &b.y0, &cb0, &cr0);
      paint_ball_row(f, a, px, (float)(y + 1), shade, &b.y1, &cb1, &cr1);
    }
    for (int k = a->first_capsule; k < a->first_capsule + a->capsules; ++k) {
      __global const SimCapsule* c = f->capsules + k;
      if (misses(fmin(c->ax - c->ra, c->bx - c->rb) - 1, fmin(c->ay - c->ra, c->by - c->rb) - 1,
                 fmax(c->ax + c->ra, c->bx + c->rb) + 1, fmax(c->ay + c->ra, c->by + c->rb) + 1, x,
                 y))
        continue;
      paint_row(f, a, c, px, (float)y, shade, &b.y0, &cb0, &cr0);
      paint_row(f, a, c, px, (float)(y + 1), shade, &b.y1, &cb1, &cr1);
    }
  }
  const float8 cb = 0.25f * (cb0 + cb1), cr = 0.25f * (cr0 + cr1);
  b.cb = cb + cb.s10325476;
  b.cr = cr + cr.s10325476;
  store_block(f, b, out, x, y, height, pitch);
}

bool code_bit(__global const SimFrame* f, int cell) {
  return f->code[cell >> 5] >> (cell & 31) & 1;
}

// The band at the top: 64 × 2 cells of the time code. One work-item per 2×2 pixels of it.
__kernel void sim_band(__global const SimFrame* f, __global uchar* out, int height, int pitch,
                       int black, int white) {
  const int x = get_global_id(0) * 2, y = get_global_id(1) * 2;
  const int cell = y / f->code_cell * 64 + x / f->code_cell;
  const uchar value = code_bit(f, cell) ? white : black;
  out[y * pitch + x] = out[y * pitch + x + 1] = value;
  out[(y + 1) * pitch + x] = out[(y + 1) * pitch + x + 1] = value;
  out[(height + y / 2) * pitch + x] = out[(height + y / 2) * pitch + x + 1] = 128;
}

// What an LED board (16 × 8 cells within a dark frame one cell wide) covers of a pixel: up to four
// cells, each with its share in sixteenths. The frame is cell 128.
typedef struct {
  uchar cell[4], share[4];
} BoardPixel;

void add_share(BoardPixel* p, int cell) {
  for (int i = 0; i < 4; ++i)
    if (p->share[i] == 0 || p->cell[i] == cell) {
      p->cell[i] = cell;
      ++p->share[i];
      return;
    }
}

// Set-up. One work-item per pixel of the box from (left, top) on.
__kernel void sim_board_map(__constant SimGround* g, SimBoard board, __global const float4* mesh,
                            int nodes, __global BoardPixel* map, int left, int top) {
  const float3 eye = (float3)(g->camera[0], g->camera[1], g->camera[2]);
  const float3 corner = (float3)(board.corner[0], board.corner[1], board.corner[2]) - eye;
  const float3 right = (float3)(board.right[0], board.right[1], board.right[2]);
  const float3 down = (float3)(board.down[0], board.down[1], board.down[2]);
  const float3 normal = cross(right, down);
  BoardPixel p = {{0, 0, 0, 0}, {0, 0, 0, 0}};
  for (int j = 0; j < 16; ++j) {
    const float x = left + (int)get_global_id(0) + ((j & 3) - 1.5f) * 0.25f;
    const float y = top + (int)get_global_id(1) + ((j >> 2) - 1.5f) * 0.25f;
    const float3 d = mesh_direction(mesh, nodes, x, y);
    const float towards = dot(normal, d), t = dot(normal, corner) / towards;
    if (fabs(towards) < 1e-6f || t <= 0) continue;
    const float3 on = t * d - corner;
    const float u = dot(on, right) / dot(right, right) * 16,
                v = dot(on, down) / dot(down, down) * 8;
    if (u < -1 || u >= 17 || v < -1 || v >= 9) continue;
    add_share(&p, u >= 0 && u < 16 && v >= 0 && v < 8 ? (int)v * 16 + (int)u : 128);
  }
  map[get_global_id(1) * get_global_size(0) + get_global_id(0)] = p;
}

// One work-item per 2×2 pixels of the box.
__kernel void sim_board(__global const SimFrame* f, __global const BoardPixel* map,
                        __global uchar* out, int left, int top, int height, int pitch, int black,
                        int white) {
  const int bx = get_global_id(0) * 2, by = get_global_id(1) * 2, columns = get_global_size(0) * 2;
  int total = 0;
  for (int k = 0; k < 4; ++k) {
    const int x = bx + (k & 1), y = by + (k >> 1);
    const BoardPixel p = map[y * columns + x];
    __global uchar* at = out + (top + y) * pitch + left + x;
    int cover = 0, value = 0;
    for (int i = 0; i < 4; ++i) {
      cover += p.share[i];
      value += p.share[i] * (p.cell[i] < 128 && code_bit(f, p.cell[i]) ? white : black);
    }
    *at = (*at * (16 - cover) + value + 8) / 16;
    total += cover;
  }
  __global uchar* c = out + (height + (top + by) / 2) * pitch + left + bx;
  c[0] = (c[0] * (64 - total) + 128 * total + 32) / 64;
  c[1] = (c[1] * (64 - total) + 128 * total + 32) / 64;
}
