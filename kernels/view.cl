// The virtual camera: a rectilinear view cut out of an equirectangular NV12 panorama.
// SPDX-License-Identifier: Apache-2.0
//
// A ray of the view at (x, y) pixels right of and below its centre, with the focal length f, is
// (x, y cos p - f sin p, y sin p + f cos p) in the panorama frame after the tilt p. With
// a = y cos p - f sin p and b = y sin p + f cos p > 0, both constant along a row, it falls on
//   column = centre + P atan(x / b),  line = horizon + Q atan(a / sqrt(x² + b²)),
// P and Q being panorama pixels per radian. On CPUs a work item makes one row: position and
// derivative are exact every SEGMENT samples and a cubic between (or exact everywhere, for short
// focal lengths, when `exact` is set). On GPUs (-D VIEW_PER_PIXEL) it makes LANES samples, all
// exact.
//
// Sampling: a separable tent whose half widths are the footprint of a view pixel in panorama
// columns and lines, at least 1 (which is bilinear) and at most 16, constant over a segment,
// normalised over the pixels that exist. Positions outside of the panorama are moved to its edge.
//
// Chroma samples are cosited with the even luma columns, half-way between two luma lines.

#ifdef VIEW_PER_PIXEL
#define LANES 4
#define RAMP (float4)(0, 1, 2, 3)
#define EACH(F) (F(0), F(1), F(2), F(3))
#else
#define LANES 16
#define RAMP (float16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define EACH(F) \
  (F(0), F(1), F(2), F(3), F(4), F(5), F(6), F(7), F(8), F(9), F(a), F(b), F(c), F(d), F(e), F(f))
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TO_REAL JOIN(convert_float, LANES)
#define TO_WHOLE JOIN(convert_int, LANES)
#define AS_WHOLE JOIN(as_int, LANES)
#define TO_BYTES JOIN(convert_uchar, LANES)
#define TO_PAIRS JOIN(convert_ushort, LANES)
typedef JOIN(float, LANES) Real;
typedef JOIN(int, LANES) Whole;
typedef JOIN(uint, LANES) Words;
typedef JOIN(uchar, LANES) Bytes;
typedef JOIN(ushort, LANES) Pairs;
#define INLINE static inline __attribute__((always_inline))

// Four bytes from any address: one instruction on CPUs, where unaligned words may be read.
#ifdef VIEW_PER_PIXEL
#define FOUR_BYTES(p) as_uint(vload4(0, p))
#else
typedef uint UnalignedWord __attribute__((aligned(1)));
#define FOUR_BYTES(p) (*(__global const UnalignedWord*)(p))
#endif

// The lines that the next row of the view will need: hardware prefetchers lose the curved rows, and
// without this the misses cost as much as all of the arithmetic.
INLINE void prefetch_line(__global const uchar* pixel) {
#if defined(__clang__) && !defined(VIEW_PER_PIXEL)
  __builtin_prefetch((const void*)(size_t)pixel);
#endif
}

INLINE Words gather(__global const uchar* p, Whole offset) {
#define ONE(lane) FOUR_BYTES(p + offset.s##lane)
  return (Words)EACH(ONE);
#undef ONE
}

INLINE Real byte_of(Words w, uint number) {
  return TO_REAL(AS_WHOLE((w >> (8 * number)) & 0xffu));
}

// Bounds that hold for numbers; fmin and fmax would spend instructions on NaN.
INLINE Real bounded(Real v, float low, float high) {
  v = v < low ? (Real)low : v;
  return v > high ? (Real)high : v;
}

// Degree 15 through the Chebyshev nodes of [0, 1], error below 1e-7.
INLINE Real arctangent(Real numerator, Real positive) {
  const Real n = fabs(numerator);
  const Whole steep = n > positive;
  const Real r = (steep ? positive : n) / (steep ? n : positive);
  const Real z = r * r;
  Real p = -0.004559792f;
  p = fma(p, z, (Real)0.023780519f);
  p = fma(p, z, (Real)-0.058829753f);
  p = fma(p, z, (Real)0.098688655f);
  p = fma(p, z, (Real)-0.140032902f);
  p = fma(p, z, (Real)0.199669618f);
  p = fma(p, z, (Real)-0.333318127f);
  p = fma(p, z, (Real)0.999999882f) * r;
  return copysign(steep ? M_PI_2_F - p : p, numerator);
}

