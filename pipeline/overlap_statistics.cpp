// Sample points of every pair of cameras, their kernel, and the host's part of the sum.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/overlap_statistics.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr float kMargin = 4;  // camera pixels from the edge, where meshes hold positions fast

struct Point {
  cl_int first_x, first_y, second_x, second_y;  // chroma samples
};

bool inside(const MeshNode& n, const Nv12Layout& layout) {
  return n.x > kMargin && n.y > kMargin && n.x < static_cast<float>(layout.width - 1) - kMargin &&
         n.y < static_cast<float>(layout.height - 1) - kMargin;
}

std::vector<Point> points_of(const StitchMesh& mesh, std::span<const Nv12Layout> cameras,
                             CameraPair pair) {
  std::vector<Point> all;
  for (std::size_t n = 0; n < mesh.cameras[pair.first].nodes.size(); ++n) {
    const MeshNode& a = mesh.cameras[pair.first].nodes[n];
    const MeshNode& b = mesh.cameras[pair.second].nodes[n];
    if (inside(a, cameras[pair.first]) && inside(b, cameras[pair.second]))
      all.push_back({static_cast<cl_int>(a.x / 2), static_cast<cl_int>(a.y / 2),
                     static_cast<cl_int>(b.x / 2), static_cast<cl_int>(b.y / 2)});
  }
  const std::size_t stride = all.size() / OverlapStatistics::kMostPoints + 1;
  std::vector<Point> some;
  for (std::size_t n = 0; n < all.size(); n += stride) some.push_back(all[n]);
  return some;
}

cl_int4 format_of(const Nv12Layout& layout) {
  return {{layout.width, layout.height, layout.pitch, 0}};
}

std::string options_for(const ColourFormat& format) {
  const bool limited = format.range == ColourRange::limited;
  const double scale = 256 * (limited ? 219.0 / 224.0 : 1.0);
  const double kr = format.matrix == ColourMatrix::bt709 ? 0.2126 : 0.299;
  const double kb = format.matrix == ColourMatrix::bt709 ? 0.0722 : 0.114;
  return fmt::format("-DWORK_ITEMS={} -DDARK={} -DBRIGHT={} -DRED_OF_CR={:.0f} -DBLUE_OF_CB={:.0f}",
                     OverlapStatistics::kWorkItems, limited ? 24 : 9, limited ? 228 : 247,
                     2 * (1 - kr) * scale, 2 * (1 - kb) * scale);
}

OverlapSums added_up(const gpu::Memory& rows) {
  const auto* row = reinterpret_cast<const cl_int*>(rows.host);
  std::array<std::int64_t, 8> total{};
  for (int item = 0; item < OverlapStatistics::kWorkItems; ++item, row += 8)
    for (int k = 0; k < 8; ++k) total[k] += row[k];
  // Luma was added up four samples to a point.
  return {total[0], {total[1] / 4, total[2], total[3]}, {total[4] / 4, total[5], total[6]}};
}

}  // namespace

OverlapStatistics::OverlapStatistics(gpu::Device& device, const StitchMesh& mesh,
                                     std::span<const Nv12Layout> cameras,
                                     const ColourFormat& format)
    : queue_(device.make_queue()) {
  const cl::Program program = device.build_family("overlap", options_for(format));
  for (std::size_t a = 0; a < cameras.size(); ++a)
    for (std::size_t b = a + 1; b < cameras.size(); ++b) {
      const auto points = points_of(mesh, cameras, {a, b});
      if (points.size() < kFewestPoints) continue;
      Pair work;
      work.kernel = cl::Kernel(program, "overlap_sums");
      work.rows = device.allocate(kWorkItems * 8 * sizeof(cl_int), gpu::Access::download);
      work.kernel.setArg(2, format_of(cameras[a]));
      work.kernel.setArg(3, format_of(cameras[b]));
      work.points = device.constant(points.data(), points.size() * sizeof(Point));
      work.kernel.setArg(4, work.points);
      work.kernel.setArg(5, static_cast<cl_int>(points.size()));
      work.kernel.setArg(6, work.rows.buffer);
      pairs_.push_back({a, b});
      work_.push_back(std::move(work));
    }
  sums_.resize(pairs_.size());
}

Status OverlapStatistics::start(const FramePair& frames, cl::Event* done) noexcept {
  for (std::size_t p = 0; p < pairs_.size(); ++p) {
    const CameraFrame& a = frames.cameras[pairs_[p].first];
    const CameraFrame& b = frames.cameras[pairs_[p].second];
    Pair& work = work_[p];
    work.measured = false;
    if (!a.surface || !b.surface) continue;
    const gpu::Range items(kWorkItems);
    if (gpu::set_argument(work.kernel, 0, a.surface->memory.buffer) != Status::ok ||
        gpu::set_argument(work.kernel, 1, b.surface->memory.buffer) != Status::ok ||
        gpu::launch(queue_, work.kernel, items, nullptr, {a.ready(), b.ready()}, nullptr) !=
            Status::ok ||
        gpu::download(queue_, work.rows, work.rows.bytes, {}, &arrived_) != Status::ok)
      return Status::device_lost;
    work.measured = running_ = true;
  }
  if (running_ && done) *done = arrived_;
  return gpu::flush(queue_);
}

bool OverlapStatistics::poll(std::span<const OverlapSums>& sums) noexcept {
  if (!running_ || !gpu::complete(arrived_)) return false;
  running_ = false;
  for (std::size_t p = 0; p < pairs_.size(); ++p)
    sums_[p] = work_[p].measured ? added_up(work_[p].rows) : OverlapSums{};
  sums = sums_;
  return true;
}

}  // namespace gantry
