// One OpenCL device: its choice, its memory, its programs and its command queues.
//
// Set-up (everything that returns a cl:: object) throws std::runtime_error with the device and the
// cause. After seal() only `launch`, the transfers and the event helpers are called, from the
// submission threads alone: drivers allocate inside them. They return a Status.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#define CL_HPP_ENABLE_EXCEPTIONS
#define CL_HPP_TARGET_OPENCL_VERSION 120
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_TARGET_OPENCL_VERSION 300
#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <CL/opencl.hpp>

#include "hal/status.hpp"

namespace gantry::gpu {

enum class Kind { any, cpu, gpu };

struct Choice {
  Kind kind = Kind::any;        // any: the first GPU, else the first CPU
  std::string name;             // part of the device's name, case-insensitive; empty: any name
  bool allow_fallback = false;  // take another device if none fits; said in the log either way
};

struct Info {
  std::string name, vendor, driver, platform, version, extensions;
  Kind kind = Kind::cpu;
  bool host_memory = false;  // kernels work in host memory: CPUs and integrated GPUs
  unsigned compute_units = 0;
  std::size_t global_bytes = 0, largest_allocation_bytes = 0, local_bytes = 0;
  bool has(std::string_view extension) const;
};

// Who besides the kernels touches a buffer.
enum class Access {
  device,    // kernels alone
  upload,    // the host writes, kernels read
  download,  // kernels write, the host reads
};

// Who has imported memory, kernels or others, is told to the driver by commands
// (cl_khr_external_memory).
struct HandOver {
  clEnqueueAcquireExternalMemObjectsKHR_fn acquire = nullptr;
  clEnqueueReleaseExternalMemObjectsKHR_fn release = nullptr;
};

// A buffer for kernels and, where Access says so, the host's view of it. On devices that work in
// host memory both are the same bytes; on others `host` is memory of its own (pinned where the
// driver gave it) that upload() and download() copy from and to. `host` is null for Access::device
// on such devices.
struct Memory {
  cl::Buffer buffer;
  cl::Buffer pinned;  // null where the driver did not give `host`
  std::byte* host = nullptr;
  std::size_t bytes = 0;
  bool apart = false;                   // `host` is not the buffer itself
  const HandOver* hand_over = nullptr;  // the device's own, where the buffer is imported
  // What one side wrote the other sees after upload() or download() only.
  bool by_command() const { return apart || hand_over; }
};

// Every OpenCL device of the machine, in the order of their platforms. Set-up.
std::vector<Info> list_devices();

// Up to three dimensions; unused ones are left out.
struct Range {
  std::array<std::size_t, 3> size{1, 1, 1};
  cl_uint dimensions = 1;
  Range() = default;
  explicit Range(std::size_t x) : size{x, 1, 1}, dimensions(1) {}
  Range(std::size_t x, std::size_t y) : size{x, y, 1}, dimensions(2) {}
  Range(std::size_t x, std::size_t y, std::size_t z) : size{x, y, z}, dimensions(3) {}
};

class Device {
 public:
  // `program_cache`: a folder for compiled programs, made if missing; empty: no cache.
  Device(const Choice& choice, std::filesystem::path program_cache);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Info& info() const { return info_; }
  const cl::Context& context() const { return context_; }
  const cl::Device& id() const { return device_; }
  const std::filesystem::path& program_cache() const { return cache_; }  // empty: none

  // Compiles (or loads from the cache) a program. `family` names it in errors and in the cache.
  cl::Program build(std::string_view family, std::string_view source,
                    const std::string& options = {});
  // The kernels that the binary carries: kernels/<family>.cl.
  cl::Program build_family(std::string_view family, const std::string& options = {});

