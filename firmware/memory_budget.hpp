// What the configuration will take, counted and checked before anything is taken.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "hal/gpu/gpu.hpp"

namespace gantry {

// Before any other thread exists: one heap that is never given back in part, so that a released
// block does not become an munmap and the next one a page fault.
void tune_allocator() noexcept;

// What there is to take, bytes.
struct MemoryLimits {
  std::size_t host_bytes = 0;            // what the machine and the control group still have
  std::string host_limited_by;           // who says so, for messages
  std::size_t device_bytes = 0;          // the device's global memory
  std::size_t device_largest_bytes = 0;  // one allocation there
  bool device_is_host = false;           // the device works in host memory: it has none of its own
};

// MemAvailable and the memory.max of the process's control group (version 2) and its parents, the
// smallest. `root` is "/" but in tests. Throws std::runtime_error where MemAvailable cannot be
// read.
MemoryLimits read_memory_limits(const gpu::Info& device, const std::filesystem::path& root = "/");

class MemoryBudget {
 public:
  enum class Where : std::uint8_t { host, device, pinned };  // pinned: host memory of the driver
  struct Item {
    std::string name;
    std::size_t count = 0, bytes_each = 0;
    Where where = Where::host;
    std::size_t bytes() const { return count * bytes_each; }
  };

  void add(std::string name, std::size_t count, std::size_t bytes_each, Where where);
  std::span<const Item> items() const { return items_; }
  std::size_t bytes(Where where) const;
  std::size_t bytes() const;  // of all

  // One line per item, and the sums.
  std::string table() const;
  // What does not fit, in words; empty where all fits.
  std::string shortage(const MemoryLimits& limits) const;

  // A setting that a smaller value of makes the budget smaller.
  struct Setting {
    std::string key;   // as in the configuration file
    std::string unit;  // may be empty
    double current = 0, least = 0, step = 1;
    std::function<MemoryBudget(double)> budget;  // the whole budget with this value
  };
  // Throws std::runtime_error where the budget does not fit: what is short, and for every setting
  // the largest value that would fit, if there is one.
  void check(const MemoryLimits& limits, std::span<const Setting> settings) const;

 private:
  std::vector<Item> items_;
};

// The end of set-up: keeps the pages of the process in memory once they were touched, as all of our
// own are. Best effort; where it is refused one log line says so. Returns whether it was done.
bool lock_memory() noexcept;

// The most memory that the process ever held, bytes.
std::size_t peak_resident_bytes() noexcept;
// What it holds now.
std::size_t resident_bytes() noexcept;

}  // namespace gantry
