// The view kernel against a double-precision model of the projection and of the filter.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "pipeline/virtual_camera.hpp"

namespace gantry {
namespace {

constexpr double kDegree = 3.14159265358979323846 / 180;

PanoramaGeometry geometry(int width, int height, double half_yaw = 90, double top = 27,
                          double bottom = -27) {
  return {width, height, -half_yaw * kDegree, half_yaw * kDegree, top * kDegree, bottom * kDegree};
}

// A plane of the panorama for the model: `divisor` 2 is chroma, cosited with even luma columns and
// half-way between two luma lines.
struct PlaneModel {
  const PanoramaGeometry& g;
  const Nv12Layout &from, &to;
  CameraPose pose;
  int divisor;

  double between() const { return divisor == 2 ? 0.5 : 0; }
  // Position on the panorama's plane of a (fractional) sample of the view's plane.
  std::array<double, 2> position(double i, double j) const {
    const double f = to.width / 2.0 / std::tan(pose.field_of_view / 2);
    const Vector3 ray{i * divisor - (to.width - 1) / 2.0,
                      j * divisor + between() - (to.height - 1) / 2.0, f};
    const Vector3 d = apply_inverse(camera_from_panorama({pose.yaw, pose.pitch, 0}), ray);
    // Relative to the view's yaw, so that nothing wraps.
    const Vector3 level = apply_inverse(camera_from_panorama({0, pose.pitch, 0}), ray);
    return {g.x_of(pose.yaw + yaw_of(level)) / divisor,
            (g.y_of(pitch_of(d)) - between()) / divisor};
  }
  std::array<double, 2> footprint_at(double i, double j) const {
    constexpr double h = 1e-3;
    const auto r = position(i + h, j), l = position(i - h, j), d = position(i, j + h),
               u = position(i, j - h);
    std::array<double, 2> s{};
    for (int k = 0; k < 2; ++k)
      s[k] = std::clamp(std::hypot(r[k] - l[k], d[k] - u[k]) / (2 * h), 1.0, 16.0);
    return s;
  }
  // Once per 32 samples on CPUs, from both ends; per 4, at the second, on GPUs.
  std::array<double, 2> footprint(int i, int j, bool per_pixel) const {
    if (per_pixel) return footprint_at(i / 4 * 4 + 1, j);
    const auto a = footprint_at(i / 32 * 32, j), b = footprint_at(i / 32 * 32 + 32, j);
    return {(a[0] + b[0]) / 2, (a[1] + b[1]) / 2};
  }
  double sample(const std::uint8_t* plane, int channel, int channels, int i, int j,
                bool per_pixel) const {
    const int w = from.width / divisor, h = from.height / divisor;
    const auto p = position(i, j), s = footprint(i, j, per_pixel);
    const double u = std::clamp(p[0], 0.0, w - 1.0), v = std::clamp(p[1], 0.0, h - 1.0);
    double sum = 0, weights = 0;
    for (int y = std::max(0, static_cast<int>(v - s[1]));
         y <= std::min(h - 1, static_cast<int>(v + s[1]) + 1); ++y)
      for (int x = std::max(0, static_cast<int>(u - s[0]));
           x <= std::min(w - 1, static_cast<int>(u + s[0]) + 1); ++x) {
        const double weight =
            std::max(0.0, 1 - std::abs(x - u) / s[0]) * std::max(0.0, 1 - std::abs(y - v) / s[1]);
        weights += weight;
        sum += weight * plane[static_cast<std::size_t>(y) * from.pitch + x * channels + channel];
      }
    return sum / weights;
  }
};

class ViewKernel : public testing::Test {
 protected:
  static void SetUpTestSuite() { device_ = std::make_unique<gpu::Device>(gpu::Choice{}, ""); }
  static void TearDownTestSuite() { device_.reset(); }

