// Launches of the view kernels, and what they hold on to.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/virtual_camera.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "pipeline/view_limits.hpp"

namespace gantry {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kSmallestPanorama = 64;  // a footprint of 16 pixels to either side fits in its chroma
constexpr int kSegment = 32;           // of kernels/view.cl
constexpr double kCubicError = 1.0 / 256;    // panorama pixels that interpolation may cost
constexpr double kHighest = 88 * kPi / 180;  // no ray of a view is closer to the zenith
constexpr std::size_t kPixelLanes = 4;       // of kernels/view.cl with VIEW_PER_PIXEL

double half_width(const Nv12Layout& view) {
  return 0.5 * view.width;
}
double focal_length(const Nv12Layout& view, const CameraPose& pose) {
  return half_width(view) / std::tan(pose.field_of_view / 2);
}

std::size_t round_up(std::size_t n, std::size_t unit) {
  return (n + unit - 1) / unit * unit;
}

CameraPose possible(const CameraPose& wanted, const Nv12Layout& view) {
  CameraPose pose = wanted;
  pose.field_of_view = std::clamp(pose.field_of_view, kNarrowestView, kWidestView);
  const double up = std::atan(0.5 * view.height / focal_length(view, pose));
  const double most = std::max(0.0, kHighest - up);
  pose.pitch = std::clamp(pose.pitch, -most, most);
  return pose;
}

}  // namespace

VirtualCamera::VirtualCamera(gpu::Device& device, const PanoramaGeometry& geometry,
                             const Nv12Layout& panorama, const Nv12Layout& view,
                             const VirtualCameraConfig& config)
    : geometry_(geometry),
      panorama_(panorama),
      view_(view),
      config_(config),
      per_pixel_(device.info().kind == gpu::Kind::gpu),
      columns_per_radian_(geometry.width / (geometry.yaw_right - geometry.yaw_left)),
      lines_per_radian_(geometry.height / (geometry.pitch_top - geometry.pitch_bottom)) {
  if (panorama.width < kSmallestPanorama || panorama.height < kSmallestPanorama)
    throw std::invalid_argument(
        fmt::format("panorama of {}x{}: the virtual camera needs {}x{} at least", panorama.width,
                    panorama.height, kSmallestPanorama, kSmallestPanorama));
  if (panorama.width != geometry.width || panorama.height != geometry.height)
    throw std::invalid_argument(fmt::format("panorama surfaces of {}x{} for a geometry of {}x{}",
                                            panorama.width, panorama.height, geometry.width,
                                            geometry.height));
  program_ = device.build_family("view", per_pixel_ ? "-D VIEW_PER_PIXEL" : "");
  queue_ = device.make_queue(config.profile);
  luma_ = make_plane("view_luma", 1);
  chroma_ = make_plane("view_chroma", 2);
  config_.in_flight = std::max(1u, config.in_flight);
  in_flight_.reserve(config_.in_flight);
}

// What does not change from frame to frame. Chroma samples lie on even columns, between two lines.
VirtualCamera::Plane VirtualCamera::make_plane(const char* name, int divisor) const {
  Plane plane;
  plane.kernel = cl::Kernel(program_, name);
  const auto size = [&](const Nv12Layout& l) {
    return cl_int4{{l.width / divisor, l.height / divisor, l.pitch,
                    divisor == 1 ? 0 : static_cast<cl_int>(l.chroma_offset())}};
  };
  const double horizon = geometry_.y_of(0), between = divisor == 1 ? 0 : 0.5;
  const cl_float8 frame{{static_cast<float>(columns_per_radian_ / divisor),
                         static_cast<float>(lines_per_radian_ / divisor),
                         static_cast<float>((horizon - between) / divisor),
                         static_cast<float>(divisor), static_cast<float>(0.5 * (1 - view_.width)),
                         static_cast<float>(0.5 * (1 - view_.height) + between), 0, 0}};
  plane.kernel.setArg(1, size(panorama_));
  plane.kernel.setArg(3, size(view_));
  plane.kernel.setArg(4, frame);
  const auto columns = static_cast<std::size_t>(view_.width / divisor);
  const auto rows = static_cast<std::size_t>(view_.height / divisor);
  plane.global = per_pixel_ ? gpu::Range(round_up((columns + kPixelLanes - 1) / kPixelLanes, 32),
                                         round_up(rows, 4))
                            : gpu::Range(rows);
  plane.local = per_pixel_ ? gpu::Range(32, 4) : gpu::Range(1);
  return plane;
}

