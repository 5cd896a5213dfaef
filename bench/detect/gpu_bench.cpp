// A network on the device that is here: time of six tiles beside the floors, every step, and agreement
// with fp32.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>

#include <CLI/CLI.hpp>

#include "bench/detect/file_bytes.hpp"
#include "firmware/compile/compile.hpp"
#include "pipeline/candidate_select.hpp"
#include "pipeline/plan/half.hpp"
#include "pipeline/plan/plan_runner.hpp"

namespace gantry {
namespace {

constexpr auto kRun = PlanRunner::Foreign::run;

struct Settings {
  std::string model, target = "nvidia", cache, pictures;
  std::int64_t batch = 6, size = 0;
  int rounds = 20;
  bool layers = false, agreement = false, tune = false;
};

Plan compiled(const Settings& s, const std::string& target, bool keep) {
  compile::Options o;
  o.target = target;
  o.batch = s.batch;
  if (s.size) o.width = o.height = s.size;
  o.keep_all_tensors = keep;
  return Plan::from_bytes(compile::compile_bytes(file_bytes(s.model), s.model, o), s.model);
}

// The same pictures whatever the layout: those of a file, else noise; `rounded`: as fp16 holds them.
void fill(const PlanTensor& t, const Settings& s, const cl::CommandQueue& queue, bool rounded) {
  std::mt19937 random(1);
  const auto pixels = s.pictures.empty() ? std::vector<std::byte>() : file_bytes(s.pictures);
  const auto plane = static_cast<std::size_t>(t.shape[2] * t.shape[3]);
  const auto pixel = [&](std::size_t i) {  // i: in the ONNX order
    const std::size_t image = i / (3 * plane), channel = i / plane % 3, at = i % plane;
    return static_cast<float>(pixels[((image * plane + at) * 3 + channel) % pixels.size()]) / 255;
  };
  std::size_t count = 1;
  for (const auto d : t.shape) count *= static_cast<std::size_t>(d);
  for (std::size_t i = 0; i < count; ++i) {
    float v = pixels.empty() ? static_cast<float>(random() >> 8) * 0x1p-24f : pixel(i);
    if (rounded) v = float_of_half(half_of(v));
    std::size_t rest = i, at = 0;
    for (std::size_t d = t.shape.size(); d-- > 0;) {
      const auto size = static_cast<std::size_t>(t.shape[d]);
      at += rest % size * static_cast<std::size_t>(t.strides[d]);
      rest /= size;
    }
    if (t.element == Plan::Element::f16) {
      const std::uint16_t half = half_of(v);
      std::memcpy(t.memory.host + at * 2, &half, 2);
    } else {
      std::memcpy(t.memory.host + at * 4, &v, 4);
    }
  }
  gpu::upload(queue, t.memory, t.memory.bytes, {}, nullptr);
}

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// What the device can do at most: bytes of a copy, and matrix steps that wait for nothing.
constexpr const char* kFloors = R"cl(
__kernel void copy(__global const float4* a, __global float4* b) {
  b[get_global_id(0)] = a[get_global_id(0)];
}
#ifdef MATRIX
__kernel void steps(__global float* out, int rounds) {
  float c[8][4];
  for (int i = 0; i < 8; ++i) for (int k = 0; k < 4; ++k) c[i][k] = 0;
  const uint a = 0x3c003800 + get_local_id(0), b = 0x38003c00 + get_local_id(0);
  for (int r = 0; r < rounds; ++r)
#pragma unroll
    for (int i = 0; i < 8; ++i)
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
          "{%0,%1,%2,%3}, {%4,%5,%4,%5}, {%6,%4}, {%0,%1,%2,%3};"
          : "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3]) : "r"(a), "r"(b), "r"(a ^ i));
  float sum = 0;
  for (int i = 0; i < 8; ++i) for (int k = 0; k < 4; ++k) sum += c[i][k];
  out[get_global_id(0)] = sum;
}
#endif
)cl";

std::int64_t fastest(const cl::CommandQueue& queue, const cl::Kernel& kernel,
                     const gpu::Range& global, const gpu::Range& local) {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (int r = 0; r < 12; ++r) {
    cl::Event done;
    if (gpu::launch(queue, kernel, global, &local, {}, &done) != Status::ok) continue;
    gpu::wait(done);
    if (r >= 2) least = std::min(least, gpu::duration_ns(done));
  }
  return least;
}

struct Ceilings {
  double bytes_per_ns = 0, flop_per_ns = 0;  // 0: not known
};

Ceilings ceilings(gpu::Device& device) {
  const bool matrix = device.info().vendor.find("NVIDIA") != std::string::npos;
  const auto program = device.build("floors", kFloors, matrix ? "-DMATRIX" : "");
  const auto queue = device.make_queue(true);
  Ceilings c;
  const std::size_t bytes = device.info().kind == gpu::Kind::gpu ? std::size_t{1} << 30 : 1 << 26;
  const auto from = device.allocate(bytes, gpu::Access::device),
             to = device.allocate(bytes, gpu::Access::device);
  cl::Kernel copy(program, "copy");
  copy.setArg(0, from.buffer);
  copy.setArg(1, to.buffer);
  c.bytes_per_ns =
      2.0 * static_cast<double>(bytes) /
      static_cast<double>(fastest(queue, copy, gpu::Range(bytes / 16), gpu::Range(256)));
  if (!matrix) return c;
  cl::Kernel steps(program, "steps");
  constexpr int kRounds = 4096;
  const std::size_t items = std::size_t{device.info().compute_units} * 16 * 32;
  steps.setArg(0, to.buffer);
  steps.setArg(1, kRounds);
  const auto ns = fastest(queue, steps, gpu::Range(items), gpu::Range(256));
  c.flop_per_ns =
      2.0 * 16 * 8 * 16 * 8 * kRounds * static_cast<double>(items / 32) / static_cast<double>(ns);
  return c;
}

// The selection of candidates for people and balls of COCO, where the network has that head.
std::optional<HeadDecoder> head_of(const PlanRunner& runner) try {
  std::vector<HeadTensor> heads;
  for (const auto& o : runner.outputs()) heads.push_back({o.name, o.shape});
  const auto& in = runner.inputs()[0].shape;
  HeadDecoder decoder(Head::automatic, heads, static_cast<int>(in[3]), static_cast<int>(in[2]), {},
                      {0.35f, 0.45f, 0.45f, 0.45f});
  if (!CandidateSelect::can(decoder, runner.outputs()[decoder.output()])) return std::nullopt;
  return decoder;
} catch (const std::exception&) {
  return std::nullopt;
}

void print_floors(gpu::Device& device, const Plan& plan, double ms) {
  const Ceilings c = ceilings(device);
  double flop = 0, bytes = 0;
  for (const auto& step : plan.steps()) {
    flop += 2.0 * static_cast<double>(step.macs);
    bytes += static_cast<double>(step.bytes);
  }
  const double by_bytes = bytes / c.bytes_per_ns * 1e-6;
  std::printf(
      "bytes: %.0f MB, every layer's tensors and weights once, at the copy's %.2f TB/s: "
      "%.3f ms, %.0f %% of the time\n",
      bytes * 1e-6, c.bytes_per_ns * 1e-3, by_bytes, 100 * by_bytes / ms);
  if (c.flop_per_ns == 0) return;
  const double by_flop = flop / c.flop_per_ns * 1e-6;
  std::printf("arithmetic: %.1f GFLOP at the measured %.0f TFLOP/s: %.3f ms, %.0f %% of the time\n",
              flop * 1e-9, c.flop_per_ns * 1e-3, by_flop, 100 * by_flop / ms);
}

void time_network(gpu::Device& device, const Settings& s) {
  const Plan plan = compiled(s, s.target, false);
  const auto queue = device.make_queue();
  double start = 0;
  std::unique_ptr<PlanRunner> runner;
  if (s.tune) {
    int timed = 0;
    const double ms = milliseconds([&] { timed = PlanRunner(device, plan, queue, kRun).tune(5); });
    std::printf("tuned %d convolutions in %.1f s\n", timed, ms * 1e-3);
  }
  start = milliseconds([&] { runner = std::make_unique<PlanRunner>(device, plan, queue, kRun); });
  fill(runner->inputs()[0], s, queue, true);
  std::printf("%s: %zu launches, set up in %.0f ms, %.0f MB on the device\n", s.target.c_str(),
              plan.steps().size(), start,
              static_cast<double>(PlanRunner::device_bytes(plan)) * 1e-6);
  const auto decoder = head_of(*runner);
  std::optional<CandidateSelect> select;
  if (decoder) select.emplace(device, *decoder, runner->outputs()[decoder->output()]);
  constexpr int kTogether = 10;
  std::vector<double> times;
  for (int r = -2; r < s.rounds; ++r) {
    const double ms = milliseconds([&] {
      for (int i = 0; i < kTogether; ++i) {
        runner->compute({}, nullptr);
        if (select) select->select(queue, {}, nullptr);
      }
      queue.finish();
    });
    if (r >= 0) times.push_back(ms / kTogether);
  }
  std::ranges::sort(times);
  const double median = times[times.size() / 2];
  std::printf("ours, tensor to %s, batch %lld: median %.3f ms (%.3f … %.3f)\n",
              select ? "candidate boxes on the host" : "outputs on the device",
              static_cast<long long>(s.batch), median, times.front(), times.back());
  print_floors(device, plan, median);
  const double enqueue = milliseconds([&] { runner->compute({}, nullptr); });
  queue.finish();
  std::printf("host time to enqueue it: %.3f ms\n", enqueue);
  if (!s.layers) return;
  const auto profiling = device.make_queue(true);
  PlanRunner profiled(device, plan, profiling, kRun);
  std::vector<std::int64_t> ns = profiled.profile();
  for (int r = 0; r < 5; ++r) {
    const auto again = profiled.profile();
    for (std::size_t i = 0; i < ns.size(); ++i) ns[i] = std::min(ns[i], again[i]);
  }
  double sum = 0;
  std::printf("%9s %9s %9s  step\n", "µs", "TFLOP/s", "GB/s");
  for (std::size_t i = 0; i < ns.size(); ++i) {
    const auto& step = plan.steps()[i];
    const auto t = static_cast<double>(ns[i]);
    sum += t;
    std::printf("%9.2f %9.1f %9.0f  %s %s/%s%s [%llu,%llu,%llu]\n", t * 1e-3,
                2e-3 * static_cast<double>(step.macs) / t, static_cast<double>(step.bytes) / t,
                step.layer.c_str(), step.family.c_str(), step.kernel.c_str(),
                runner->options()[i].c_str(), static_cast<unsigned long long>(step.global[0]),
                static_cast<unsigned long long>(step.global[1]),
                static_cast<unsigned long long>(step.global[2]));
  }
  std::printf("%9.2f µs in all steps\n", sum * 1e-3);
}

float overlap(const NetworkBox& a, const NetworkBox& b) {
  const float w = std::min(a.x + a.width / 2, b.x + b.width / 2) -
                  std::max(a.x - a.width / 2, b.x - b.width / 2);
  const float h = std::min(a.y + a.height / 2, b.y + b.height / 2) -
                  std::max(a.y - a.height / 2, b.y - b.height / 2);
  if (w <= 0 || h <= 0) return 0;
  return w * h / (a.width * a.height + b.width * b.height - w * h);
}

// Boxes of two runs, each matched once with one of the same class at an IoU of 0.95 or more.
void compare_boxes(const PlanRunner& a, const PlanRunner& b) {
  const auto decoder = head_of(a);
  if (!decoder) return;
  const auto& output = a.outputs()[decoder->output()];
  const auto left = a.read(output.name), right = b.read(output.name);
  std::size_t found = 0, of_left = 0, of_right = 0;
  for (int image = 0; image < output.shape[0]; ++image) {
    NetworkBoxes x, y;
    decoder->decode(std::vector<const float*>(decoder->output() + 1, left.data()), image, x);
    decoder->decode(std::vector<const float*>(decoder->output() + 1, right.data()), image, y);
    of_left += x.view().size(), of_right += y.view().size();
    std::vector<bool> taken(y.view().size());
    for (const NetworkBox& box : x.view())
      for (std::size_t i = 0; i < taken.size(); ++i) {
        const NetworkBox& other = y.view()[i];
        if (taken[i] || other.object != box.object || overlap(box, other) < 0.95f) continue;
        taken[i] = true;
        ++found;
        break;
      }
  }
  std::printf("candidate boxes: %zu and %zu in fp32, F1 at IoU 0.95: %.4f\n", of_left, of_right,
              2.0 * static_cast<double>(found) / static_cast<double>(of_left + of_right));
}

// The worst of all tensors, over its largest value.
double compare_tensors(const PlanRunner& a, const Plan& fast, const PlanRunner& b,
                       const Plan& exact, bool print) {
  std::map<std::string, bool> known;
  for (const auto& t : exact.tensors()) known[t.name] = t.storage != Plan::Storage::weights;
  double worst = 0;
  for (const auto& t : fast.tensors()) {
    if (t.name.empty() || !known[t.name]) continue;
    known[t.name] = false;
    const auto got = a.read(t.name), want = b.read(t.name);
    double largest = 1e-30, off = 0, square = 0, all = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double d = std::fabs(double{got[i]} - want[i]);
      largest = std::max(largest, std::fabs(double{want[i]}));
      off = std::isnan(d) ? INFINITY : std::max(off, d);
      square += d * d;
      all += double{want[i]} * want[i];
    }
    worst = std::max(worst, off / largest);
    if (print)
      std::printf("%10.2e of the largest, %10.2e in norm  %s\n", off / largest,
                  std::sqrt(square / std::max(all, 1e-30)), t.name.c_str());
  }
  return worst;
}

