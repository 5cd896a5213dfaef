// MemoryBudget: sums, limits from files, and the two settings that would fit.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/memory_budget.hpp"

#include <array>
#include <fstream>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace gantry {
namespace {

using Where = MemoryBudget::Where;
constexpr std::size_t kMiB = std::size_t{1} << 20;

// A machine made of files.
class Machine : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("gantry_budget_" + std::to_string(getpid()));
    write("proc/meminfo", "MemTotal:  8000000 kB\nMemFree: 1 kB\nMemAvailable:    4194304 kB\n");
    write("proc/self/cgroup", "1:name=systemd:/x\n0::/system.slice/gantry.service\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  MemoryLimits limits() const { return read_memory_limits(device_, root_); }

  std::filesystem::path root_;
  gpu::Info device_;
};

TEST_F(Machine, MemAvailableIsTheLimitWithoutControlGroups) {
  EXPECT_EQ(limits().host_bytes, 4096 * kMiB);
  EXPECT_EQ(limits().host_limited_by, "MemAvailable of the machine");
}

TEST_F(Machine, TheTightestControlGroupCounts) {
  write("sys/fs/cgroup/system.slice/gantry.service/memory.max", "max\n");
  write("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
  write("sys/fs/cgroup/system.slice/memory.current", "268435456\n");
  EXPECT_EQ(limits().host_bytes, 768 * kMiB);
  EXPECT_NE(limits().host_limited_by.find("/system.slice"), std::string::npos);
  write("sys/fs/cgroup/system.slice/gantry.service/memory.max", "104857600\n");
  write("sys/fs/cgroup/system.slice/gantry.service/memory.current", "209715200\n");
  EXPECT_EQ(limits().host_bytes, 0u);
}

TEST_F(Machine, WithoutMemAvailableSaysWhichFile) {
  write("proc/meminfo", "MemTotal: 8000000 kB\n");
  try {
    limits();
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("proc/meminfo"), std::string::npos);
  }
}

TEST(MemoryLimits, AreReadFromThisMachine) {
  const MemoryLimits limits = read_memory_limits({});
  EXPECT_GT(limits.host_bytes, 16 * kMiB);
  EXPECT_FALSE(limits.host_limited_by.empty());
  EXPECT_GT(peak_resident_bytes(), kMiB);
}

MemoryLimits machine(std::size_t host_mib, std::size_t device_mib, bool shared) {
  return {.host_bytes = host_mib * kMiB,
          .host_limited_by = "MemAvailable of the machine",
          .device_bytes = device_mib * kMiB,
          .device_largest_bytes = device_mib * kMiB / 4,
          .device_is_host = shared};
}

// The budget of the real thing: a ring of panoramas, surfaces of cameras, tensors on the host.
MemoryBudget budget_of(double delay_s, double width) {
  const double height = width / 3;
  MemoryBudget budget;
  budget.add("panoramas", static_cast<std::size_t>(delay_s * 30) + 10,
             static_cast<std::size_t>(width * height * 1.5), Where::device);
  budget.add("cameras", 16, 12 * kMiB, Where::pinned);
  budget.add("log", 1, kMiB, Where::host);
  return budget;
}

TEST(MemoryBudget, SumsByPlaceAndPrintsThem) {
  const MemoryBudget budget = budget_of(7, 5700);
  EXPECT_EQ(budget.bytes(Where::pinned), 192 * kMiB);
  EXPECT_EQ(budget.bytes(Where::host), kMiB);
  EXPECT_EQ(budget.bytes(Where::device), 220u * 16'245'000u);
  EXPECT_EQ(budget.bytes(), 193 * kMiB + 220u * 16'245'000u);
  const std::string table = budget.table();
  EXPECT_NE(table.find("panoramas"), std::string::npos);
  EXPECT_NE(table.find("3408.3  device"), std::string::npos) << table;
  EXPECT_NE(table.find("192.0  pinned"), std::string::npos) << table;
}

TEST(MemoryBudget, FitsWhereThereIsEnough) {
  EXPECT_NO_THROW(budget_of(7, 5700).check(machine(1000, 8000, false), {}));
  EXPECT_NO_THROW(budget_of(7, 5700).check(machine(8000, 8000, true), {}));
  EXPECT_EQ(budget_of(7, 5700).shortage(machine(8000, 8000, true)), "");
}

TEST(MemoryBudget, ADeviceInHostMemoryTakesItFromTheHost) {
  // 3600 MiB in all: not in 3900 of which nine tenths may be taken.
  EXPECT_NE(budget_of(7, 5700).shortage(machine(3900, 8000, true)), "");
  EXPECT_EQ(budget_of(7, 5700).shortage(machine(3900, 8000, false)), "");
}

TEST(MemoryBudget, OnePieceMayBeTooLargeAlone) {
  MemoryBudget budget;
  budget.add("tensor arena", 1, 300 * kMiB, Where::device);
  const std::string text = budget.shortage(machine(8000, 1000, false));
  EXPECT_NE(text.find("tensor arena: 300 MiB in one piece, and the device allows 250"),
            std::string::npos)
      << text;
}

TEST(MemoryBudget, RefusesWithTwoSettingsThatFit) {
  const MemoryLimits limits = machine(1000, 2000, false);
  const std::array<MemoryBudget::Setting, 2> settings{{
      {"delay.seconds", "s", 7, 0, 0.5, [](double delay) { return budget_of(delay, 5700); }},
      {"panorama.width", "px", 5700, 640, 2, [](double width) { return budget_of(7, width); }},
  }};
  std::string text;
  try {
    budget_of(7, 5700).check(limits, settings);
    FAIL() << "accepted 3400 MiB on a device of 2000";
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
  // 1800 MiB may be taken: 116 panoramas of 16.245 MB, 10 of them reserve.
  EXPECT_NE(text.find("delay.seconds = 3.5 s would fit (now 7)"), std::string::npos) << text;
  const std::size_t at = text.find("panorama.width = ");
  ASSERT_NE(at, std::string::npos) << text;
  const double width = std::stod(text.substr(at + 17));
  EXPECT_EQ(budget_of(7, width).shortage(limits), "");
  EXPECT_NE(budget_of(7, width + 2).shortage(limits), "") << "not the largest";
  EXPECT_EQ(budget_of(3.5, 5700).shortage(limits), "");
  EXPECT_NE(budget_of(4, 5700).shortage(limits), "");
}

TEST(MemoryBudget, SaysWhereNoValueWouldDo) {
  const std::array<MemoryBudget::Setting, 1> settings{
      {{"delay.seconds", "s", 7, 0, 0.5, [](double delay) { return budget_of(delay, 5700); }}}};
  try {
    budget_of(7, 5700).check(machine(100, 8000, false), settings);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("delay.seconds: no value from 0"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace gantry
