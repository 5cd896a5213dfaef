// The compiler from end to end, and the table of what it made.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/compile.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "firmware/compile/fuse.hpp"
#include "firmware/compile/import.hpp"
#include "firmware/compile/infer.hpp"
#include "firmware/compile/plan_writer.hpp"
#include "firmware/compile/recognise.hpp"
#include "firmware/compile/rewrite.hpp"

namespace gantry::compile {
namespace {

void check(const Options& o) {
  constexpr std::int64_t largest = 1 << 16;
  if (o.width.has_value() != o.height.has_value())
    throw std::invalid_argument("an input size has a width and a height, for example 640x640");
  if (o.width && (*o.width < 1 || *o.width > largest || *o.height < 1 || *o.height > largest))
    throw std::invalid_argument(
        fmt::format("an input size of {}x{}: 1 to {} each", *o.width, *o.height, largest));
  if (o.batch && (*o.batch < 1 || *o.batch > 1024))
    throw std::invalid_argument(fmt::format("a batch of {}: 1 to 1024", *o.batch));
}

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw std::runtime_error(path.string() + ": cannot be opened");
  const auto size = static_cast<std::streamoff>(in.tellg());
  if (size <= 0 || std::filesystem::is_directory(path))
    throw std::runtime_error(path.string() + ": not an ONNX model: it is empty");
  if (size > std::numeric_limits<std::int32_t>::max())
    throw std::runtime_error(path.string() + ": files of 2 GiB and more cannot be read");
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  in.seekg(0);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), size))
    throw std::runtime_error(path.string() + ": cannot be read");
  return bytes;
}

// Arena bytes alive at each step: what the step touches and what waits for a later one.
std::vector<std::int64_t> live_bytes(const Program& program) {
  const std::size_t steps = program.steps.size();
  std::vector<std::size_t> first(program.roots.size(), steps), last(program.roots.size(), 0);
  for (std::size_t s = 0; s < steps; ++s)
    for (const auto& a : program.steps[s].arguments) {
      if (a.kind != Plan::Argument::Kind::tensor) continue;
      const auto r = static_cast<std::size_t>(program.tensors[a.tensor].root);
      first[r] = std::min(first[r], s);
      last[r] = std::max(last[r], s);
    }
  std::vector<std::int64_t> live(steps, 0);
  for (std::size_t r = 0; r < program.roots.size(); ++r) {
    if (program.roots[r].storage != Plan::Storage::arena) continue;
    for (std::size_t s = first[r]; s < steps && s <= last[r]; ++s)
      live[s] += program.roots[r].elements * size_of(program.roots[r].element);
  }
  return live;
}

Report report_of(const Graph& graph, const Program& program, std::size_t plan_size) {
  Report r;
  r.model = graph.model_name;
  const auto named = [&](const std::vector<std::uint32_t>& list, std::vector<std::string>& to) {
    for (const auto t : list)
      to.push_back(program.tensors[t].name + " " + to_string(program.tensors[t].shape));
  };
  named(program.inputs, r.inputs);
  named(program.outputs, r.outputs);
  const auto live = live_bytes(program);
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    const auto& step = program.steps[s];
    const auto& made = program.tensors[static_cast<std::size_t>(program.step_outputs[s])];
    r.layers.push_back({step.layer, made.name, to_string(made.shape),
                        step.family + "/" + step.kernel, step.macs, step.bytes, live[s]});
    r.macs += step.macs;
  }
  r.weight_bytes = program.weights.size();
  r.arena_bytes = static_cast<std::uint64_t>(program.arena_bytes);
  r.plan_bytes = plan_size;
  return r;
}

}  // namespace

std::string Report::explain() const {
  std::size_t widest = 5;
  for (const auto& l : layers) widest = std::max(widest, std::min<std::size_t>(l.layer.size(), 48));
  std::string table = fmt::format("{:<{}}  {:<18} {:<28} {:>9} {:>9} {:>9}\n", "layer", widest,
                                  "makes", "kernel", "MMAC", "KiB moved", "KiB alive");
  for (const auto& l : layers) {
    const std::string name =
        l.layer.size() <= widest ? l.layer : "…" + l.layer.substr(l.layer.size() - widest + 1);
    table += fmt::format("{:<{}}  {:<18} {:<28} {:>9.2f} {:>9} {:>9}\n", name, widest, l.shape,
                         l.variant, static_cast<double>(l.macs) / 1e6, l.bytes >> 10,
                         l.arena_bytes >> 10);
  }
  for (const auto& i : inputs) table += "input   " + i + "\n";
  for (const auto& o : outputs) table += "output  " + o + "\n";
  table += fmt::format(
      "{} steps, {:.3f} GMAC, weights {:.1f} MiB, arena at most {:.1f} MiB, plan {:.1f} MiB\n",
      layers.size(), static_cast<double>(macs) / 1e9, static_cast<double>(weight_bytes) / (1 << 20),
      static_cast<double>(arena_bytes) / (1 << 20), static_cast<double>(plan_bytes) / (1 << 20));
  return table;
}

std::vector<std::byte> compile_bytes(std::span<const std::byte> onnx, const std::string& name,
                                     const Options& options, Report* report) {
  check(options);
  const Target& target = target_named(options.target);
  Graph graph = import_onnx(onnx, name, {options.width, options.height, options.batch});
  graph.model_name = std::filesystem::path(name).stem().string();
  if (options.fuse) {
    fuse(graph);
    chain_pools(graph);
    convolve_before_enlarging(graph);
    add_while_enlarging(graph);
    if (target.channels_last) recognise(graph);
  } else
    drop_unused(graph);
  try {
    Layout layout = lay_out(graph, target);
    Program program = lower(graph, std::move(layout), target);
    lay_out_arena(program, options.keep_all_tensors);
    if (program.arena_bytes / 4 > kMaximumElements)
      throw std::runtime_error(
          fmt::format("the activations need {} MiB; the most is {} MiB: give a smaller "
                      "--input-size or --batch",
                      program.arena_bytes >> 20, kMaximumElements >> 18));
    auto bytes = plan_bytes(graph, program, target);
    if (report) *report = report_of(graph, program, bytes.size());
    return bytes;
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(name + ": " + e.what());
  }
}

Report compile_model(const Options& options) {
  const auto onnx = read_file(options.model);
  Report report;
  const auto bytes = compile_bytes(onnx, options.model.string(), options, &report);
  write_whole(options.output, bytes);
  return report;
}

}  // namespace gantry::compile