// A plane of the panorama, in its own samples, and the row of the view that is mapped on it.
typedef struct {
  int width, height, pitch;
  float columns_per_radian, lines_per_radian, centre, horizon;
  float step;  // view luma pixels between the view's samples
  float a, b, sine, cosine;
} Mapping;

// size: width, height, pitch and first byte of the panorama's plane. frame: columns and lines per
// radian, the line of pitch 0, step, and the first sample's position from the view's centre in luma
// pixels. pose: column of the view's centre, focal length in luma pixels, sine and cosine of the
// pitch.
INLINE Mapping mapping_of(int4 size, float8 frame, float4 pose, int row) {
  const float y = frame.s5 + frame.s3 * row;
  const Mapping m = {size.x,
                     size.y,
                     size.z,
                     frame.s0,
                     frame.s1,
                     pose.x,
                     frame.s2,
                     frame.s3,
                     y * pose.w - pose.y * pose.z,
                     y * pose.z + pose.y * pose.w,
                     pose.z,
                     pose.w};
  return m;
}

INLINE void locate(const Mapping* m, Real x, Real* u, Real* v) {
  *u = m->centre + m->columns_per_radian * arctangent(x, m->b);
  *v = m->horizon + m->lines_per_radian * arctangent(m->a, sqrt(fma(x, x, (Real)(m->b * m->b))));
}

// Change of position from sample to sample, and the footprint of a sample in columns and lines.
INLINE void differentiate(const Mapping* m, Real x, Real* du, Real* dv, Real* columns,
                          Real* lines) {
  const Real r2 = fma(x, x, (Real)(m->b * m->b));
  const Real r = sqrt(r2);
  const Real p = m->columns_per_radian * m->step / r2;
  const Real q = m->lines_per_radian * m->step / (r * (r2 + m->a * m->a));
  *du = p * m->b;
  *dv = q * (-m->a * x);
  const Real du_down = p * m->sine * x, dv_down = q * (m->cosine * r2 - m->a * m->b * m->sine);
  *columns = bounded(sqrt(fma(*du, *du, du_down * du_down)), 1.0f, 16.0f);
  *lines = bounded(sqrt(fma(*dv, *dv, dv_down * dv_down)), 1.0f, 16.0f);
}

INLINE Bytes rounded(Real value) {
  return TO_BYTES(TO_WHOLE(value + 0.5f));
}

INLINE Real between(Real a, Real b, Real t) {
  return fma(b - a, t, a);
}

// The tent's weight at a distance, `inverse` being 1 / half width.
INLINE Real tent(Real distance, float inverse) {
  const Real w = 1.0f - fabs(distance) * inverse;
  return w < 0.0f ? (Real)0.0f : w;
}

// The first pixel of `count` that hold the tent of this half width; the last is inside of `size`.
INLINE Whole first_under(Real position, float half_width, int count, int size) {
  return clamp(TO_WHOLE(position - half_width + 17.0f) - 16, 0, size - count);
}

INLINE int rounded_up(float v) {
  return (int)(v + 0.9999f);
}

INLINE Bytes bilinear_luma(__global const uchar* pixels, const Mapping* m, Real u, Real v) {
  const Whole x = min(TO_WHOLE(u), m->width - 2), y = min(TO_WHOLE(v), m->height - 2);
  const Real fx = u - TO_REAL(x), fy = v - TO_REAL(y);
  const Whole offset = y * m->pitch + x;
  const Words top = gather(pixels, offset), bottom = gather(pixels, offset + m->pitch);
  const Real t = between(byte_of(top, 0), byte_of(top, 1), fx);
  const Real b = between(byte_of(bottom, 0), byte_of(bottom, 1), fx);
  return rounded(between(t, b, fy));
}

