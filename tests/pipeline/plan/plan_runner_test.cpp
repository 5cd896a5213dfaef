// The runner: binds what a plan says, replays it, and refuses what the device cannot bind.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/plan_runner.hpp"

#include <cstring>
#include <stdexcept>

#include <gtest/gtest.h>

#include "pipeline/plan/family.hpp"
#include "tests/pipeline/plan/small_plan.hpp"

namespace gantry {
namespace {

using plan_test::SmallPlan;

gpu::Device& device() {
  static gpu::Device d({}, {});
  return d;
}

const char* family() {
  return device().info().kind == gpu::Kind::cpu ? "cpu" : "gpu";
}

std::string refusal(SmallPlan& p) {
  try {
    PlanRunner(device(), Plan::from_bytes(p.seal(), "p.plan"), device().make_queue());
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

TEST(PlanRunner, RunsAgainAndAgain) {
  auto queue = device().make_queue();
  PlanRunner runner(device(), Plan::from_bytes(SmallPlan(family()).seal()), queue);
  ASSERT_EQ(runner.inputs().size(), 1u);
  EXPECT_EQ(runner.inputs()[0].name, "x");
  EXPECT_EQ(runner.outputs()[0].shape, std::vector<std::int64_t>{8});
  for (int pass = 1; pass <= 3; ++pass) {
    auto* x = reinterpret_cast<float*>(runner.inputs()[0].memory.host);
    for (int i = 0; i < 8; ++i) x[i] = static_cast<float>(pass * 10 + i);
    cl::Event up, done;
    ASSERT_EQ(gpu::upload(queue, runner.inputs()[0].memory, 8 * sizeof(float), {}, &up),
              Status::ok);
    ASSERT_EQ(runner.run({up()}, &done), Status::ok);
    ASSERT_EQ(gpu::wait(done), Status::ok);
    const auto* y = reinterpret_cast<const float*>(runner.outputs()[0].memory.host);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(y[i], -x[i]);
    EXPECT_EQ(runner.read("y")[3], -x[3]);
  }
  EXPECT_THROW(runner.read("absent"), std::invalid_argument);
}

TEST(PlanRunner, RefusesPlansOfAnotherFamily) {
  const auto device = [](const char* name, const char* vendor, gpu::Kind kind) {
    gpu::Info info;
    info.name = name, info.vendor = vendor, info.kind = kind;
    return info;
  };
  const auto cpu = device("a processor", "AMD", gpu::Kind::cpu);
  const auto nvidia = device("a card", "NVIDIA Corporation", gpu::Kind::gpu);
  const auto mali = device("Mali", "ARM", gpu::Kind::gpu);
  for (const auto& [info, target] : {std::pair{cpu, "cpu"}, std::pair{nvidia, "nvidia"},
                                     std::pair{nvidia, "gpu"}, std::pair{mali, "gpu"}})
    EXPECT_EQ(why_foreign(info, target), "") << info.name << ", " << target;
  EXPECT_EQ(why_foreign(mali, "nvidia"),
            "compiled for 'nvidia' (NVIDIA GPUs), and the device is Mali; compile the model again "
            "with --target gpu");
  EXPECT_NE(why_foreign(nvidia, "cpu").find("--target nvidia"), std::string::npos);
  EXPECT_NE(why_foreign(cpu, "tpu").find("does not know"), std::string::npos);

  SmallPlan other;
  other.file.header.target = {0, 1};
  EXPECT_NE(refusal(other).find("p.plan: compiled for 'x'"), std::string::npos) << refusal(other);
}

TEST(PlanRunner, NamesTheStepThatCannotBeBound) {
  SmallPlan group(family());
  group.file.steps[0].global[0] = group.file.steps[0].local[0] = 1 << 20;
  group.file.steps[0].local[1] = group.file.steps[0].local[2] = 1;
  EXPECT_NE(refusal(group).find("p.plan: layer negate: kernel nn_elementwise/unary: a work-group"),
            std::string::npos)
      << refusal(group);
}

}  // namespace
}  // namespace gantry
