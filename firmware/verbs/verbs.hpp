// The command line's verbs: each adds its options to the application and runs when it is chosen.
//
// A verb reports what is wrong by throwing std::exception (one line, exit code 1) or by `status`.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace gantry {

void add_run(CLI::App& app, int& status);            // films
void add_control(CLI::App& app, int& status);        // steers a gantry that films
void add_stitch(CLI::App& app, int& status);         // pictures to one panorama
void add_sim(CLI::App& app, int& status);            // frames and truth of a simulated match
void add_detect(CLI::App& app, int& status);         // a network on pictures
void add_eval(CLI::App& app, int& status);           // how good a network is
void add_compile(CLI::App& app, int& status);        // an ONNX network to a plan
void add_eval_director(CLI::App& app, int& status);  // matches without pixels, measured
void add_tune(CLI::App& app, int& status);    // the fastest kernels for a plan on this device
void add_doctor(CLI::App& app, int& status);  // what this machine offers

}  // namespace gantry