  // Renders one view into a poisoned surface.
  void render(const PanoramaGeometry& g, int width, int height, const CameraPose& pose) {
    view_.surface.reset();
    views_ = make_surface_pool(*device_, nv12_layout(width, height), 1, gpu::Access::download);
    VirtualCamera camera(*device_, g, panoramas_->slot(0).layout, views_->slot(0).layout);
    PanoramaFrame panorama{panoramas_->acquire(), {}, 1234, 5};
    const auto queue = device_->make_queue();
    ASSERT_EQ(gpu::upload(queue, panorama.surface->memory, panorama.surface->layout.bytes(), {},
                          &panorama.ready),
              Status::ok);
    gpu::flush(queue);
    SurfaceRef output = views_->acquire();
    std::fill_n(output->luma(), output->layout.bytes(), std::uint8_t{0xab});
    gpu::upload(queue, output->memory, output->layout.bytes(), {}, nullptr);
    queue.finish();
    ASSERT_EQ(camera.render(panorama, pose, std::move(output), view_), Status::ok);
    ASSERT_EQ(gpu::wait(view_.ready), Status::ok);
    camera.drain();
  }
  // `value(x, y, channel)`, channel -1 for luma.
  template <typename Value>
  void paint(const PanoramaGeometry& g, Value&& value) {
    view_.surface.reset();
    panoramas_ =
        make_surface_pool(*device_, nv12_layout(g.width, g.height), 1, gpu::Access::upload);
    const Surface& s = panoramas_->slot(0);
    for (int y = 0; y < g.height; ++y)
      for (int x = 0; x < g.width; ++x) {
        s.luma()[static_cast<std::size_t>(y) * s.layout.pitch + x] = value(x, y, -1);
        if (y % 2 == 0)
          s.chroma()[static_cast<std::size_t>(y / 2) * s.layout.pitch + x] =
              value(x / 2, y / 2, x % 2);
      }
  }
  void paint_random(const PanoramaGeometry& g, unsigned seed) {
    std::mt19937 random(seed);
    paint(g, [&](int, int, int) { return static_cast<std::uint8_t>(random() >> 13); });
  }
  // The largest difference from the model, over the samples of every `stride`-th row.
  double largest_difference(const PanoramaGeometry& g, const CameraPose& pose, int stride = 1) {
    const Surface &from = panoramas_->slot(0), &to = *view_.surface;
    const bool per_pixel = device_->info().kind == gpu::Kind::gpu;
    const PlaneModel luma{g, from.layout, to.layout, pose, 1},
        chroma{g, from.layout, to.layout, pose, 2};
    double largest = 0;
    for (int j = 0; j < to.layout.height; j += stride)
      for (int i = 0; i < to.layout.width; ++i) {
        const double want = luma.sample(from.luma(), 0, 1, i, j, per_pixel);
        largest = std::max(
            largest, std::abs(want - to.luma()[static_cast<std::size_t>(j) * to.layout.pitch + i]));
      }
    for (int j = 0; j < to.layout.height / 2; j += stride)
      for (int i = 0; i < to.layout.width; ++i) {
        const double want = chroma.sample(from.chroma(), i % 2, 2, i / 2, j, per_pixel);
        largest = std::max(
            largest,
            std::abs(want - to.chroma()[static_cast<std::size_t>(j) * to.layout.pitch + i]));
      }
    return largest;
  }

