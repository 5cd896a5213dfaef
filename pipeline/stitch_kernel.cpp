// Compilation, constant arguments and the launch of the stitch kernel.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitch_kernel.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

// Kernel arguments, in order; kernels/stitch.cl. Of each camera two.
constexpr cl_uint camera_argument(cl_uint camera) {
  return 2 * camera;
}
constexpr cl_uint colour_argument(cl_uint camera) {
  return 2 * camera + 1;
}
enum Argument : cl_uint { kNodes = 8, kWeights, kPanorama, kWork, kWindows };

constexpr std::size_t kJobItems = 32;  // of a work-group

template <typename T>
cl::Buffer constant(gpu::Device& device, const std::vector<T>& values) {
  return device.constant(values.data(), values.size() * sizeof(T));
}

cl_int8 vector_of(const KernelColour& colour) {
  cl_int8 v;
  for (std::size_t i = 0; i < colour.size(); ++i) v.s[i] = colour[i];
  return v;
}

}  // namespace

StitchKernel::Shape StitchKernel::shape_for(const gpu::Info& device) {
  return device.kind == gpu::Kind::cpu ? Shape::tiles : Shape::staged;
}

StitchKernel::StitchKernel(gpu::Device& device, const StitchMesh& mesh,
                           std::span<const Nv12Layout> cameras, const Nv12Layout& panorama,
                           ColourRange range, Shape shape)
    : cameras_(cameras.size()) {
  if (panorama.width != mesh.panorama_width || panorama.height != mesh.panorama_height)
    throw std::invalid_argument(fmt::format("stitch: panoramas of {}x{} for a mesh of {}x{}",
                                            panorama.width, panorama.height, mesh.panorama_width,
                                            mesh.panorama_height));
  const StitchTables tables = make_stitch_tables(mesh, cameras);
  compile(device, tables, cameras, panorama, range, shape);
  upload_tables(device, tables, shape);
}

void StitchKernel::upload_tables(gpu::Device& device, const StitchTables& tables, Shape shape) {
  const auto columns = static_cast<std::size_t>(tables.tile_columns);
  kernel_.setArg(kNodes, nodes_ = constant(device, tables.nodes));
  table_bytes_ = static_cast<std::uint64_t>(tables.nodes_per_camera()) * 2 * sizeof(cl_int);
  for (std::size_t p = 0; p < tables.present.size(); ++p) {
    const StitchTables::Present& from = tables.present[p];
    Present& to = present_[p + 1];
    to.weights = constant(device, from.weights);
    if (shape == Shape::tiles) {
      to.work = constant(device, from.kinds);
      to.global = gpu::Range(columns, static_cast<std::size_t>(tables.tile_rows));
    } else {
      to.work = constant(device, from.jobs);
      to.global = gpu::Range(from.jobs.size() * kJobItems);
    }
  }
  // A panorama's worth of nodes, and of windows or jobs, is read once.
  const auto& everyone = tables.present.back();
  if (shape == Shape::tiles) {
    local_ = gpu::Range(columns, 1);  // a work-group is a row of tiles
    kernel_.setArg(kWindows, windows_ = constant(device, tables.windows));
    table_bytes_ += everyone.kinds.size() + tables.windows.size() / cameras_ * sizeof(cl_uint);
  } else {
    local_ = gpu::Range(kJobItems);
    table_bytes_ += everyone.jobs.size() * sizeof(StitchTables::Job);
  }
}

void StitchKernel::compile(gpu::Device& device, const StitchTables& tables,
                           std::span<const Nv12Layout> cameras, const Nv12Layout& panorama,
                           ColourRange range, Shape shape) {
  std::string options = fmt::format("-DCAMERAS={} -DWIDTH={} -DHEIGHT={} -DPITCH={} -DBLACK={}",
                                    cameras.size(), panorama.width, panorama.height, panorama.pitch,
                                    range == ColourRange::limited ? 16 : 0);
  if (shape == Shape::tiles)
    options += " -DSTITCH_TILES";
  else
    options += fmt::format(" -DSTITCH_STAGED -DLUMA_LINES={} -DCHROMA_LINES={}",
                           tables.luma_box_lines, tables.chroma_box_lines);
  for (std::size_t c = 0; c < Rig::kMostCameras; ++c) {
    const Nv12Layout& l = cameras[std::min(c, cameras.size() - 1)];
    options += fmt::format(" -DFORMAT{}=(int4)({},{},{},0)", c, l.width, l.height, l.pitch);
  }
  const cl::Program program = device.build_family("stitch", options + tables.options());
  kernel_ = cl::Kernel(program, shape == Shape::tiles ? "stitch_tiles" : "stitch_staged");
}

Status StitchKernel::launch(const cl::CommandQueue& queue, const Pictures& pictures,
                            unsigned present, const Colours& colours, const cl::Buffer& panorama,
                            const gpu::Wait& wait, cl::Event* done) noexcept {
  present &= (1u << cameras_) - 1;
  if (!present) return Status::lost;
  bool ok = gpu::set_argument(kernel_, kPanorama, panorama) == Status::ok;
  for (cl_uint c = 0; c < Rig::kMostCameras; ++c)
    ok = ok &&
         gpu::set_argument(kernel_, camera_argument(c), c < cameras_ ? *pictures[c] : unused_) ==
             Status::ok &&
         gpu::set_value(kernel_, colour_argument(c), vector_of(colours[c])) == Status::ok;
  const Present& tables = present_[present];
  ok = ok && gpu::set_argument(kernel_, kWeights, tables.weights) == Status::ok &&
       gpu::set_argument(kernel_, kWork, tables.work) == Status::ok;
  return ok ? gpu::launch(queue, kernel_, tables.global, &local_, wait, done) : Status::device_lost;
}

}  // namespace gantry
