// Device choice, memory and queues.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <sys/mman.h>

#include "hal/gpu/gpu.hpp"
#include "hal/log/log.hpp"

namespace gantry::gpu {
namespace {

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return s;
}

// Some drivers end their strings with the C terminator.
std::string trimmed(std::string s) {
  while (!s.empty() && (s.back() == '\0' || s.back() == ' ')) s.pop_back();
  return s;
}

Info describe(const cl::Device& d) {
  Info i;
  const cl::Platform platform(d.getInfo<CL_DEVICE_PLATFORM>());
  i.name = trimmed(d.getInfo<CL_DEVICE_NAME>());
  i.vendor = trimmed(d.getInfo<CL_DEVICE_VENDOR>());
  i.driver = trimmed(d.getInfo<CL_DRIVER_VERSION>());
  i.version = trimmed(d.getInfo<CL_DEVICE_VERSION>());
  i.extensions = trimmed(d.getInfo<CL_DEVICE_EXTENSIONS>());
  i.platform = trimmed(platform.getInfo<CL_PLATFORM_NAME>());
  i.kind = (d.getInfo<CL_DEVICE_TYPE>() & CL_DEVICE_TYPE_GPU) ? Kind::gpu : Kind::cpu;
  i.host_memory = i.kind == Kind::cpu || d.getInfo<CL_DEVICE_HOST_UNIFIED_MEMORY>();
  i.compute_units = d.getInfo<CL_DEVICE_MAX_COMPUTE_UNITS>();
  i.global_bytes = d.getInfo<CL_DEVICE_GLOBAL_MEM_SIZE>();
  i.largest_allocation_bytes = d.getInfo<CL_DEVICE_MAX_MEM_ALLOC_SIZE>();
  i.local_bytes = d.getInfo<CL_DEVICE_LOCAL_MEM_SIZE>();
  return i;
}

std::vector<cl::Device> all_devices() {
  std::vector<cl::Platform> platforms;
  try {
    cl::Platform::get(&platforms);
  } catch (const cl::Error&) {
    return {};  // the loader reports "no platform" as an error
  }
  std::vector<cl::Device> devices;
  for (const auto& p : platforms) {
    std::vector<cl::Device> some;
    try {
      p.getDevices(CL_DEVICE_TYPE_ALL, &some);
    } catch (const cl::Error&) {
      continue;  // a platform without a device
    }
    devices.insert(devices.end(), some.begin(), some.end());
  }
  return devices;
}

// Higher is better; negative: does not fit.
int fitness(const Info& i, const Choice& choice) {
  if (!choice.name.empty() && lower(i.name).find(lower(choice.name)) == std::string::npos)
    return -1;
  if (choice.kind != Kind::any && choice.kind != i.kind) return -1;
  return i.kind == Kind::gpu ? 2 : 1;
}

// Both commands, or none.
HandOver hand_over_of(const cl::Device& device, const Info& info) {
  if (!info.has("cl_khr_external_memory_dma_buf")) return {};
  const auto platform = device.getInfo<CL_DEVICE_PLATFORM>();
  const auto find = [&](const char* name) {
    return clGetExtensionFunctionAddressForPlatform(platform, name);
  };
  const HandOver found{reinterpret_cast<clEnqueueAcquireExternalMemObjectsKHR_fn>(
                           find("clEnqueueAcquireExternalMemObjectsKHR")),
                       reinterpret_cast<clEnqueueReleaseExternalMemObjectsKHR_fn>(
                           find("clEnqueueReleaseExternalMemObjectsKHR"))};
  return found.acquire && found.release ? found : HandOver{};
}

std::string wanted(const Choice& c) {
  std::string s = c.kind == Kind::gpu ? "a GPU" : c.kind == Kind::cpu ? "a CPU" : "any device";
  if (!c.name.empty()) s += " named like '" + c.name + "'";
  return s;
}

}  // namespace

bool Info::has(std::string_view extension) const {
  return (" " + extensions + " ").find(" " + std::string(extension) + " ") != std::string::npos;
}

std::vector<Info> list_devices() {
  std::vector<Info> list;
  for (const auto& d : all_devices()) list.push_back(describe(d));
  return list;
}

