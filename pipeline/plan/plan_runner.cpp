// Binds a plan to a device: buffers, programs and kernels at set-up, launches afterwards.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/plan_runner.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace gantry {
namespace {

// Kernels read whole vectors: up to this many bytes past the end of a tensor.
constexpr std::size_t kReadSlack = 256;

struct BoundStep {
  cl::Kernel kernel;
  gpu::Range global, local;
  bool driver_chooses_local = false;
};

gpu::Range range(const std::array<std::uint64_t, 3>& size, std::uint32_t dimensions) {
  if (dimensions == 1) return gpu::Range(size[0]);
  if (dimensions == 2) return gpu::Range(size[0], size[1]);
  return gpu::Range(size[0], size[1], size[2]);
}

}  // namespace

struct PlanRunner::State {
  Plan plan;
  cl::CommandQueue queue;
  std::vector<PlanTensor> inputs, outputs;
  gpu::Memory arena;
  cl::Buffer weights;
  std::vector<BoundStep> steps;

  const cl::Buffer& buffer(const Plan::Tensor& t) const {
    switch (t.storage) {
      case Plan::Storage::weights:
        return weights;
      case Plan::Storage::input:
        return inputs[t.buffer].memory.buffer;
      case Plan::Storage::output:
        return outputs[t.buffer].memory.buffer;
      case Plan::Storage::arena:
        break;
    }
    return arena.buffer;
  }

  void bind(const Plan::Step& step, cl::Program& program, const gpu::Device& device) {
    BoundStep bound;
    bound.kernel = cl::Kernel(program, step.kernel.c_str());
    bound.global = range(step.global, step.dimensions);
    bound.driver_chooses_local = step.local[0] == 0;
    if (!bound.driver_chooses_local) bound.local = range(step.local, step.dimensions);
    const auto limit = bound.kernel.getWorkGroupInfo<CL_KERNEL_WORK_GROUP_SIZE>(device.id());
    if (step.local[0] * step.local[1] * step.local[2] > limit)
      throw std::runtime_error(fmt::format("a work-group is larger than the device's {}", limit));
    cl_uint index = 0;
    for (const auto& a : step.arguments) {
      switch (a.kind) {
        case Plan::Argument::Kind::tensor: {
          const auto& t = plan.tensors()[a.tensor];
          bound.kernel.setArg(index++, buffer(t));
          bound.kernel.setArg(index++, static_cast<cl_int>(t.offset));
          break;
        }
        case Plan::Argument::Kind::integer:
          bound.kernel.setArg(index++, cl_int{a.integer});
          break;
        case Plan::Argument::Kind::real:
          bound.kernel.setArg(index++, cl_float{a.real});
          break;
      }
    }
    if (index != bound.kernel.getInfo<CL_KERNEL_NUM_ARGS>())
      throw std::runtime_error(fmt::format("{} arguments where the kernel takes {}", index,
                                           bound.kernel.getInfo<CL_KERNEL_NUM_ARGS>()));
    steps.push_back(std::move(bound));
  }
};

PlanRunner::PlanRunner(gpu::Device& device, const Plan& plan, cl::CommandQueue queue)
    : state_(std::make_unique<State>(State{plan, std::move(queue), {}, {}, {}, {}, {}})) {
  State& s = *state_;
  const auto open = [&](const std::vector<std::uint32_t>& list, gpu::Access access) {
    std::vector<PlanTensor> tensors;
    for (const auto index : list) {
      const auto& t = plan.tensors()[index];
      const auto bytes = static_cast<std::size_t>(t.count()) * sizeof(float) + kReadSlack;
      tensors.push_back({t.name, t.shape, device.allocate(bytes, access)});
    }
    return tensors;
  };
  s.inputs = open(plan.inputs(), gpu::Access::upload);
  s.outputs = open(plan.outputs(), gpu::Access::download);
  s.arena = device.allocate(plan.arena_bytes() + kReadSlack, gpu::Access::device);
  std::vector<std::byte> weights(plan.weights().begin(), plan.weights().end());
  weights.resize(weights.size() + kReadSlack);
  s.weights = device.constant(weights.data(), weights.size());

  std::map<std::pair<std::string, std::string>, cl::Program> programs;
  for (const auto& step : plan.steps()) {
    try {
      auto found = programs.find({step.family, step.options});
      if (found == programs.end())
        found = programs
                    .emplace(std::pair{step.family, step.options},
                             device.build_family(step.family, step.options))
                    .first;
      s.bind(step, found->second, device);
    } catch (const cl::Error& e) {
      throw std::runtime_error(
          fmt::format("{}: layer {}: kernel {}/{} cannot be bound on {} ({}, {})", plan.name(),
                      step.layer, step.family, step.kernel, device.info().name, e.what(), e.err()));
    } catch (const std::exception& e) {
      throw std::runtime_error(fmt::format("{}: layer {}: kernel {}/{}: {}", plan.name(),
                                           step.layer, step.family, step.kernel, e.what()));
    }
  }
}

PlanRunner::~PlanRunner() = default;

const std::vector<PlanTensor>& PlanRunner::inputs() const {
  return state_->inputs;
}
const std::vector<PlanTensor>& PlanRunner::outputs() const {
  return state_->outputs;
}
std::size_t PlanRunner::arena_bytes() const {
  return state_->arena.bytes;
}
std::size_t PlanRunner::weight_bytes() const {
  return state_->plan.weights().size();
}

std::vector<float> PlanRunner::read(std::string_view name) const {
  const auto& tensors = state_->plan.tensors();
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
  if (found == tensors.end())
    throw std::invalid_argument(state_->plan.name() + ": no tensor " + std::string(name));
  std::vector<float> span(found->extent()), dense(static_cast<std::size_t>(found->count()));
  state_->queue.enqueueReadBuffer(state_->buffer(*found), CL_TRUE, found->offset * sizeof(float),
                                  span.size() * sizeof(float), span.data());
  for (std::size_t i = 0; i < dense.size(); ++i) {
    std::size_t rest = i, at = 0;
    for (std::size_t d = found->shape.size(); d-- > 0;) {
      const auto size = static_cast<std::size_t>(found->shape[d]);
      at += rest % size * static_cast<std::size_t>(found->strides[d]);
      rest /= size;
    }
    dense[i] = span[at];
  }
  return dense;
}

Status PlanRunner::run(const gpu::Wait& wait, cl::Event* done) noexcept {
  State& s = *state_;
  gpu::Wait first = wait;  // the queue is in order: who waits first waits for all
  for (const auto& step : s.steps) {
    const Status status =
        gpu::launch(s.queue, step.kernel, step.global,
                    step.driver_chooses_local ? nullptr : &step.local, first, nullptr);
    if (status != Status::ok) return status;
    first = {};
  }
  for (const auto& output : s.outputs) {
    const Status status = gpu::download(s.queue, output.memory, output.memory.bytes, first,
                                        &output == &s.outputs.back() ? done : nullptr);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

std::vector<std::int64_t> PlanRunner::profile() {
  State& s = *state_;
  std::vector<cl::Event> events(s.steps.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const BoundStep& step = s.steps[i];
    if (gpu::launch(s.queue, step.kernel, step.global,
                    step.driver_chooses_local ? nullptr : &step.local, {},
                    &events[i]) != Status::ok)
      throw std::runtime_error(s.plan.name() + ": a step cannot be launched");
  }
  s.queue.finish();
  std::vector<std::int64_t> spent;
  for (const auto& e : events) spent.push_back(gpu::duration_ns(e));
  return spent;
}

}  // namespace gantry