  static std::unique_ptr<gpu::Device> device_;
  std::unique_ptr<SurfacePool> panoramas_, views_;
  ViewFrame view_;
};
std::unique_ptr<gpu::Device> ViewKernel::device_;

struct Size {
  int width, height;
};

TEST_F(ViewKernel, AgreesWithTheModelOnRandomPicturesOfAnySize) {
  const PanoramaGeometry g = geometry(950, 316);
  paint_random(g, 1);
  for (const Size size : {Size{2, 2}, Size{30, 34}, Size{34, 18}, Size{482, 270}, Size{646, 362}})
    for (const double fov : {20.0, 47.0, 68.0, 100.0})
      for (const CameraPose aim :
           {CameraPose{0, 0, 0}, CameraPose{0.5, -0.11, 0}, CameraPose{-1.3, 0.4, 0}}) {
        const CameraPose pose{aim.yaw, aim.pitch, fov * kDegree};
        render(g, size.width, size.height, pose);
        EXPECT_LE(largest_difference(g, pose, size.height > 100 ? 17 : 1), 1.5)
            << size.width << "x" << size.height << " fov " << fov << " yaw " << aim.yaw << " pitch "
            << aim.pitch;
      }
}

TEST_F(ViewKernel, AgreesWithTheModelWhereThePanoramaIsMadeSmaller) {
  const PanoramaGeometry g = geometry(5700, 1900);
  paint_random(g, 2);
  for (const Size size : {Size{200, 112}, Size{642, 362}, Size{1920, 1080}})
    for (const double fov : {55.0, 68.0, 100.0}) {
      const CameraPose pose{0.31, -0.07, fov * kDegree};
      render(g, size.width, size.height, pose);
      EXPECT_LE(largest_difference(g, pose, size.height > 500 ? 97 : 23), 1.6)
          << size.width << " fov " << fov;
    }
}

TEST_F(ViewKernel, SteepViewsAgreeWithTheModel) {
  const PanoramaGeometry g = geometry(1200, 600, 90, 88, -88);
  paint_random(g, 3);
  for (const double pitch : {-50.0, 35.0, 50.0}) {
    const CameraPose pose{0.2, pitch * kDegree, 60 * kDegree};
    render(g, 640, 360, pose);
    EXPECT_LE(largest_difference(g, pose, 7), 1.6) << pitch;
  }
}

// A wave of 60 codes per pixel in one direction: 1/32 pixel is two codes.
TEST_F(ViewKernel, PositionsAreRightToAThirtySecondOfAPixel) {
  const auto wave = [](int i) { return static_cast<std::uint8_t>(60 * std::abs(i % 8 - 4)); };
  for (const Size p : {Size{950, 316}, Size{1900, 640}})
    for (const bool across : {true, false}) {
      const PanoramaGeometry g = geometry(p.width, p.height);
      paint(g, [&](int x, int y, int) { return wave(across ? x : y); });
      for (const double fov : {40.0, 80.0, 100.0}) {
        const CameraPose pose{-0.2, 0.09, fov * kDegree};
        render(g, 1920, 1080, pose);
        EXPECT_LE(largest_difference(g, pose, 83), 0.5 + 60.0 / 32)
            << p.width << " " << across << " " << fov;
      }
    }
}

TEST_F(ViewKernel, SmoothPicturesAreRightToACode) {
  const PanoramaGeometry g = geometry(950, 316);
  paint(g, [](int x, int y, int c) {
    return static_cast<std::uint8_t>(128 + 90 * std::sin(x * 0.05 + c) * std::cos(y * 0.07));
  });
  const CameraPose pose{0.4, -0.05, 62 * kDegree};
  render(g, 1280, 720, pose);
  EXPECT_LE(largest_difference(g, pose, 13), 0.6);
}

// Outside of the panorama its edge is repeated, on every side.
TEST_F(ViewKernel, BeyondThePanoramaItsEdgeIsRepeated) {
  const PanoramaGeometry g = geometry(640, 320, 45, 20, -20);
  paint_random(g, 4);
  for (const CameraPose pose : {CameraPose{1.2, 0.5, 1.6}, CameraPose{-1.2, -0.5, 1.6}}) {
    render(g, 320, 180, pose);
    EXPECT_LE(largest_difference(g, pose), 1.5);
  }
}

// A line of the pitch is a great circle on the panorama and must be straight in the view.
TEST_F(ViewKernel, StraightLinesStayStraight) {
  const PanoramaGeometry g = geometry(2850, 950);
  // The far touch line seen from 6 m high: 60 m away, turned by 10 degrees.
  const Vector3 a{-50, 6, 52}, b{50, 6, 68};
  Vector3 n{a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
  const double length = std::sqrt(n.x * n.x + n.y * n.y + n.z * n.z);
  paint(g, [&](int x, int y, int c) {
    const Vector3 d = direction_of(g.yaw_of(x), g.pitch_of(y));
    const double angle = (n.x * d.x + n.y * d.y + n.z * d.z) / length / (0.15 * kDegree);
    return static_cast<std::uint8_t>(c < 0 ? 16 + 200 * std::exp(-angle * angle) : 128);
  });
  const CameraPose pose{0.1, -0.03, 75 * kDegree};
  render(g, 1280, 720, pose);
  const Surface& s = *view_.surface;
  std::vector<double> heights;
  for (int x = 0; x < 1280; ++x) {
    double sum = 0, moment = 0;
    for (int y = 0; y < 720; ++y) {
      const double ink =
          std::max(0, s.luma()[static_cast<std::size_t>(y) * s.layout.pitch + x] - 24);
      sum += ink;
      moment += ink * y;
    }
    ASSERT_GT(sum, 100) << "no line in column " << x;
    heights.push_back(moment / sum);
  }
  for (int x = 0; x < 1280; ++x) {
    const double straight = heights.front() + (heights.back() - heights.front()) * x / 1279;
    ASSERT_NEAR(heights[static_cast<std::size_t>(x)], straight, 0.15) << x;
  }
}

}  // namespace
}  // namespace gantry
