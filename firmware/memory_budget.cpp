// Sums, limits and suggestions of the memory budget.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/memory_budget.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "hal/log/log.hpp"

namespace gantry {
namespace {

// Kept free for the system, the code itself and what drivers and codecs take.
constexpr double kUsableShare = 0.9;

double mib(std::size_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

const char* name_of(MemoryBudget::Where where) {
  switch (where) {
    case MemoryBudget::Where::host:
      return "host";
    case MemoryBudget::Where::device:
      return "device";
    case MemoryBudget::Where::pinned:
      return "pinned";
  }
  return "?";
}

std::size_t memory_available(const std::filesystem::path& root) {
  const std::filesystem::path path = root / "proc/meminfo";
  std::ifstream file(path);
  for (std::string key; file >> key;) {
    std::size_t kib = 0;
    if (key == "MemAvailable:" && file >> kib) return kib * 1024;
    file.ignore(1 << 10, '\n');
  }
  throw std::runtime_error(path.string() + ": no MemAvailable, Linux 3.14 or later is needed");
}

std::optional<std::size_t> read_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::size_t number = 0;
  if (file >> number) return number;  // "max" and missing files: none
  return std::nullopt;
}

// The process's folder in the version 2 hierarchy, from the line "0::/…".
std::filesystem::path control_group(const std::filesystem::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::/")) return line.substr(4);
  return {};
}

void apply_control_groups(const std::filesystem::path& root, MemoryLimits& limits) {
  std::filesystem::path group = control_group(root);
  for (;; group = group.parent_path()) {
    const std::filesystem::path folder = root / "sys/fs/cgroup" / group;
    if (const auto most = read_number(folder / "memory.max")) {
      const std::size_t used = read_number(folder / "memory.current").value_or(0);
      const std::size_t left = *most > used ? *most - used : 0;
      if (left < limits.host_bytes) {
        limits.host_bytes = left;
        limits.host_limited_by = "memory.max of the control group /" + group.string();
      }
    }
    if (group.empty()) return;
  }
}

// The largest value on the setting's grid that fits; the budget grows with the value.
std::optional<double> largest_that_fits(const MemoryBudget::Setting& setting,
                                        const MemoryLimits& limits) {
  const auto fits = [&](std::int64_t steps) {
    const double value = setting.least + static_cast<double>(steps) * setting.step;
    return setting.budget(value).shortage(limits).empty();
  };
  std::int64_t low = 0;
  auto high = static_cast<std::int64_t>((setting.current - setting.least) / setting.step);
  if (high < 0 || !fits(0)) return std::nullopt;
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    if (fits(middle))
      low = middle;
    else
      high = middle - 1;
  }
  return setting.least + static_cast<double>(low) * setting.step;
}

}  // namespace

void tune_allocator() noexcept {
  constexpr int kLargestThreshold = 32 << 20;  // glibc takes no more
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  mallopt(M_TRIM_THRESHOLD, -1);
}

MemoryLimits read_memory_limits(const gpu::Info& device, const std::filesystem::path& root) {
  MemoryLimits limits;
  limits.host_bytes = memory_available(root);
  limits.host_limited_by = "MemAvailable of the machine";
  limits.device_bytes = device.global_bytes;
  limits.device_largest_bytes = device.largest_allocation_bytes;
  limits.device_is_host = device.host_memory;
  apply_control_groups(root, limits);
  return limits;
}

void MemoryBudget::add(std::string name, std::size_t count, std::size_t bytes_each, Where where) {
  items_.push_back({std::move(name), count, bytes_each, where});
}

std::size_t MemoryBudget::bytes(Where where) const {
  std::size_t sum = 0;
  for (const Item& item : items_)
    if (item.where == where) sum += item.bytes();
  return sum;
}

std::size_t MemoryBudget::bytes() const {
  return bytes(Where::host) + bytes(Where::device) + bytes(Where::pinned);
}

std::string MemoryBudget::table() const {
  std::string text = fmt::format("{:<28} {:>6} {:>12} {:>12}  {}\n", "memory", "count", "KiB each",
                                 "MiB", "where");
  for (const Item& item : items_)
    text += fmt::format("{:<28} {:>6} {:>12.1f} {:>12.1f}  {}\n", item.name, item.count,
                        static_cast<double>(item.bytes_each) / 1024, mib(item.bytes()),
                        name_of(item.where));
  for (const Where where : {Where::host, Where::device, Where::pinned})
    if (const std::size_t sum = bytes(where))
      text += fmt::format("{:<28} {:>6} {:>12} {:>12.1f}  {}\n", "sum", "", "", mib(sum),
                          name_of(where));
  return text;
}

std::string MemoryBudget::shortage(const MemoryLimits& limits) const {
  std::size_t host = bytes(Where::host) + bytes(Where::pinned);
  const std::size_t device = bytes(Where::device);
  if (limits.device_is_host) host += device;
  const auto usable = [](std::size_t n) {
    return static_cast<std::size_t>(kUsableShare * static_cast<double>(n));
  };
  std::string text;
  if (host > usable(limits.host_bytes))
    text += fmt::format(
        "{:.0f} MiB of host memory are needed, and {:.0f} may be taken ({:.0f} % of {})\n",
        mib(host), mib(usable(limits.host_bytes)), kUsableShare * 100, limits.host_limited_by);
  if (!limits.device_is_host && device > usable(limits.device_bytes))
    text += fmt::format(
        "{:.0f} MiB of device memory are needed, and {:.0f} may be taken ({:.0f} % of its "
        "memory)\n",
        mib(device), mib(usable(limits.device_bytes)), kUsableShare * 100);
  for (const Item& item : items_)
    if (item.where != Where::host && item.bytes_each > limits.device_largest_bytes)
      text += fmt::format("{}: {:.0f} MiB in one piece, and the device allows {:.0f}\n", item.name,
                          mib(item.bytes_each), mib(limits.device_largest_bytes));
  return text;
}

void MemoryBudget::check(const MemoryLimits& limits, std::span<const Setting> settings) const {
  std::string text = shortage(limits);
  if (text.empty()) return;
  text = "not enough memory: " + text;
  for (const Setting& setting : settings) {
    if (const auto value = largest_that_fits(setting, limits))
      text += fmt::format("  {} = {:g}{}{} would fit (now {:g})\n", setting.key, *value,
                          setting.unit.empty() ? "" : " ", setting.unit, setting.current);
    else
      text +=
          fmt::format("  {}: no value from {:g} on would fit alone\n", setting.key, setting.least);
  }
  throw std::runtime_error(text + table());
}

bool lock_memory() noexcept {
  // What exists, not what comes: our own memory is all there, and with MCL_FUTURE a driver's
  // allocation would fail where the limit is reached. Not all of every library either: what is used
  // of them stays, and bringing in the rest would take longer than much of the start.
  if (mlockall(MCL_CURRENT | MCL_ONFAULT) == 0) return true;
  const int error = errno;
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_cur == RLIM_INFINITY)
    log::warning("memory is not locked: {}", std::strerror(error));
  else
    log::warning(
        "memory is not locked: {}; RLIMIT_MEMLOCK allows {} KiB, LimitMEMLOCK=infinity lifts it",
        std::strerror(error), limit.rlim_cur / 1024);
  return false;
}

std::size_t peak_resident_bytes() noexcept {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

std::size_t resident_bytes() noexcept {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace gantry
