// Binds a plan to a device: buffers, programs and kernels at set-up, launches afterwards.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/plan_runner.hpp"

#include <algorithm>
#include <cstring>
#include <future>
#include <limits>
#include <map>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "pipeline/plan/family.hpp"
#include "pipeline/plan/half.hpp"
#include "pipeline/plan/tile_table.hpp"

namespace gantry {
namespace {

// Kernels read whole vectors: up to this many bytes past the end of a tensor.
constexpr std::size_t kReadSlack = 256;

std::size_t element_bytes(const Plan::Tensor& t) {
  return t.element == Plan::Element::f16 ? 2 : 4;
}

std::size_t buffer_bytes(const Plan::Tensor& t) {
  return static_cast<std::size_t>(t.extent()) * element_bytes(t) + kReadSlack;
}

// Where the i-th of a tensor's dense values lies, in elements from its first one.
std::size_t place(const Plan::Tensor& t, std::size_t i) {
  std::size_t at = 0;
  for (std::size_t d = t.shape.size(); d-- > 0;) {
    const auto size = static_cast<std::size_t>(t.shape[d]);
    at += i % size * static_cast<std::size_t>(t.strides[d]);
    i /= size;
  }
  return at;
}

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
  gpu::Device& device;
  Plan plan;
  cl::CommandQueue queue;
  std::vector<PlanTensor> inputs, outputs;
  gpu::Memory arena;
  cl::Buffer weights;
  std::vector<BoundStep> steps;
  std::vector<std::string> options;  // of each step, its tile included

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

  const Plan::Tensor& named(std::string_view name) const {
    const auto& tensors = plan.tensors();
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
    if (found == tensors.end())
      throw std::invalid_argument(plan.name() + ": no tensor " + std::string(name));
    return *found;
  }

  // From the tensor's first element to its last.
  std::vector<std::byte> bytes(const Plan::Tensor& t) const {
    std::vector<std::byte> bytes(t.extent() * element_bytes(t));
    queue.enqueueReadBuffer(buffer(t), CL_TRUE, t.offset * element_bytes(t), bytes.size(),
                            bytes.data());
    return bytes;
  }

  BoundStep bound(const Plan::Step& step, const cl::Program& program) const {
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
    return bound;
  }