Status VirtualCamera::enqueue(Plane& plane, double divisor, const Surface& panorama,
                              const Surface& view, const CameraPose& pose, const gpu::Wait& wait,
                              cl::Event* done) noexcept {
  const double focal = focal_length(view_, pose);
  // The cubic's error is at most a bound on the fourth derivative of the projection, which goes
  // with the nearest b⁴ of the view, times length⁴ / 384.
  const double nearest =
      focal * std::cos(pose.pitch) - 0.5 * view_.height * std::abs(std::sin(pose.pitch));
  const double length = kSegment * divisor;
  const double error = 10.0 / 384 * std::pow(length / nearest, 4) *
                       std::max(columns_per_radian_, lines_per_radian_) / divisor;
  const cl_float4 position{{static_cast<float>(geometry_.x_of(pose.yaw) / divisor),
                            static_cast<float>(focal), static_cast<float>(std::sin(pose.pitch)),
                            static_cast<float>(std::cos(pose.pitch))}};
  for (const Status s : {gpu::set_argument(plane.kernel, 0, panorama.memory.buffer),
                         gpu::set_argument(plane.kernel, 2, view.memory.buffer),
                         gpu::set_value(plane.kernel, 5, position),
                         gpu::set_value(plane.kernel, 6, cl_int{error > kCubicError})})
    if (s != Status::ok) return s;
  return gpu::launch(queue_, plane.kernel, plane.global, &plane.local, wait, done);
}

Status VirtualCamera::rehearse(const PanoramaFrame& panorama, SurfaceRef output,
                               ViewFrame& out) noexcept {
  const Status status = render(panorama, {}, std::move(output), out);
  drain();
  last_duration_ns_ = 0;
  return status;
}

Status VirtualCamera::render(const PanoramaFrame& panorama, const CameraPose& wanted,
                             SurfaceRef output, ViewFrame& out) noexcept {
  retire();
  if (in_flight_.size() >= config_.in_flight || !std::isfinite(wanted.yaw) ||
      !std::isfinite(wanted.pitch) || !std::isfinite(wanted.field_of_view))
    return Status::dropped;
  const CameraPose pose = possible(wanted, view_);
  InFlight& f = in_flight_.emplace_back();
  f.panorama = panorama.surface.share();
  f.view = output.share();
  const gpu::Wait ready{panorama.ready()};
  Status s = gpu::acquire(queue_, output->memory);
  if (s == Status::ok) s = enqueue(luma_, 1, *panorama.surface, *output, pose, ready, &f.luma);
  if (s == Status::ok) s = enqueue(chroma_, 2, *panorama.surface, *output, pose, {}, &f.chroma);
  const bool brings = config_.host_reads && output->memory.by_command();
  if (s == Status::ok && brings)
    s = gpu::download(queue_, output->memory, view_.bytes(), {}, &f.done);
  if (s == Status::ok && !brings) f.done = f.chroma;
  if (s == Status::ok) s = gpu::flush(queue_);
  if (s != Status::ok) {
    in_flight_.pop_back();
    return s;
  }
  traffic_ = {panorama_bytes_under(pose), view_.picture_bytes(),
              brings && output->memory.apart ? view_.bytes() : 0};
  out.surface = std::move(output);
  out.ready = f.done;
  out.capture_ns = panorama.capture_ns;
  out.number = panorama.number;
  out.pose = pose;
  out.slate = false;
  return Status::ok;
}

void VirtualCamera::retire() noexcept {
  const auto finished = [&](InFlight& f) {
    if (!gpu::complete(f.done)) return false;
    if (config_.profile) last_duration_ns_ = gpu::duration_ns(f.luma) + gpu::duration_ns(f.chroma);
    return true;
  };
  std::erase_if(in_flight_, finished);
}

void VirtualCamera::drain() noexcept {
  for (const InFlight& f : in_flight_) gpu::wait(f.done);
  retire();
}

// Area of the polygon that the view's border makes on the panorama.
std::uint64_t VirtualCamera::panorama_bytes_under(const CameraPose& pose) const noexcept {
  constexpr int kPoints = 8;  // to an edge
  const double aspect = static_cast<double>(view_.height) / view_.width;
  double area = 0;
  ViewDirection last = view_direction(pose, -1, -aspect);
  const auto visit = [&](double x, double y) {
    const ViewDirection d = view_direction(pose, x, y);
    area += last.yaw * d.pitch - d.yaw * last.pitch;
    last = d;
  };
  for (int i = 1; i <= kPoints; ++i) visit(-1 + 2.0 * i / kPoints, -aspect);
  for (int i = 1; i <= kPoints; ++i) visit(1, aspect * (-1 + 2.0 * i / kPoints));
  for (int i = 1; i <= kPoints; ++i) visit(1 - 2.0 * i / kPoints, aspect);
  for (int i = 1; i <= kPoints; ++i) visit(-1, aspect * (1 - 2.0 * i / kPoints));
  return static_cast<std::uint64_t>(0.5 * std::abs(area) * columns_per_radian_ * lines_per_radian_ *
                                    1.5);
}

}  // namespace gantry
