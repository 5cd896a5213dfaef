// Cuts tiles out of a panorama, straight into a network's input tensor.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "hal/gpu/gpu.hpp"
#include "hal/memory/surface.hpp"
#include "pipeline/plan/plan_runner.hpp"
#include "pipeline/tiles.hpp"

namespace gantry {

enum class ColourOrder { rgb, bgr };

// What a network wants to see: channel value = RGB value (0 … 255) · scale + bias. Both are in the
// order of the tensor's channels.
struct TileInput {
  ColourOrder order = ColourOrder::rgb;
  std::array<double, 3> scale{1.0 / 255, 1.0 / 255, 1.0 / 255};
  std::array<double, 3> bias{0, 0, 0};
  double pad = 114;  // RGB value, 0 … 255, outside of the panorama

  // The usual ones: 0 … 1 (YOLO), mean and deviation of ImageNet, 0 … 255 BGR (YOLOX).
  static TileInput unit() { return {}; }
  static TileInput imagenet();
  static TileInput raw_bgr();
};

// The folded colour transform; the layout is kernels/tile.cl's `Colour`. Rows are the tensor's
// channels: value = clamp(x·Y + y·Cb + z·Cr + w, low, high) with Y, Cb, Cr as stored bytes.
struct TileColour {
  float row[3][4];
  float low[4], high[4], pad[4];
};
// Matrices: ITU-R BT.601-7 and BT.709-6, quantisation of either recommendation or full range
// (JFIF). Throws std::invalid_argument on a scale that is not positive or values that are not
// finite.
TileColour fold_colour(const TileInput& input, ColourMatrix matrix, ColourRange range);

class TileStage {
 public:
  // Set-up. `tensor`: the network's input, [batch, 3, network_height, network_width], owned by the
  // caller, bound for the stage's life; fp32 in planes, or fp16 with pixels of four channels, the
  // fourth zero. Throws std::invalid_argument on another form. `layout`: that of every panorama.
  TileStage(gpu::Device& device, const TilePlan& plan, const TileInput& input,
            const Nv12Layout& layout, ColourMatrix matrix, ColourRange range,
            const PlanTensor& tensor);
  // The form in planes.
  TileStage(gpu::Device& device, const TilePlan& plan, const TileInput& input,
            const Nv12Layout& layout, ColourMatrix matrix, ColourRange range,
            const cl::Buffer& tensor)
      : TileStage(device, plan, input, layout, matrix, range, tensor, false) {}

  // Which tiles of the plan cut() takes from now on, and in which order; at first all of them in
  // theirs. The queue's thread, when no cut is under way; does not wait.
  Status choose(const cl::CommandQueue& queue, std::span<const std::uint16_t> tiles) noexcept;
  // Enqueues tiles [first, first + count) of those chosen into batch elements 0 … count-1, one launch.
  // The queue's thread; does not wait. `picture` must live until `done` has completed.
  Status cut(const cl::CommandQueue& queue, const cl::Buffer& picture, int first, int count,
             const gpu::Wait& wait, cl::Event* done) noexcept;

  // Bytes of one tile's source pixels inside of the panorama (NV12) and of one tile's tensor.
  std::uint64_t bytes_read(int tile) const;
  std::uint64_t bytes_written() const;

 private:
  TileStage(gpu::Device& device, const TilePlan& plan, const TileInput& input,
            const Nv12Layout& layout, ColourMatrix matrix, ColourRange range,
            const cl::Buffer& tensor, bool pixels);
  bool pixels_ = false;  // fp16, four channels together
  TilePlan plan_;
  Nv12Layout layout_;
  cl::Program program_;
  cl::Kernel kernel_;
  gpu::Memory origins_;  // of the tiles chosen
  cl::Buffer colour_;
  gpu::Range global_, local_;
};

}  // namespace gantry
