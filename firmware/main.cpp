// The gantry binary: one verb, one job.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include <CLI/CLI.hpp>

#include "firmware/verbs/verbs.hpp"
#include "firmware/version.hpp"

int main(int argc, char** argv) {
  using namespace gantry;
  CLI::App app{
      "gantry films a match: cameras in, a stitched panorama, a virtual camera that follows play "
      "out"};
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  int status = 0;
  add_run(app, status);
  add_control(app, status);
  add_stitch(app, status);
  add_sim(app, status);
  add_detect(app, status);
  add_eval(app, status);
#ifdef GANTRY_COMPILER
  add_compile(app, status);
#endif
  add_eval_director(app, status);
  add_tune(app, status);
  add_doctor(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gantry: %s\n", e.what());
    return 1;
  }
  return status;
}