// Layers are compared on pictures that both can hold; what fp16 takes from a picture comes on top.
void compare(gpu::Device& device, const Settings& s) {
  const std::string other = device.info().kind == gpu::Kind::gpu ? "gpu" : "cpu";
  const Plan fast = compiled(s, s.target, true), exact = compiled(s, other, true);
  const auto queue = device.make_queue();
  PlanRunner a(device, fast, queue, kRun), b(device, exact, queue, kRun);
  const auto run = [&](PlanRunner& r, bool rounded) {
    fill(r.inputs()[0], s, queue, rounded);
    r.compute({}, nullptr);
    queue.finish();
  };
  run(a, true);
  run(b, true);
  const double worst = compare_tensors(a, fast, b, exact, true);
  std::printf("agreement with fp32: worst %.2e of a tensor's largest value\n", worst);
  run(b, false);
  compare_boxes(a, b);
  std::printf("the same, pictures in fp32 there: worst %.2e\n",
              compare_tensors(a, fast, b, exact, false));
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) try {
  gantry::Settings s;
  CLI::App app{"a network's speed on this device, and its agreement with fp32"};
  app.add_option("model", s.model)->required();
  app.add_option("--target", s.target);
  app.add_option("--batch", s.batch);
  app.add_option("--size", s.size);
  app.add_option("--rounds", s.rounds);
  app.add_option("--cache", s.cache);
  app.add_option("--pictures", s.pictures, "frames of the network's size, RGB, 8 bits");
  app.add_flag("--layers", s.layers);
  app.add_flag("--tune", s.tune);
  app.add_flag("--agreement", s.agreement);
  CLI11_PARSE(app, argc, argv);
  gantry::gpu::Device device({}, s.cache);
  std::printf("%s, driver %s\n", device.info().name.c_str(), device.info().driver.c_str());
  if (s.rounds) gantry::time_network(device, s);
  if (s.agreement) gantry::compare(device, s);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
