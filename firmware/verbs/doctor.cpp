// gantry doctor: what this machine offers, which zero-copy door each link takes, and why.
// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <memory>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "firmware/media.hpp"
#include "firmware/verbs/verbs.hpp"
#include "firmware/version.hpp"
#include "hal/camera/v4l2/describe.hpp"
#include "hal/display/display_report.hpp"
#include "hal/gpu/gpu.hpp"
#include "hal/memory/heap.hpp"

namespace gantry {
namespace {

void heading(const char* text) {
  fmt::print("\n{}\n", text);
}

void print_machine() {
  heading("machine");
  fmt::print("  processors         {}\n", std::thread::hardware_concurrency());
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  std::uint64_t kib = 0;
  while (meminfo >> key >> kib && std::getline(meminfo, unit))
    if (key == "MemTotal:" || key == "MemAvailable:")
      fmt::print("  {:<18} {} MiB\n", key.substr(0, key.size() - 1), kib >> 10);
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  fmt::print("  memory lock        {}\n",
             limit.rlim_cur == RLIM_INFINITY ? "unlimited"
                                             : fmt::format("{} MiB at most", limit.rlim_cur >> 20));
  getrlimit(RLIMIT_RTPRIO, &limit);
  fmt::print("  real-time priority {}\n",
             geteuid() == 0 || limit.rlim_cur > 0 ? "allowed" : "refused (RLIMIT_RTPRIO is 0)");
}

// One door and, where it is shut, the reason.
void door(bool open, std::string_view name, std::string_view why) {
  fmt::print("    [{}] {:<34} {}\n", open ? "x" : " ", name, why);
}

void print_doors(const gpu::Info& d) {
  const bool import = d.has("cl_khr_external_memory_dma_buf");
  door(import, "DMA-buf imported into OpenCL",
       import ? "the driver offers it" : "no cl_khr_external_memory_dma_buf");
  door(d.host_memory, "kernels work in host memory",
       d.host_memory ? "CPU or integrated GPU: cameras, kernels and codecs share the same pages"
                     : "discrete memory behind a bus");
  door(!d.host_memory, "pinned upload on its own queue",
       d.host_memory ? "not needed" : "one copy per camera picture and per view is physics here");
}

void print_devices() {
  heading(
      "OpenCL devices (the first GPU, else the first CPU, is taken unless [gpu] says otherwise)");
  const auto devices = gpu::list_devices();
  if (devices.empty())
    fmt::print("  none: install a driver, for example the package pocl-opencl-icd for CPUs\n");
  for (const auto& d : devices) {
    fmt::print("  {} ({})\n", d.name, d.kind == gpu::Kind::gpu ? "GPU" : "CPU");
    fmt::print("    {}, {}, driver {}\n", d.platform, d.version, d.driver);
    fmt::print("    {} units, {} MiB, largest buffer {} MiB, local memory {} KiB\n",
               d.compute_units, d.global_bytes >> 20, d.largest_allocation_bytes >> 20,
               d.local_bytes >> 10);
    print_doors(d);
  }
}

void print_heaps() {
  heading("heaps: memory that devices share");
  for (const auto& name : list_heaps()) {
    const auto refusal = test_heap(name);
    door(refusal.empty(), name, refusal.empty() ? "gives blocks" : refusal);
  }
}

void print_lines(const char* title, const std::vector<std::string>& lines) {
  heading(title);
  for (const auto& line : lines) fmt::print("  {}\n", line);
  if (lines.empty()) fmt::print("  none\n");
}

}  // namespace

void add_doctor(CLI::App& app, int&) {
  auto* verb = app.add_subcommand(
      "doctor", "what this machine offers: devices, capabilities, zero-copy doors");
  auto controls = std::make_shared<bool>(false);
  verb->add_flag("--controls", *controls, "every control of the cameras, with value and range");
  verb->callback([controls] {
    fmt::print("{}\n", kVersion);
    print_machine();
    print_devices();
    const auto gpu =
        gpu::list_devices().empty() ? nullptr : std::make_unique<gpu::Device>(gpu::Choice{}, "");
    print_lines("cameras (V4L2)", v4l2::describe_cameras(gpu.get(), *controls));
    print_lines("displays (DRM)", describe_displays());
    print_heaps();
    print_lines("encoders", media::describe_encoders());
  });
}

}  // namespace gantry
