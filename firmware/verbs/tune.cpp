// gantry tune: finds the fastest kernels for a plan on this device, once.
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "firmware/config.hpp"
#include "firmware/verbs/verbs.hpp"
#include "pipeline/plan/plan_runner.hpp"
#include "pipeline/plan/tile_table.hpp"

namespace gantry {
namespace {

struct TuneOptions {
  std::string plan;
  int rounds = 5;
};

int tune(const TuneOptions& options) {
  const Plan plan = Plan::load(options.plan);
  gpu::Device device({}, default_program_cache());
  PlanRunner runner(device, plan, device.make_queue());
  const int timed = runner.tune(options.rounds);
  fmt::print("{}: {} layers timed on {}; kept in {}\n", options.plan, timed, device.info().name,
             TileTable(device).file().string());
  return 0;
}

}  // namespace

void add_tune(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand(
      "tune", "find the fastest kernels for a plan on this device; runs use them from then on");
  auto options = std::make_shared<TuneOptions>();
  verb->add_option("--plan", options->plan, "the network, compiled by gantry compile")->required();
  verb->add_option("--rounds", options->rounds, "times that each kernel is run")
      ->check(CLI::Range(1, 1000));
  verb->callback([options, &status] { status = tune(*options); });
}

}  // namespace gantry
