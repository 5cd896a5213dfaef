// Lens models: projection, its inverse, and the angle up to which both are one-to-one.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/lens.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gantry {
namespace {

constexpr double kWidestPinhole = 89.9 * std::numbers::pi / 180;

// Coefficients from the constant upwards; degree 6 is the most that a lens needs.
struct Polynomial {
  static constexpr int kMost = 6;
  std::array<double, kMost + 1> c{};
  int degree = 0;

  double operator()(double s) const {
    double value = c[degree];
    for (int i = degree - 1; i >= 0; --i) value = value * s + c[i];
    return value;
  }
  Polynomial derivative() const {
    Polynomial d;
    d.degree = degree - 1;
    for (int i = 1; i <= degree; ++i) d.c[i - 1] = i * c[i];
    return d;
  }
};

double bisect(const Polynomial& p, double low, double high) {
  const bool low_positive = p(low) > 0;
  for (int i = 0; i < 100 && high - low > 1e-15 * high; ++i) {
    const double middle = 0.5 * (low + high);
    ((p(middle) > 0) == low_positive ? low : high) = middle;
  }
  return low;
}

struct Roots {
  std::array<double, Polynomial::kMost> at{};
  int count = 0;
};

// All sign changes in (0, limit), ascending: between two roots of the derivative a polynomial is
// monotonic, so that bisection misses none.
Roots roots_within(const Polynomial& p, double limit) {
  Roots found;
  if (p.degree == 0) return found;
  const Roots turns = roots_within(p.derivative(), limit);
  double low = 0;
  for (int i = 0; i <= turns.count; ++i) {
    const double high = i < turns.count ? turns.at[i] : limit;
    if ((p(low) > 0) != (p(high) > 0)) found.at[found.count++] = bisect(p, low, high);
    low = high;
  }
  return found;
}

double first_root_or(const Polynomial& p, double limit) {
  const Roots roots = roots_within(p, limit);
  return roots.count ? roots.at[0] : limit;
}

// In s = r²: the radial factor is numerator / denominator.
struct Radial {
  std::array<double, 4> n, d;

  explicit Radial(const std::array<double, 8>& k)
      : n{1, k[0], k[1], k[4]}, d{1, k[5], k[6], k[7]} {}
  static double value(const std::array<double, 4>& p, double s) {
    return p[0] + s * (p[1] + s * (p[2] + s * p[3]));
  }
  static double slope(const std::array<double, 4>& p, double s) {
    return p[1] + s * (2 * p[2] + s * 3 * p[3]);
  }
  double factor(double s) const { return value(n, s) / value(d, s); }
  double factor_slope(double s) const {
    const double below = value(d, s);
    return (slope(n, s) * below - value(n, s) * slope(d, s)) / (below * below);
  }
};

// First r² where r·n/d stops growing (n·d + 2s(n'd − nd') = 0) or where d vanishes.
double pinhole_limit(const Radial& radial, double limit) {
  Polynomial growth;
  growth.degree = 6;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) growth.c[i + j] += (1 + 2 * (i - j)) * radial.n[i] * radial.d[j];
  Polynomial pole;
  pole.degree = 3;
  std::copy(radial.d.begin(), radial.d.end(), pole.c.begin());
  return std::min(first_root_or(growth, limit), first_root_or(pole, limit));
}

double fisheye_radius(const std::array<double, 8>& k, double angle) {
  const double s = angle * angle;
  return angle * (1 + s * (k[0] + s * (k[1] + s * (k[2] + s * k[3]))));
}

double fisheye_slope(const std::array<double, 8>& k, double angle) {
  const double s = angle * angle;
  return 1 + s * (3 * k[0] + s * (5 * k[1] + s * (7 * k[2] + s * 9 * k[3])));
}

double largest_angle_of(const Lens& lens) {
  const auto& k = lens.distortion;
  if (lens.model == Lens::Model::fisheye) {
    Polynomial slope;
    slope.degree = 4;
    slope.c = {1, 3 * k[0], 5 * k[1], 7 * k[2], 9 * k[3]};
    return std::sqrt(first_root_or(slope, std::numbers::pi * std::numbers::pi));
  }
  const double widest = std::tan(kWidestPinhole);
  return std::atan(std::sqrt(pinhole_limit(Radial(k), widest * widest)));
}

// Solves value(r) = target on [0, limit], where value grows from 0: Newton, kept inside a bracket.
template <class Value, class Slope>
double solve_growing(double target, double limit, Value value, Slope slope) {
  double low = 0, high = limit, r = std::min(target, 0.5 * limit);
  for (int i = 0; i < 100; ++i) {
    const double error = value(r) - target;
    (error > 0 ? high : low) = r;
    double next = r - error / slope(r);
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - r) <= 1e-15 * (1 + r)) return next;
    r = next;
  }
  return r;
}

}  // namespace

LensProjection::LensProjection(const Lens& lens)
    : lens_(lens), largest_angle_(largest_angle_of(lens)) {
  if (lens_.model == Lens::Model::fisheye) {
    radius_limit_ = largest_angle_;
    image_limit_ = fisheye_radius(lens_.distortion, largest_angle_);
  } else {
    radius_limit_ = std::tan(largest_angle_);
    const double s = radius_limit_squared();
    image_limit_ = radius_limit_ * Radial(lens_.distortion).factor(s);
  }
}

