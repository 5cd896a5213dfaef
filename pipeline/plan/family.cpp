// The table of families.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/family.hpp"

#include <fmt/format.h>

namespace gantry {
namespace {

bool is_nvidia(const gpu::Info& device) {
  return device.kind == gpu::Kind::gpu && device.vendor.find("NVIDIA") != std::string::npos;
}

struct Family {
  const char* target;
  const char* devices;
  bool (*runs)(const gpu::Info&);
};

// The best for a device is the last that runs on it.
constexpr Family kFamilies[] = {
    {"cpu", "CPUs", [](const gpu::Info& d) { return d.kind == gpu::Kind::cpu; }},
    {"gpu", "GPUs", [](const gpu::Info& d) { return d.kind == gpu::Kind::gpu; }},
    {"nvidia", "NVIDIA GPUs", is_nvidia},
};

}  // namespace

std::string why_foreign(const gpu::Info& device, const std::string& target) {
  const char* devices = "a family that this program does not know";
  for (const Family& f : kFamilies) {
    if (target != f.target) continue;
    if (f.runs(device)) return {};
    devices = f.devices;
  }
  return fmt::format(
      "compiled for '{}' ({}), and the device is {}; compile the model again with "
      "--target {}",
      target, devices, device.name, best_target(device));
}

std::string best_target(const gpu::Info& device) {
  const char* best = kFamilies[0].target;
  for (const Family& f : kFamilies)
    if (f.runs(device)) best = f.target;
  return best;
}

}  // namespace gantry
