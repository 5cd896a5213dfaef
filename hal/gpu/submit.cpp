// Steady-state calls: launches, transfers, events. Submission threads only.
// SPDX-License-Identifier: Apache-2.0
#include "hal/gpu/gpu.hpp"

namespace gantry::gpu {
namespace {

Status checked(cl_int error) noexcept {
  return error == CL_SUCCESS ? Status::ok : Status::device_lost;
}

// Puts a fresh event into a cl::Event without the exceptions of the bindings.
class Out {
 public:
  explicit Out(cl::Event* target) noexcept : target_(target) {}
  ~Out() {
    if (target_ && event_) *target_ = cl::Event(event_, false);
  }
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;
  cl_event* get() noexcept { return target_ ? &event_ : nullptr; }

 private:
  cl::Event* target_;
  cl_event event_ = nullptr;
};

}  // namespace

Status launch(const cl::CommandQueue& queue, const cl::Kernel& kernel, const Range& global,
              const Range* local, const Wait& wait, cl::Event* done) noexcept {
  Out out(done);
  return checked(clEnqueueNDRangeKernel(queue(), kernel(), global.dimensions, nullptr,
                                        global.size.data(), local ? local->size.data() : nullptr,
                                        wait.count(), wait.data(), out.get()));
}

Status upload(const cl::CommandQueue& queue, const Memory& memory, std::size_t bytes,
              const Wait& wait, cl::Event* done) noexcept {
  Out out(done);
  if (memory.hand_over)
    return checked(memory.hand_over->acquire(queue(), 1, &memory.buffer(), wait.count(),
                                             wait.data(), out.get()));
  if (!memory.apart)  // the same bytes: only an order is needed
    return checked(clEnqueueMarkerWithWaitList(queue(), wait.count(), wait.data(), out.get()));
  return checked(clEnqueueWriteBuffer(queue(), memory.buffer(), CL_FALSE, 0, bytes, memory.host,
                                      wait.count(), wait.data(), out.get()));
}

Status download(const cl::CommandQueue& queue, const Memory& memory, std::size_t bytes,
                const Wait& wait, cl::Event* done) noexcept {
  Out out(done);
  if (memory.hand_over)
    return checked(memory.hand_over->release(queue(), 1, &memory.buffer(), wait.count(),
                                             wait.data(), out.get()));
  if (!memory.apart)
    return checked(clEnqueueMarkerWithWaitList(queue(), wait.count(), wait.data(), out.get()));
  return checked(clEnqueueReadBuffer(queue(), memory.buffer(), CL_FALSE, 0, bytes, memory.host,
                                     wait.count(), wait.data(), out.get()));
}

Status acquire(const cl::CommandQueue& queue, const Memory& memory) noexcept {
  if (!memory.hand_over) return Status::ok;
  return checked(memory.hand_over->acquire(queue(), 1, &memory.buffer(), 0, nullptr, nullptr));
}

Status copy(const cl::CommandQueue& queue, const Memory& from, const Memory& to, std::size_t bytes,
            const Wait& wait, cl::Event* done) noexcept {
  Out out(done);
  return checked(clEnqueueCopyBuffer(queue(), from.buffer(), to.buffer(), 0, 0, bytes, wait.count(),
                                     wait.data(), out.get()));
}

Status set_argument(const cl::Kernel& kernel, cl_uint index, const cl::Buffer& buffer) noexcept {
  const cl_mem handle = buffer();
  return checked(clSetKernelArg(kernel(), index, sizeof handle, &handle));
}

Status flush(const cl::CommandQueue& queue) noexcept {
  return checked(clFlush(queue()));
}

Status wait(const cl::Event& event) noexcept {
  const cl_event handle = event();
  return handle ? checked(clWaitForEvents(1, &handle)) : Status::ok;
}

bool complete(const cl::Event& event) noexcept {
  if (!event()) return true;
  cl_int status = CL_QUEUED;
  clGetEventInfo(event(), CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr);
  return status <= CL_COMPLETE;  // negative values are errors: finished too
}

std::int64_t duration_ns(const cl::Event& event) noexcept {
  cl_ulong start = 0, end = 0;
  if (!event() ||
      clGetEventProfilingInfo(event(), CL_PROFILING_COMMAND_START, sizeof start, &start, nullptr) ||
      clGetEventProfilingInfo(event(), CL_PROFILING_COMMAND_END, sizeof end, &end, nullptr))
    return 0;
  return static_cast<std::int64_t>(end - start);
}

}  // namespace gantry::gpu
