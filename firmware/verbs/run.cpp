// gantry run: films until the sources end, the time is up, or a signal comes.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "firmware/appliance.hpp"
#include "firmware/log_writer.hpp"
#include "firmware/recordings.hpp"
#include "firmware/supervisor.hpp"
#include "firmware/verbs/verbs.hpp"
#include "hal/clock/clock.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

// After the delay has filled, until codecs and drivers have what they keep.
constexpr double kWarmUp_s = 10;
// What a run that cannot go on may take to complete its files.
constexpr std::int64_t kClosing_ns = 4 * clock::kSecond_ns;
// Its exit status, EX_TEMPFAIL of sysexits.h: the service manager is to start it anew.
constexpr int kStartAnew = 75;

struct RunOptions {
  std::string config, report;
  double duration_s = -1;
};

// Blocked in every thread, so that only the waits below see them.
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

bool signal_came(const sigset_t& set, std::int64_t wait_ns) {
  const timespec wait{wait_ns / clock::kSecond_ns, wait_ns % clock::kSecond_ns};
  return sigtimedwait(&set, nullptr, &wait) > 0;
}

void print_progress(const Appliance& appliance, double seconds) {
  const auto& t = appliance.telemetry();
  std::fprintf(stderr, "\r%6.1f s  panoramas %llu  analysed %llu  shown %llu  late %llu  ", seconds,
               static_cast<unsigned long long>(t.stitched.read()),
               static_cast<unsigned long long>(t.analysed.read()),
               static_cast<unsigned long long>(t.presented.read()),
               static_cast<unsigned long long>(t.late.read()));
}

// The first signal, or the end of the time, stops the cameras: what they took is still shown. The
// second signal ends at once. False: the run cannot go on, and threads of it may hang.
bool film(Appliance& appliance, Supervisor& supervisor, const Config& config,
          const sigset_t& signals) {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const auto start_ns = clock::now_ns();
  bool stopping = false;
  double next_sample_s = config.delay_s + kWarmUp_s;
  appliance.start();
  supervisor.start();
  while (!appliance.ended()) {
    const bool signalled = signal_came(signals, 200 * clock::kMillisecond_ns);
    const double seconds = 1e-9 * static_cast<double>(clock::now_ns() - start_ns);
    if (terminal) print_progress(appliance, seconds);
    if (!supervisor.check()) return false;
    if (seconds > next_sample_s) {
      appliance.sample_footprint();
      next_sample_s = seconds + 5;
    }
    if (signalled && stopping) {
      log::info("run: ends now, {} s of the delay are not shown", config.delay_s);
      appliance.abandon();
    } else if (signalled) {
      log::info("run: stops; the last {} s are still coming, a second signal ends at once",
                config.delay_s);
      supervisor.stopping();
      appliance.stop();
      stopping = true;
    }
  }
  appliance.finish();
  supervisor.ended();
  if (terminal) std::fprintf(stderr, "\n");
  return true;
}

// Completes the files and ends the process, whose other threads may hang in a driver.
[[noreturn]] void give_up(Appliance& appliance, std::optional<LogWriter>& log_writer) {
  const bool complete = appliance.close_outputs(clock::now_ns() + kClosing_ns);
  log::error("run: ends with status {}, to be started anew; {}", kStartAnew,
             complete ? "all files are complete" : "a file could not be completed in time");
  log_writer.reset();
  _exit(kStartAnew);
}

void log_summary(const RunReport& r) {
  for (const auto& o : r.outputs)
    log::info("output: {}: {} frames, {:.1f} s, {}, {} dropped", o.path, o.frames, o.duration_s,
              o.codec, o.dropped);
  log::info(
      "run: {:.1f} s, {} pairs, {} panoramas, {} analysed, {} shown, {} repeated, {} late; "
      "bottleneck {}",
      r.duration_s, r.paired, r.stitched, r.analysed, r.presented, r.repeated, r.late,
      r.bottleneck);
}

int run(const RunOptions& options) {
  Config config = read_config(options.config);
  if (options.duration_s >= 0) config.duration_s = options.duration_s;
  if (!options.report.empty()) config.report_file = options.report;

  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  tune_allocator();
  LogOptions logging;
  logging.file = config.log_file;
  logging.file_bytes = static_cast<std::size_t>(config.log_file_bytes);
  logging.files = static_cast<std::size_t>(config.log_files);
  logging.to_stderr = config.log_file.empty();
  std::optional<LogWriter> log_writer(std::in_place, logging);

  std::optional<RecordingsKeeper> recordings;
  if (!config.recordings_folder.empty())
    recordings.emplace(RecordingsPolicy{config.recordings_folder, config.recordings_keep_free_bytes,
                                        config.recordings_protected});
  Appliance appliance(config);
  Supervisor supervisor(config, appliance);
  if (!film(appliance, supervisor, config, signals)) give_up(appliance, log_writer);
  if (!config.panorama_picture.empty()) appliance.save_panorama(config.panorama_picture);
  const RunReport report = appliance.report();
  if (!config.report_file.empty()) write_report(report, config.report_file);
  log_summary(report);
  return 0;
}

}  // namespace

void add_run(CLI::App& app, int& status) {
  auto* verb =
      app.add_subcommand("run", "film: from the cameras of a configuration to its outputs");
  auto options = std::make_shared<RunOptions>();
  verb->add_option("--config", options->config,
                   "configuration file (TOML; firmware/config/gantry.toml explains every key)")
      ->required();
  verb->add_option("--duration", options->duration_s,
                   "seconds to film; 0: until the sources end or a signal comes")
      ->check(CLI::Range(0.0, 1e6));
  verb->add_option("--report", options->report, "where to write the run report (JSON)");
  verb->callback([options, &status] { status = run(*options); });
}

}  // namespace gantry
