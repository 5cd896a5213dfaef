// Runs a compiled network: every buffer made and every kernel argument bound at set-up, replayed
// with one call.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/gpu/gpu.hpp"
#include "pipeline/plan/plan.hpp"

namespace gantry {

// A network input or output on the device. The shape has the ONNX order of dimensions (NCHW); the
// strides, in elements, say how it lies: dense, or with the channels together and padded to 4 or 8.
struct PlanTensor {
  std::string name;
  std::vector<std::int64_t> shape, strides;
  Plan::Element element = Plan::Element::f32;
  gpu::Memory memory;  // inputs: Access::upload; outputs: Access::download
};

class PlanRunner {
 public:
  // Plans of another family are refused; tests run them nevertheless, slowly and rightly.
  enum class Foreign { refuse, run };

  // Set-up: throws std::runtime_error naming the plan and what is wrong with it on this device. Tiles
  // are those that tune() stored for the device, else the usual ones.
  PlanRunner(gpu::Device& device, const Plan& plan, cl::CommandQueue queue,
             Foreign foreign = Foreign::refuse);
  ~PlanRunner();

  // Owned by the runner; their buffers are fixed for its life, so that the tile kernel can be bound
  // to an input once.
  const std::vector<PlanTensor>& inputs() const;
  const std::vector<PlanTensor>& outputs() const;
  // What a runner of the plan takes on a device: arena, weights, inputs and outputs.
  static std::size_t device_bytes(const Plan& plan);

  // Dense values of any tensor of the plan, read back and waited for: for tests and diagnosis.
  // Throws std::invalid_argument where the plan has no such tensor. Tensors of the arena are whole
  // after run() only in a plan that was compiled with all tensors kept.
  std::vector<float> read(std::string_view name) const;
  // The other way, as the tensor's element holds the values: with compute_step(), a layer can be given
  // inputs that are not those which the layers before it made.
  void write(std::string_view name, const std::vector<float>& values);

  // Enqueues the whole network, outputs included (gpu::download). The queue's thread, after seal();
  // does not wait. Inputs are read from their device buffers: a kernel has written them, or the host
  // wrote memory.host and gpu::upload() was called before.
  Status run(const gpu::Wait& wait, cl::Event* done) noexcept;
  // The same, with the outputs left on the device.
  Status compute(const gpu::Wait& wait, cl::Event* done) noexcept;

  // One of the plan's steps alone: for tests and diagnosis.
  Status compute_step(std::size_t step) noexcept;

  // The outputs as they are now, to the host.
  Status fetch(const gpu::Wait& wait, cl::Event* done) noexcept;

  // Set-up: times the possible tiles of every convolution that no tile is stored for, and stores the
  // fastest beside the compiled programs. Returns how many were timed; a new runner uses them.
  int tune(int rounds);

  // What each step was compiled with, its tile included.
  const std::vector<std::string>& options() const;

  // Runs once and waits; the nanoseconds that each of the plan's steps took on the device. For
  // diagnosis, on a queue that profiles. Throws std::runtime_error where a step cannot be launched.
  std::vector<std::int64_t> profile();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gantry