  // The fastest of some launches, nanoseconds.
  std::int64_t time(const cl::CommandQueue& on, const BoundStep& step, int rounds) const {
    std::int64_t fastest = std::numeric_limits<std::int64_t>::max();
    for (int r = 0; r < rounds; ++r) {
      cl::Event done;
      if (gpu::launch(on, step.kernel, step.global,
                      step.driver_chooses_local ? nullptr : &step.local, {}, &done) != Status::ok ||
          gpu::wait(done) != Status::ok)
        throw std::runtime_error(plan.name() + ": a kernel failed while it was timed");
      fastest = std::min(fastest, gpu::duration_ns(done));
    }
    return fastest;
  }
};

PlanRunner::PlanRunner(gpu::Device& device, const Plan& plan, cl::CommandQueue queue,
                       Foreign foreign)
    : state_(
          std::make_unique<State>(State{device, plan, std::move(queue), {}, {}, {}, {}, {}, {}})) {
  State& s = *state_;
  if (const auto why = why_foreign(device.info(), plan.target());
      !why.empty() && foreign == Foreign::refuse)
    throw std::runtime_error(plan.name() + ": " + why);
  const auto open = [&](const std::vector<std::uint32_t>& list, gpu::Access access) {
    std::vector<PlanTensor> tensors;
    for (const auto index : list) {
      const auto& t = plan.tensors()[index];
      tensors.push_back(
          {t.name, t.shape, t.strides, t.element, device.allocate(buffer_bytes(t), access)});
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
  const TileTable table(device);
  for (Plan::Step step : plan.steps()) {
    if (const auto work = tensor_work(step)) cut(step, *work, table.tile(step, *work));
    try {
      auto found = programs.find({step.family, step.options});
      if (found == programs.end())
        found = programs
                    .emplace(std::pair{step.family, step.options},
                             device.build_family(step.family, step.options))
                    .first;
      s.steps.push_back(s.bound(step, found->second));
      s.options.push_back(step.options);
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
std::size_t PlanRunner::device_bytes(const Plan& plan) {
  std::size_t bytes = plan.arena_bytes() + plan.weights().size() + 2 * kReadSlack;
  for (const auto* list : {&plan.inputs(), &plan.outputs()})
    for (const auto index : *list) bytes += buffer_bytes(plan.tensors()[index]);
  return bytes;
}

std::vector<float> PlanRunner::read(std::string_view name) const {
  const Plan::Tensor& t = state_->named(name);
  const auto bytes = state_->bytes(t);
  std::vector<float> dense(static_cast<std::size_t>(t.count()));
  for (std::size_t i = 0; i < dense.size(); ++i) {
    const std::byte* from = bytes.data() + place(t, i) * element_bytes(t);
    if (t.element == Plan::Element::f16) {
      std::uint16_t bits;
      std::memcpy(&bits, from, 2);
      dense[i] = float_of_half(bits);
    } else {
      std::memcpy(&dense[i], from, 4);
    }
  }
  return dense;
}

void PlanRunner::write(std::string_view name, const std::vector<float>& values) {
  const Plan::Tensor& t = state_->named(name);
  auto bytes = state_->bytes(t);  // what lies between its elements stays
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::byte* to = bytes.data() + place(t, i) * element_bytes(t);
    const std::uint16_t bits = half_of(values[i]);
    if (t.element == Plan::Element::f16)
      std::memcpy(to, &bits, 2);
    else
      std::memcpy(to, &values[i], 4);
  }
  state_->queue.enqueueWriteBuffer(state_->buffer(t), CL_TRUE, t.offset * element_bytes(t),
                                   bytes.size(), bytes.data());
}

const std::vector<std::string>& PlanRunner::options() const {
  return state_->options;
}

int PlanRunner::tune(int rounds) {
  const State& s = *state_;
  TileTable table(s.device);
  const cl::CommandQueue queue = s.device.make_queue(true);
  int timed = 0;
  for (const Plan::Step& original : s.plan.steps()) {
    const auto work = tensor_work(original);
    if (!work || table.has(original, *work)) continue;
    const auto tiles = possible_tiles(*work);
    std::vector<Plan::Step> steps(tiles.size(), original);
    std::vector<std::future<cl::Program>> programs;  // compilers have one thread each
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      cut(steps[i], *work, tiles[i]);
      programs.push_back(std::async(std::launch::async, [&s, &step = steps[i]] {
        return s.device.build_family(step.family, step.options);
      }));
    }
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      const auto ns = s.time(queue, s.bound(steps[i], programs[i].get()), rounds);
      if (ns < least) {
        least = ns;
        table.set(original, *work, tiles[i]);
      }
    }
    ++timed;
  }
  table.save();
  return timed;
}

Status PlanRunner::compute(const gpu::Wait& wait, cl::Event* done) noexcept {
  State& s = *state_;
  gpu::Wait first = wait;  // the queue is in order: who waits first waits for all
  for (const auto& step : s.steps) {
    const Status status = gpu::launch(s.queue, step.kernel, step.global,
                                      step.driver_chooses_local ? nullptr : &step.local, first,
                                      &step == &s.steps.back() ? done : nullptr);
    if (status != Status::ok) return status;
    first = {};
  }
  return Status::ok;
}

Status PlanRunner::compute_step(std::size_t step) noexcept {
  const BoundStep& s = state_->steps[step];
  return gpu::launch(state_->queue, s.kernel, s.global, s.driver_chooses_local ? nullptr : &s.local,
                     {}, nullptr);
}

Status PlanRunner::run(const gpu::Wait& wait, cl::Event* done) noexcept {
  if (const Status status = compute(wait, nullptr); status != Status::ok) return status;
  return fetch({}, done);  // the queue is in order
}

Status PlanRunner::fetch(const gpu::Wait& wait, cl::Event* done) noexcept {
  State& s = *state_;
  for (const auto& output : s.outputs) {
    const Status status = gpu::download(s.queue, output.memory, output.memory.bytes, wait,
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
  spent.reserve(events.size());
  for (const auto& e : events) spent.push_back(gpu::duration_ns(e));
  return spent;
}

}  // namespace gantry