  // In-order, with profiling when `profile`. Queues are chained by events.
  cl::CommandQueue make_queue(bool profile = false) const;
  // Zero-filled, every page touched. Throws where the device has not enough.
  Memory allocate(std::size_t bytes, Access access);
  // The same over pages that somebody else owns, page-aligned, and that outlive it: of a heap, a
  // camera. Does not touch them. With their DMA-buf, which stays the owner's, it is imported where
  // the driver offers that and takes this one.
  Memory adopt(std::byte* host, std::size_t bytes, int dma_buf = -1);
  // The driver offers to import; and takes this one.
  bool imports() const { return hand_over_.acquire != nullptr; }
  bool imports(int dma_buf, std::size_t bytes) const;
  // A buffer with constant content (meshes, weights).
  cl::Buffer constant(const void* data, std::size_t bytes);
  // Bytes taken through allocate() and constant() so far.
  std::size_t allocated_bytes() const { return allocated_bytes_; }

 private:
  cl::Buffer import(int dma_buf, std::size_t bytes, cl_int& error) const noexcept;

  Info info_;
  cl::Device device_;
  cl::Context context_;
  std::filesystem::path cache_;
  std::size_t allocated_bytes_ = 0;
  struct HostBlock {
    void* address;
    std::size_t bytes;
  };
  std::vector<HostBlock> host_blocks_;  // released after every buffer over them
  HandOver hand_over_;                  // empty: the driver does not import
  bool told_import_ = false, told_compiling_ = false;
};

// --- steady state: submission threads only -------------------------------------------------------

// Events to wait for: a small value type, so that no vector is made per frame. Null events are left
// out. Does not own them.
class Wait {
 public:
  Wait() = default;
  Wait(std::initializer_list<cl_event> events) {
    for (cl_event e : events) add(e);
  }
  void add(cl_event e) {
    if (e && count_ < events_.size()) events_[count_++] = e;
  }
  cl_uint count() const { return count_; }
  const cl_event* data() const { return count_ ? events_.data() : nullptr; }

 private:
  std::array<cl_event, 8> events_{};
  cl_uint count_ = 0;
};

// Enqueues a kernel whose arguments are set. `local` null: the driver's choice.
Status launch(const cl::CommandQueue& queue, const cl::Kernel& kernel, const Range& global,
              const Range* local, const Wait& wait, cl::Event* done) noexcept;
// Makes the host's writes visible to kernels. `bytes` from the start of the memory.
Status upload(const cl::CommandQueue& queue, const Memory& memory, std::size_t bytes,
              const Wait& wait, cl::Event* done) noexcept;
// Makes what kernels wrote visible to the host once `done` has completed.
Status download(const cl::CommandQueue& queue, const Memory& memory, std::size_t bytes,
                const Wait& wait, cl::Event* done) noexcept;
// Kernels are to write memory that others had; upload() does it for memory that others wrote. A
// command only where the memory is imported.
Status acquire(const cl::CommandQueue& queue, const Memory& memory) noexcept;
// Copies the first bytes of one buffer into another, on the device.
Status copy(const cl::CommandQueue& queue, const Memory& from, const Memory& to, std::size_t bytes,
            const Wait& wait, cl::Event* done) noexcept;
// Sets one argument. Arguments that never change are set once, at set-up, through cl::Kernel.
Status set_argument(const cl::Kernel& kernel, cl_uint index, const cl::Buffer& buffer) noexcept;
template <typename T>
Status set_value(const cl::Kernel& kernel, cl_uint index, const T& value) noexcept {
  return clSetKernelArg(kernel(), index, sizeof(T), &value) == CL_SUCCESS ? Status::ok
                                                                          : Status::device_lost;
}
Status flush(const cl::CommandQueue& queue) noexcept;
// Blocks until the event has completed; not for frame threads.
Status wait(const cl::Event& event) noexcept;
bool complete(const cl::Event& event) noexcept;
// Nanoseconds the command ran on the device; 0 where the queue does not profile.
std::int64_t duration_ns(const cl::Event& event) noexcept;

}  // namespace gantry::gpu
