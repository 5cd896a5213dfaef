// The stitch kernel with its tables on a device: pictures in, one launch, a panorama out.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "pipeline/colour_match.hpp"
#include "pipeline/stitch_tables.hpp"

namespace gantry {

class StitchKernel {
 public:
  // How a tile of 32×16 pixels is made; both write the same bytes.
  enum class Shape {
    tiles,   // by one work item, from whole runs of source lines: CPUs
    staged,  // by a work-group, from local memory: GPUs
  };
  static Shape shape_for(const gpu::Info& device);

  // Set-up. `cameras`, `panorama`: the layouts of all pictures. Throws std::invalid_argument if sizes do not belong together,
  // std::runtime_error if the device refuses.
  StitchKernel(gpu::Device& device, const StitchMesh& mesh, std::span<const Nv12Layout> cameras,
               const Nv12Layout& panorama, ColourRange range, Shape shape);

  // A picture of each camera; of one that is missing, what stands in for it where nobody else sees.
  using Pictures = std::array<const cl::Buffer*, Rig::kMostCameras>;
  using Colours = std::array<KernelColour, Rig::kMostCameras>;

  // Enqueues one panorama. `present`: a bit for each camera that is there; `lost` without any. One
  // submission thread: arguments belong to the kernel.
  Status launch(const cl::CommandQueue& queue, const Pictures& pictures, unsigned present,
                const Colours& colours, const cl::Buffer& panorama, const gpu::Wait& wait,
                cl::Event* done) noexcept;

  // Bytes of the tables that one panorama reads.
  std::uint64_t table_bytes() const { return table_bytes_; }

 private:
  void compile(gpu::Device& device, const StitchTables& tables, std::span<const Nv12Layout> cameras,
               const Nv12Layout& panorama, ColourRange range, Shape shape);
  void upload_tables(gpu::Device& device, const StitchTables& tables, Shape shape);

  std::size_t cameras_;
  cl::Kernel kernel_;
  gpu::Range local_;
  cl::Buffer nodes_, windows_;  // kernels do not hold their arguments
  struct Present {
    cl::Buffer weights, work;  // work: the kinds of tiles, or jobs
    gpu::Range global;
  };
  std::array<Present, 1 << Rig::kMostCameras> present_;  // by the bits of the cameras
  cl::Buffer unused_;                                    // of cameras that the rig does not have
  std::uint64_t table_bytes_ = 0;
};

}  // namespace gantry
