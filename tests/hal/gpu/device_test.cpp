// The OpenCL device: choice, memory that host and kernels share, chaining by events, program cache.
// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "hal/gpu/gpu.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

constexpr const char* kAdd =
    "__kernel void add(__global int* data, int value) { data[get_global_id(0)] += value; }";

std::filesystem::path scratch(const char* name) {
  auto p = std::filesystem::temp_directory_path() /
           ("gantry-" + std::string(name) + "-" + std::to_string(getpid()));
  std::filesystem::remove_all(p);
  return p;
}

TEST(GpuDevice, RefusesADeviceThatIsNotThereAndNamesWhatIs) {
  gpu::Choice choice;
  choice.name = "no such device";
  try {
    gpu::Device device(choice, {});
    FAIL() << "took a device";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("no such device"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find(gpu::list_devices().front().name), std::string::npos);
  }
  choice.allow_fallback = true;
  EXPECT_NO_THROW(gpu::Device(choice, {}));
}

TEST(GpuDevice, ChainsUploadKernelsAndDownloadAcrossQueuesByEvents) {
  gpu::Device device({}, {});
  const auto first = device.make_queue(), second = device.make_queue(true);
  constexpr std::size_t kCount = 100'000;
  auto memory = device.allocate(kCount * sizeof(int), gpu::Access::upload);
  int* host = reinterpret_cast<int*>(memory.host);
  for (std::size_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(host[i], 0) << "allocate() promises zeroes";
    host[i] = static_cast<int>(i);
  }
  auto program = device.build("add", kAdd);
  cl::Kernel kernel(program, "add");
  ASSERT_EQ(gpu::set_argument(kernel, 0, memory.buffer), Status::ok);
  ASSERT_EQ(gpu::set_value(kernel, 1, 5), Status::ok);
  cl::Event uploaded, added, added_again, downloaded;
  ASSERT_EQ(gpu::upload(first, memory, memory.bytes, {}, &uploaded), Status::ok);
  ASSERT_EQ(gpu::launch(first, kernel, gpu::Range(kCount), nullptr, {uploaded()}, &added),
            Status::ok);
  ASSERT_EQ(gpu::launch(second, kernel, gpu::Range(kCount), nullptr, {added()}, &added_again),
            Status::ok);
  ASSERT_EQ(gpu::download(first, memory, memory.bytes, {added_again()}, &downloaded), Status::ok);
  gpu::flush(first);
  gpu::flush(second);
  ASSERT_EQ(gpu::wait(downloaded), Status::ok);
  EXPECT_TRUE(gpu::complete(added_again));
  EXPECT_GT(gpu::duration_ns(added_again), 0);
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_EQ(host[i], static_cast<int>(i) + 10);
}

TEST(GpuDevice, ProgramCacheIsUsedAndADamagedOneIsReplaced) {
  const auto cache = scratch("programs");
  std::filesystem::path file;
  for (int round = 0; round < 3; ++round) {
    for (log::Record r; log::take(r);) continue;
    gpu::Device device({}, cache);
    auto program = device.build("add", kAdd);
    EXPECT_NO_THROW(cl::Kernel(program, "add"));
    std::string said;
    for (log::Record r; log::take(r);) said += std::string(r.view()) + "\n";
    EXPECT_EQ(said.find("gpu: compiles kernels") != std::string::npos, round != 1) << said;
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(cache))
      file = entry.path(), ++files;
    ASSERT_EQ(files, 1);
    if (round == 1) {  // flip a byte in the middle
      std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
      f.seekp(static_cast<std::streamoff>(std::filesystem::file_size(file) / 2));
      f.put('\x5a');
    }
  }
  std::filesystem::remove_all(cache);
}

TEST(GpuDevice, AKernelThatDoesNotCompileNamesItsFamilyAndLine) {
  gpu::Device device({}, {});
  try {
    device.build("broken", "__kernel void f() { this is no code; }");
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("kernels/broken.cl"), std::string::npos);
  }
}

}  // namespace
}  // namespace gantry
