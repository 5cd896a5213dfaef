// Networks on this device beside onnxruntime on the CPU: one run, interleaved, the same threads.
//
//   bench_network [--layers] [--rounds N] [MODEL.onnx …]
//
// Without models those beside the repository are run, each at the size that it was exported for. The
// engine is looked for under $GANTRY_PEERS, else build/peers. --layers: the time of every step, and
// its share of the multiply-adds that the machine can do.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/detect/onnxruntime_peer.hpp"
#include "firmware/compile/compile.hpp"
#include "pipeline/plan/plan_runner.hpp"

namespace gantry {
namespace {

namespace fs = std::filesystem;

struct Times {
  std::vector<double> wall, cpu;  // milliseconds
  static double median(std::vector<double> v) {
    std::ranges::sort(v);
    return v.empty() ? 0 : v[v.size() / 2];
  }
  // The middle half of them.
  std::string spread() const {
    std::vector<double> v = wall;
    std::ranges::sort(v);
    return v.empty() ? "" : fmt::format("{:.2f}–{:.2f}", v[v.size() / 4], v[v.size() * 3 / 4]);
  }
  double wall_median() const { return median(wall); }
  double cpu_median() const { return median(cpu); }
};

double now(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

void timed(Times& times, bool counted, const std::function<void()>& work) {
  const double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  work();
  if (!counted) return;
  times.wall.push_back(now(CLOCK_MONOTONIC) - wall);
  times.cpu.push_back(now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

// The largest difference over the largest value.
double difference(const float* a, const float* b, std::size_t n) {
  double worst = 0, largest = 1e-30;
  for (std::size_t i = 0; i < n; ++i) {
    worst = std::max(worst, std::fabs(double{a[i]} - b[i]));
    largest = std::max(largest, std::fabs(double{b[i]}));
  }
  return worst / largest;
}

struct Work {
  fs::path model;
  int rounds;
  bool layers;
};

// What the first process of a day does: everything from the plan file to the first output.
int first_detection(const fs::path& plan_file, const fs::path& cache) {
  gpu::Device device({}, cache);
  const auto queue = device.make_queue();
  PlanRunner runner(device, Plan::load(plan_file), queue);
  return runner.run({}, nullptr) == Status::ok && queue.finish() == CL_SUCCESS ? 0 : 1;
}

double start_of_a_process(const fs::path& plan, const fs::path& cache) {
  std::string words[] = {"bench_network", "--first", plan.string(), cache.string()};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  const double start = now(CLOCK_MONOTONIC);
  pid_t child = 0;
  int status = 1;
  if (::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments, environ) != 0)
    return NAN;
  ::waitpid(child, &status, 0);
  return status == 0 ? now(CLOCK_MONOTONIC) - start : NAN;
}

void print_layers(const Plan& plan, gpu::Device& device) {
  auto queue = device.make_queue(true);
  PlanRunner runner(device, plan, queue);
  std::vector<Times> steps(plan.steps().size());
  for (int round = 0; round < 7; ++round) {
    const auto spent = runner.profile();
    for (std::size_t s = 0; s < steps.size() && round > 1; ++s)
      steps[s].wall.push_back(static_cast<double>(spent[s]) * 1e-6);
  }
  double all = 0;
  for (const auto& s : steps) all += s.wall_median();
  for (std::size_t s = 0; s < steps.size(); ++s) {
    const auto& step = plan.steps()[s];
    const double ms = steps[s].wall_median();
    std::printf("  %-46.46s %-26s %8.3f ms %5.1f %% %8.2f GFLOP/s\n", step.layer.c_str(),
                (step.family + "/" + step.kernel).c_str(), ms, 100 * ms / all,
                2e-6 * static_cast<double>(step.macs) / ms);
  }
  std::printf("  %-73s %8.3f ms\n", "all steps", all);
}

void bench(gpu::Device& device, const Work& work, const fs::path& scratch,
           const fs::path& library) {
  compile::Options options;
  options.model = work.model;
  options.output = scratch / (work.model.stem().string() + ".plan");
  options.target = device.info().kind == gpu::Kind::gpu ? "gpu" : "cpu";
  const compile::Report report = compile::compile_model(options);
  const Plan plan = Plan::load(options.output);
  auto queue = device.make_queue();
  PlanRunner runner(device, plan, queue);
  const PlanTensor& in = runner.inputs()[0];
  std::vector<float> values(in.memory.bytes / sizeof(float));
  std::mt19937 random(1);
  for (float& v : values) v = std::uniform_real_distribution<float>(0, 1)(random);
  values.resize(static_cast<std::size_t>(plan.tensors()[plan.inputs()[0]].count()));
  std::memcpy(in.memory.host, values.data(), values.size() * sizeof(float));
  gpu::upload(queue, in.memory, in.memory.bytes, {}, nullptr);
  const auto threads = static_cast<int>(device.info().compute_units);
  std::optional<OnnxruntimePeer> peer;
  if (!library.empty()) peer.emplace(library, work.model, threads);
  Times ours, theirs;
  const float* other = nullptr;
  for (int round = -2; round < work.rounds; ++round) {
    timed(ours, round >= 0, [&] {
      runner.run({}, nullptr);
      queue.finish();
    });
    if (peer) timed(theirs, round >= 0, [&] { other = peer->run(values, in.shape); });
  }
  std::printf("%s, input %s, %.2f GMAC, %d threads\n", report.model.c_str(),
              report.inputs[0].c_str(), static_cast<double>(report.macs) / 1e9, threads);
  std::printf("  %-44s %8.2f ms (%s), %8.2f ms of CPU, %6.1f GFLOP/s\n", "this engine",
              ours.wall_median(), ours.spread().c_str(), ours.cpu_median(),
              2e-6 * static_cast<double>(report.macs) / ours.wall_median());
  if (peer) {
    const PlanTensor& out = runner.outputs()[0];
    std::printf("  %-44s %8.2f ms (%s), %8.2f ms of CPU\n", "onnxruntime", theirs.wall_median(),
                theirs.spread().c_str(), theirs.cpu_median());
    std::printf("  %-44s %8.2f, of CPU time %.2f; outputs differ by %.1e\n", "ratio of medians",
                ours.wall_median() / theirs.wall_median(), ours.cpu_median() / theirs.cpu_median(),
                difference(reinterpret_cast<const float*>(out.memory.host), other,
                           static_cast<std::size_t>(plan.tensors()[plan.outputs()[0]].count())));
  }
  Times starts;
  for (int i = 0; i < 3; ++i)
    starts.wall.push_back(start_of_a_process(options.output, scratch / "programs"));
  std::printf("  %-44s %8.0f ms\n", "a new process, stored plan, to its first output",
              starts.wall_median());
  if (work.layers) print_layers(plan, device);
}

int run(const std::vector<std::string>& words) {
  Work work{{}, 15, false};
  std::vector<fs::path> models;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--layers")
      work.layers = true;
    else if (words[i] == "--rounds" && i + 1 < words.size())
      work.rounds = std::atoi(words[++i].c_str());
    else
      models.emplace_back(words[i]);
  }
  if (models.empty())
    for (const char* name :
         {"yolo11n_coco_1024", "yolov8n_coco_640", "yolox_nano_coco_416", "footandball_1024x1024"})
      models.push_back(fs::path("../shared/models") / (std::string(name) + ".onnx"));
  std::string folder = (fs::temp_directory_path() / "gantry-network-XXXXXX").string();
  if (!::mkdtemp(folder.data())) return 1;
  const fs::path scratch = folder;
  const char* peers = std::getenv("GANTRY_PEERS");
  const fs::path library = OnnxruntimePeer::library(peers ? peers : "build/peers");
  if (library.empty()) std::printf("no onnxruntime-node in build/peers: no peer\n");
  {
    gpu::Device device({}, scratch / "programs");
    for (const auto& model : models) {
      work.model = model;
      if (fs::exists(model))
        bench(device, work, scratch, library);
      else
        std::printf("%s is absent\n", model.c_str());
    }
  }
  fs::remove_all(scratch);
  return 0;
}

}  // namespace
}  // namespace gantry

int main(int count, char** words) try {
  if (count == 4 && std::strcmp(words[1], "--first") == 0)
    return gantry::first_detection(words[2], words[3]);
  return gantry::run({words + 1, words + count});
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
