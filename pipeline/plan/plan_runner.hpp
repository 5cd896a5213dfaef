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

// A network input or output on the device: dense fp32, in the ONNX order of dimensions (NCHW).
struct PlanTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  gpu::Memory memory;  // inputs: Access::upload; outputs: Access::download
};

class PlanRunner {
 public:
  // Set-up: throws std::runtime_error naming the plan and what is wrong with it on this device.
  PlanRunner(gpu::Device& device, const Plan& plan, cl::CommandQueue queue);
  ~PlanRunner();

  // Owned by the runner; their buffers are fixed for its life, so that the tile kernel can be bound
  // to an input once.
  const std::vector<PlanTensor>& inputs() const;
  const std::vector<PlanTensor>& outputs() const;
  // Device bytes of the arena and the weights.
  std::size_t arena_bytes() const;
  std::size_t weight_bytes() const;

  // Dense values of any tensor of the plan, read back and waited for: for tests and diagnosis.
  // Throws std::invalid_argument where the plan has no such tensor. Tensors of the arena are whole
  // after run() only in a plan that was compiled with all tensors kept.
  std::vector<float> read(std::string_view name) const;

  // Enqueues the whole network, outputs included (gpu::download). The queue's thread, after seal();
  // does not wait. Inputs are read from their device buffers: a kernel has written them, or the host
  // wrote memory.host and gpu::upload() was called before.
  Status run(const gpu::Wait& wait, cl::Event* done) noexcept;

  // Runs once and waits; the nanoseconds that each of the plan's steps took on the device. For
  // diagnosis, on a queue that profiles. Throws std::runtime_error where a step cannot be launched.
  std::vector<std::int64_t> profile();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gantry