Device::Device(const Choice& choice, std::filesystem::path program_cache)
    : cache_(std::move(program_cache)) {
  const auto devices = all_devices();
  if (devices.empty())
    throw std::runtime_error(
        "no OpenCL device: install a driver, for example the package pocl-opencl-icd for CPUs");
  const auto pick = [&](const Choice& c) {
    int best = -1;
    const cl::Device* found = nullptr;
    for (const auto& d : devices)
      if (const int f = fitness(describe(d), c); f > best) best = f, found = &d;
    return found;
  };
  const cl::Device* found = pick(choice);
  if (!found && choice.allow_fallback) {
    found = pick(Choice{});
    log::warning("gpu: {} was asked for and is not here; falling back", wanted(choice));
  }
  if (!found) {
    std::string have;
    for (const auto& d : devices) have += "\n  " + describe(d).name;
    throw std::runtime_error("OpenCL: " + wanted(choice) +
                             " was asked for; this machine has:" + have);
  }
  device_ = *found;
  info_ = describe(device_);
  context_ = cl::Context(device_);
  hand_over_ = hand_over_of(device_, info_);
  if (!cache_.empty()) std::filesystem::create_directories(cache_);
  log::info("gpu: {} ({}, driver {}, {} units, {} MiB)", info_.name, info_.platform, info_.driver,
            info_.compute_units, info_.global_bytes >> 20);
}

Device::~Device() {
  for (const auto& b : host_blocks_) munmap(b.address, b.bytes);
}

cl::CommandQueue Device::make_queue(bool profile) const {
  return cl::CommandQueue(context_, device_, profile ? CL_QUEUE_PROFILING_ENABLE : 0);
}

Memory Device::allocate(std::size_t bytes, Access access) try {
  Memory m;
  m.bytes = bytes;
  if (info_.host_memory) {
    // Whole pages of our own: the kernels work in them, so do the codecs, and they can be locked.
    const std::size_t mapped = (bytes + 4095) & ~std::size_t{4095};
    void* p = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
      throw std::runtime_error("out of memory: " + std::to_string(bytes >> 20) + " MiB refused");
    madvise(p, mapped, MADV_HUGEPAGE);
    std::memset(p, 0, mapped);
    host_blocks_.push_back({p, mapped});
    m.host = static_cast<std::byte*>(p);
    m.buffer = cl::Buffer(context_, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, p);
  } else {
    m.buffer = cl::Buffer(context_, CL_MEM_READ_WRITE, bytes);
    const auto queue = make_queue();
    queue.enqueueFillBuffer(m.buffer, cl_uchar{0}, 0, bytes);
    queue.finish();
    if (access != Access::device) {
      m.pinned = cl::Buffer(context_, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes);
      m.host = static_cast<std::byte*>(
          queue.enqueueMapBuffer(m.pinned, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes));
      std::memset(m.host, 0, bytes);
      m.apart = true;
    }
  }
  allocated_bytes_ += bytes;
  return m;
} catch (const cl::Error& e) {
  throw std::runtime_error(info_.name + ": " + std::to_string(bytes >> 20) +
                           " MiB refused by the device (" + e.what() + ", " +
                           std::to_string(e.err()) + ")");
}

cl::Buffer Device::import(int dma_buf, std::size_t bytes, cl_int& error) const noexcept {
  const cl_mem_properties properties[] = {CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR,
                                          static_cast<cl_mem_properties>(dma_buf), 0};
  return cl::Buffer(clCreateBufferWithProperties(context_(), properties, CL_MEM_READ_WRITE, bytes,
                                                 nullptr, &error));
}

bool Device::imports(int dma_buf, std::size_t bytes) const {
  cl_int error = CL_SUCCESS;
  return imports() && import(dma_buf, bytes, error)() && error == CL_SUCCESS;
}

Memory Device::adopt(std::byte* host, std::size_t bytes, int dma_buf) try {
  Memory m;
  m.host = host;
  m.bytes = bytes;
  if (dma_buf >= 0 && imports()) {
    cl_int error = CL_SUCCESS;
    m.buffer = import(dma_buf, bytes, error);
    if (error == CL_SUCCESS) {
      m.hand_over = &hand_over_;
      return m;
    }
    if (!std::exchange(told_import_, true))
      log::warning("gpu: a DMA-buf of {} KiB is not imported ({}); its mapping is used",
                   bytes >> 10, error);
  }
  m.apart = !info_.host_memory;
  m.buffer = m.apart ? cl::Buffer(context_, CL_MEM_READ_WRITE, bytes)
                     : cl::Buffer(context_, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, host);
  if (m.apart) allocated_bytes_ += bytes;
  return m;
} catch (const cl::Error& e) {
  throw std::runtime_error(info_.name + ": " + std::to_string(bytes >> 20) +
                           " MiB of shared memory refused by the device (" + e.what() + ", " +
                           std::to_string(e.err()) + ")");
}

cl::Buffer Device::constant(const void* data, std::size_t bytes) try {
  allocated_bytes_ += bytes;
  return cl::Buffer(context_, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, bytes,
                    const_cast<void*>(data));  // the bindings lack a const form; it is only read
} catch (const cl::Error& e) {
  throw std::runtime_error(info_.name + ": " + std::to_string(bytes) + " constant bytes refused (" +
                           std::to_string(e.err()) + ")");
}

}  // namespace gantry::gpu
