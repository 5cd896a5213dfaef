// gantry compile: an ONNX network to a plan.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/compile.hpp"

#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "firmware/verbs/verbs.hpp"

namespace gantry {
namespace {

struct CompileOptions {
  compile::Options compile;
  std::string size;
  bool explain = false;
};

// "1024x1024", width first.
void read_size(const std::string& text, compile::Options& options) {
  std::int64_t width = 0, height = 0;
  const char* const end = text.data() + text.size();
  const auto x = std::from_chars(text.data(), end, width);
  const bool between = x.ec == std::errc() && x.ptr != end && *x.ptr == 'x';
  const auto last = std::from_chars(between ? x.ptr + 1 : end, end, height);
  if (!between || last.ec != std::errc() || last.ptr != end || width < 1 || height < 1)
    throw std::runtime_error("--input-size " + text +
                             ": WIDTHxHEIGHT in pixels is needed, for example 1024x1024");
  options.width = width;
  options.height = height;
}

int compile_network(CompileOptions& options) {
  if (!options.size.empty()) read_size(options.size, options.compile);
  const auto report = compile::compile_model(options.compile);
  if (options.explain) fmt::print("{}", report.explain());
  fmt::print("{}: {} layers, {:.2f} GMAC, weights {} KiB, arena {} KiB, plan {} KiB\n",
             options.compile.output.string(), report.layers.size(),
             1e-9 * static_cast<double>(report.macs), report.weight_bytes >> 10,
             report.arena_bytes >> 10, report.plan_bytes >> 10);
  return 0;
}

}  // namespace

void add_compile(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("compile", "an ONNX network to a plan that the detector runs");
  auto options = std::make_shared<CompileOptions>();
  verb->add_option("model", options->compile.model, "the network (ONNX)")->required();
  verb->add_option("-o,--output", options->compile.output, "the plan")->required();
  verb->add_option("--input-size", options->size,
                   "WIDTHxHEIGHT of the input, where the network leaves it open");
  verb->add_option("--batch", options->compile.batch,
                   "tiles in one run, where the network leaves it open")
      ->check(CLI::Range(1, 64));
  verb->add_option("--target", options->compile.target, "device family: cpu, gpu or nvidia")
      ->check(CLI::IsMember({"cpu", "gpu", "nvidia"}));
  verb->add_flag("--explain", options->explain,
                 "print every layer with its shape, kernel, work and memory");
  verb->callback([options, &status] { status = compile_network(*options); });
}

}  // namespace gantry