INLINE Bytes filtered_luma(__global const uchar* pixels, const Mapping* m, Real u, Real v,
                           float columns, float lines) {
  const int words = rounded_up(columns * 0.5f), rows = rounded_up(lines * 2.0f);
  const float per_column = 1.0f / columns, per_line = 1.0f / lines;
  const Whole x = first_under(u, columns, 4 * words, m->width);
  const Whole y = first_under(v, lines, rows, m->height);
  Real sum = 0.0f, weight_x = 0.0f, weight_y = 0.0f;
  for (int k = 0; k < words; ++k) {
    const Real dx = TO_REAL(x + 4 * k) - u;
    const Real w0 = tent(dx, per_column), w1 = tent(dx + 1.0f, per_column);
    const Real w2 = tent(dx + 2.0f, per_column), w3 = tent(dx + 3.0f, per_column);
    Whole offset = y * m->pitch + x + 4 * k;
    Real dy = TO_REAL(y) - v;
    weight_x += w0 + w1 + w2 + w3;
    weight_y = 0.0f;
    for (int j = 0; j < rows; ++j) {
      const Words four = gather(pixels, offset);
      const Real w = tent(dy, per_line);
      const Real left = fma(w0, byte_of(four, 0), w1 * byte_of(four, 1));
      const Real right = fma(w2, byte_of(four, 2), w3 * byte_of(four, 3));
      sum = fma(w, left + right, sum);
      weight_y += w;
      offset += m->pitch;
      dy += 1.0f;
    }
  }
  return rounded(sum / (weight_x * weight_y));
}

// Cb, Cr pairs, two columns to a word.
INLINE void bilinear_chroma(__global const uchar* pixels, const Mapping* m, Real u, Real v,
                            Bytes* cb, Bytes* cr) {
  const Whole x = min(TO_WHOLE(u), m->width - 2), y = min(TO_WHOLE(v), m->height - 2);
  const Real fx = u - TO_REAL(x), fy = v - TO_REAL(y);
  const Whole offset = y * m->pitch + 2 * x;
  const Words top = gather(pixels, offset), bottom = gather(pixels, offset + m->pitch);
  *cb = rounded(between(between(byte_of(top, 0), byte_of(top, 2), fx),
                        between(byte_of(bottom, 0), byte_of(bottom, 2), fx), fy));
  *cr = rounded(between(between(byte_of(top, 1), byte_of(top, 3), fx),
                        between(byte_of(bottom, 1), byte_of(bottom, 3), fx), fy));
}

INLINE void filtered_chroma(__global const uchar* pixels, const Mapping* m, Real u, Real v,
                            float columns, float lines, Bytes* cb, Bytes* cr) {
  const int words = rounded_up(columns), rows = rounded_up(lines * 2.0f);
  const float per_column = 1.0f / columns, per_line = 1.0f / lines;
  const Whole x = first_under(u, columns, 2 * words, m->width);
  const Whole y = first_under(v, lines, rows, m->height);
  Real sum_b = 0.0f, sum_r = 0.0f, weight_x = 0.0f, weight_y = 0.0f;
  for (int k = 0; k < words; ++k) {
    const Real dx = TO_REAL(x + 2 * k) - u;
    const Real w0 = tent(dx, per_column), w1 = tent(dx + 1.0f, per_column);
    Whole offset = y * m->pitch + 2 * x + 4 * k;
    Real dy = TO_REAL(y) - v;
    weight_x += w0 + w1;
    weight_y = 0.0f;
    for (int j = 0; j < rows; ++j) {
      const Words two = gather(pixels, offset);
      const Real w = tent(dy, per_line);
      sum_b = fma(w, fma(w0, byte_of(two, 0), w1 * byte_of(two, 2)), sum_b);
      sum_r = fma(w, fma(w0, byte_of(two, 1), w1 * byte_of(two, 3)), sum_r);
      weight_y += w;
      offset += m->pitch;
      dy += 1.0f;
    }
  }
  const Real scale = 1.0f / (weight_x * weight_y);
  *cb = rounded(sum_b * scale);
  *cr = rounded(sum_r * scale);
}

// Writes LANES samples; rows of a picture are padded so far that a last, partial group fits.
INLINE void make_samples(__global const uchar* pixels, const Mapping* m, Real u, Real v,
                         float columns, float lines, __global uchar* target, bool chroma) {
  u = bounded(u, 0.0f, (float)(m->width - 1));
  v = bounded(v, 0.0f, (float)(m->height - 1));
  const bool filter = columns > 1.0f || lines > 1.0f;
  const int ahead = min((int)(v.s2 + 5.0f * lines), m->height - 1);
  prefetch_line(pixels + ahead * m->pitch + (chroma ? 2 : 1) * (int)u.s2);
  if (!chroma) {
    *(__global Bytes*)target =
        filter ? filtered_luma(pixels, m, u, v, columns, lines) : bilinear_luma(pixels, m, u, v);
  } else {
    Bytes cb, cr;
    if (filter)
      filtered_chroma(pixels, m, u, v, columns, lines, &cb, &cr);
    else
      bilinear_chroma(pixels, m, u, v, &cb, &cr);
    *(__global Pairs*)target = TO_PAIRS(cb) | (TO_PAIRS(cr) << (ushort)8);
  }
}

