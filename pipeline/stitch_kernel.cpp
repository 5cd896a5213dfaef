// Compilation, constant arguments and the launch of the stitch kernel.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitch_kernel.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

// Kernel arguments, in order; kernels/stitch.cl.
enum Argument : cl_uint {
  kCamera0 = 0,
  kPanorama = 4,
  kFormats,
  kNodes,
  kWeights,
  kKinds,
  kWindows,
  kColour0
};

constexpr std::size_t kStagedItems = 32;  // of a work-group
constexpr int kSlateLuma = 72;            // a grey that is clearly neither black nor picture

template <typename T>
cl::Buffer constant(gpu::Device& device, const std::vector<T>& values) {
  return device.constant(values.data(), values.size() * sizeof(T));
}

cl::Buffer formats_of(gpu::Device& device, std::span<const Nv12Layout> cameras) {
  std::vector<cl_int4> formats(Rig::kMostCameras);
  for (std::size_t c = 0; c < cameras.size(); ++c)
    formats[c] = {{cameras[c].width, cameras[c].height, cameras[c].pitch, 0}};
  return constant(device, formats);
}

cl_short8 vector_of(const KernelColour& colour) {
  cl_short8 v;
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
  compile(device, tables, panorama, range, shape);
  kernel_.setArg(kFormats, formats_ = formats_of(device, cameras));
  kernel_.setArg(kNodes, nodes_ = constant(device, tables.nodes));
  const auto& places = shape == Shape::tiles ? tables.windows : tables.boxes;
  kernel_.setArg(kWindows, places_ = constant(device, places));
  for (std::size_t p = 0; p < tables.present.size(); ++p)
    present_[p + 1] = {constant(device, tables.present[p].weights),
                       constant(device, tables.present[p].kinds)};
  unused_ = cl::Buffer(device.context(), CL_MEM_READ_WRITE, 64);
  // A panorama's worth of nodes, and of windows or boxes, is read once.
  table_bytes_ = static_cast<std::uint64_t>(tables.nodes_per_camera()) * 2 * sizeof(cl_int) +
                 tables.present.back().kinds.size() + places.size() / cameras_ * sizeof(cl_uint);
  warm_up(device, cameras, panorama);
}

void StitchKernel::compile(gpu::Device& device, const StitchTables& tables,
                           const Nv12Layout& panorama, ColourRange range, Shape shape) {
  const std::string options = fmt::format(
      "-cl-std=CL1.2 -D{} -DWIDTH={} -DHEIGHT={} -DPITCH={} -DBLACK={} -DSLATE={}",
      shape == Shape::tiles ? "STITCH_TILES" : "STITCH_STAGED", panorama.width, panorama.height,
      panorama.pitch, range == ColourRange::limited ? 16 : 0, kSlateLuma);
  const cl::Program program = device.build_family("stitch", options + tables.options());
  const auto columns = static_cast<std::size_t>(tables.tile_columns);
  if (shape == Shape::tiles) {  // a work-group is a row of tiles
    kernel_ = cl::Kernel(program, "stitch_tiles");
    local_ = gpu::Range(columns, 1);
    global_ = gpu::Range(columns, static_cast<std::size_t>(tables.tile_rows));
  } else {
    kernel_ = cl::Kernel(program, "stitch_staged");
    local_ = gpu::Range(kStagedItems, 1);
    global_ = gpu::Range(columns * kStagedItems, static_cast<std::size_t>(tables.tile_rows));
  }
}

// Drivers compile for a size of launch, or at all, when a kernel first runs.
void StitchKernel::warm_up(gpu::Device& device, std::span<const Nv12Layout> cameras,
                           const Nv12Layout& panorama) {
  std::size_t most = 0;
  for (const Nv12Layout& c : cameras) most = std::max(most, c.bytes());
  const cl::Buffer camera(device.context(), CL_MEM_READ_WRITE, most);
  const cl::Buffer out(device.context(), CL_MEM_READ_WRITE, panorama.bytes());
  Pictures pictures{};
  std::fill_n(pictures.begin(), cameras_, &camera);
  Colours colours;
  colours.fill(kernel_colour({}, {}));
  const auto queue = device.make_queue();
  if (launch(queue, pictures, colours, out, {}, nullptr) != Status::ok)
    throw std::runtime_error(device.info().name + ": the stitch kernel cannot be launched");
  queue.finish();
}

Status StitchKernel::launch(const cl::CommandQueue& queue, const Pictures& pictures,
                            const Colours& colours, const cl::Buffer& panorama,
                            const gpu::Wait& wait, cl::Event* done) noexcept {
  unsigned present = 0;
  bool ok = gpu::set_argument(kernel_, kPanorama, panorama) == Status::ok;
  for (cl_uint c = 0; c < Rig::kMostCameras; ++c) {
    const cl::Buffer* picture = c < cameras_ ? pictures[c] : nullptr;
    if (picture) present |= 1u << c;
    ok = ok &&
         gpu::set_argument(kernel_, kCamera0 + c, picture ? *picture : unused_) == Status::ok &&
         gpu::set_value(kernel_, kColour0 + c, vector_of(colours[c])) == Status::ok;
  }
  if (!present) return Status::lost;
  ok = ok && gpu::set_argument(kernel_, kWeights, present_[present].weights) == Status::ok &&
       gpu::set_argument(kernel_, kKinds, present_[present].kinds) == Status::ok;
  return ok ? gpu::launch(queue, kernel_, global_, &local_, wait, done) : Status::device_lost;
}

}  // namespace gantry