std::optional<Pixel> LensProjection::project(const Vector3& v) const {
  const auto& k = lens_.distortion;
  double x = 0, y = 0;
  if (lens_.model == Lens::Model::fisheye) {
    const double sine = std::sqrt(v.x * v.x + v.y * v.y);
    const double angle = std::atan2(sine, v.z);
    if (!(angle <= radius_limit_)) return std::nullopt;
    const double scale = sine > 0 ? fisheye_radius(k, angle) / sine : 0;
    x = v.x * scale;
    y = v.y * scale;
  } else {
    if (!(v.z > 0)) return std::nullopt;
    const double a = v.x / v.z, b = v.y / v.z, s = a * a + b * b;
    if (!(s <= radius_limit_squared())) return std::nullopt;
    const double factor = Radial(k).factor(s);
    x = a * factor + 2 * k[2] * a * b + k[3] * (s + 2 * a * a);
    y = b * factor + k[2] * (s + 2 * b * b) + 2 * k[3] * a * b;
  }
  const Pixel pixel{lens_.fx * x + lens_.cx, lens_.fy * y + lens_.cy};
  if (!std::isfinite(pixel.x) || !std::isfinite(pixel.y)) return std::nullopt;
  return pixel;
}

std::optional<Vector3> LensProjection::unproject(const Pixel& pixel) const {
  const double x = (pixel.x - lens_.cx) / lens_.fx, y = (pixel.y - lens_.cy) / lens_.fy;
  if (!std::isfinite(x) || !std::isfinite(y)) return std::nullopt;
  return lens_.model == Lens::Model::fisheye ? unproject_fisheye(x, y) : unproject_pinhole(x, y);
}

std::optional<Vector3> LensProjection::unproject_fisheye(double x, double y) const {
  const auto& k = lens_.distortion;
  const double radius = std::hypot(x, y);
  if (radius > image_limit_) return std::nullopt;
  if (radius == 0) return Vector3{0, 0, 1};
  const double angle = solve_growing(
      radius, radius_limit_, [&](double a) { return fisheye_radius(k, a); },
      [&](double a) { return fisheye_slope(k, a); });
  const double scale = std::sin(angle) / radius;
  return Vector3{x * scale, y * scale, std::cos(angle)};
}

// The radial part alone gives the start; two-dimensional Newton steps add the tangential terms.
std::optional<Vector3> LensProjection::unproject_pinhole(double x, double y) const {
  const auto& k = lens_.distortion;
  const Radial radial(k);
  const double p1 = k[2], p2 = k[3], radius = std::hypot(x, y);
  const bool tangential = p1 != 0 || p2 != 0;
  if (radius > image_limit_ && !tangential) return std::nullopt;
  double a = 0, b = 0;
  if (radius > 0) {
    const double r = solve_growing(
        std::min(radius, image_limit_), radius_limit_,
        [&](double t) { return t * radial.factor(t * t); },
        [&](double t) { return radial.factor(t * t) + 2 * t * t * radial.factor_slope(t * t); });
    a = x * r / radius;
    b = y * r / radius;
  }
  double residual = 1;
  for (int i = 0; i < 30; ++i) {
    const double s = a * a + b * b, f = radial.factor(s), g = 2 * radial.factor_slope(s);
    const double ex = a * f + 2 * p1 * a * b + p2 * (s + 2 * a * a) - x;
    const double ey = b * f + p1 * (s + 2 * b * b) + 2 * p2 * a * b - y;
    residual = std::hypot(ex, ey);
    if (residual < 1e-14 * (1 + radius)) break;
    const double xx = f + g * a * a + 2 * p1 * b + 6 * p2 * a;
    const double xy = g * a * b + 2 * p1 * a + 2 * p2 * b;
    const double yy = f + g * b * b + 6 * p1 * b + 2 * p2 * a;
    const double determinant = xx * yy - xy * xy;
    if (!(determinant > 0)) return std::nullopt;  // beyond the fold
    a -= (yy * ex - xy * ey) / determinant;
    b -= (xx * ey - xy * ex) / determinant;
  }
  const double s = a * a + b * b;
  if (!(residual < 1e-10 * (1 + radius)) || !(s <= radius_limit_squared())) return std::nullopt;
  const double length = std::sqrt(s + 1);
  return Vector3{a / length, b / length, 1 / length};
}

std::optional<Pixel> Lens::project(const Vector3& direction) const {
  return LensProjection(*this).project(direction);
}

std::optional<Vector3> Lens::unproject(const Pixel& pixel) const {
  return LensProjection(*this).unproject(pixel);
}

double Lens::largest_angle() const {
  return largest_angle_of(*this);
}

// The edges of the picture stay the edges, and they are half a pixel outside of the first centre.
Lens Lens::scaled_to(int new_width, int new_height) const {
  const double sx = static_cast<double>(new_width) / width;
  const double sy = static_cast<double>(new_height) / height;
  Lens lens = *this;
  lens.width = new_width;
  lens.height = new_height;
  lens.fx *= sx;
  lens.fy *= sy;
  lens.cx = (cx + 0.5) * sx - 0.5;
  lens.cy = (cy + 0.5) * sy - 0.5;
  return lens;
}

}  // namespace gantry