#ifdef VIEW_PER_PIXEL
INLINE void make_view(__global const uchar* panorama, int4 size, __global uchar* view,
                      int4 view_size, float8 frame, float4 pose, int exact, bool chroma) {
  const int first = get_global_id(0) * LANES, row = get_global_id(1);
  if (first >= view_size.x || row >= view_size.y) return;
  const Mapping m = mapping_of(size, frame, pose, row);
  const Real x = frame.s4 + frame.s3 * (RAMP + (float)first);
  Real u, v, du, dv, columns, lines;
  locate(&m, x, &u, &v);
  differentiate(&m, x, &du, &dv, &columns, &lines);
  make_samples(panorama + size.w, &m, u, v, columns.s1, lines.s1,
               view + view_size.w + (size_t)row * view_size.z + (chroma ? 2 * first : first),
               chroma);
}
#else
#define SEGMENT 32            // samples
#define SEGMENTS (LANES - 1)  // to a strip: the nodes between and around them are one vector

// A value for every node or segment: made as a vector, read one by one.
typedef union {
  Real all;
  float at[LANES];
} Nodes;

typedef struct {
  Nodes u[4], v[4];  // coefficients of t⁰ … t³, t = 0 … 1 over a segment
  Nodes columns, lines;
} Strip;

INLINE Real next(Real nodes) {
  return nodes.s123456789abcdeff;
}

INLINE void hermite(Real p0, Real d0, Nodes c[4]) {
  const Real p1 = next(p0), d1 = next(d0);
  c[0].all = p0;
  c[1].all = d0;
  c[2].all = 3 * (p1 - p0) - 2 * d0 - d1;
  c[3].all = 2 * (p0 - p1) + d0 + d1;
}

INLINE void find_strip(const Mapping* m, float first, Strip* s) {
  const Real x = first + m->step * SEGMENT * RAMP;
  Real u, v, du, dv, columns, lines;
  locate(m, x, &u, &v);
  differentiate(m, x, &du, &dv, &columns, &lines);
  hermite(u, du * SEGMENT, s->u);
  hermite(v, dv * SEGMENT, s->v);
  s->columns.all = (columns + next(columns)) * 0.5f;
  s->lines.all = (lines + next(lines)) * 0.5f;
}

INLINE Real cubic(const Nodes c[4], uint i, Real t) {
  const Real high = fma((Real)c[3].at[i], t, (Real)c[2].at[i]);
  return fma(fma(high, t, (Real)c[1].at[i]), t, (Real)c[0].at[i]);
}

INLINE void make_view(__global const uchar* panorama, int4 size, __global uchar* view,
                      int4 view_size, float8 frame, float4 pose, int exact, bool chroma) {
  const int row = get_global_id(0);
  const Mapping m = mapping_of(size, frame, pose, row);
  __global uchar* target = view + view_size.w + (size_t)row * view_size.z;
  Strip s;
  for (int strip = 0; strip < view_size.x; strip += SEGMENTS * SEGMENT) {
    find_strip(&m, frame.s4 + frame.s3 * strip, &s);
    const int end = min(view_size.x, strip + SEGMENTS * SEGMENT);
    for (int first = strip; first < end; first += LANES) {
      const uint i = (uint)(first - strip) / SEGMENT;
      const Real t = (RAMP + (float)(first - strip - (int)i * SEGMENT)) * (1.0f / SEGMENT);
      Real u, v;
      if (exact) {
        locate(&m, frame.s4 + frame.s3 * (RAMP + (float)first), &u, &v);
      } else {
        u = cubic(s.u, i, t);
        v = cubic(s.v, i, t);
      }
      make_samples(panorama + size.w, &m, u, v, s.columns.at[i], s.lines.at[i],
                   target + (chroma ? 2 * first : first), chroma);
    }
  }
}
#endif

__kernel void view_luma(__global const uchar* panorama, int4 size, __global uchar* view,
                        int4 view_size, float8 frame, float4 pose, int exact) {
  make_view(panorama, size, view, view_size, frame, pose, exact, false);
}

__kernel void view_chroma(__global const uchar* panorama, int4 size, __global uchar* view,
                          int4 view_size, float8 frame, float4 pose, int exact) {
  make_view(panorama, size, view, view_size, frame, pose, exact, true);
}
