// gantry eval-director: films simulated or logged matches without pixels, and says how well.
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "firmware/config.hpp"
#include "firmware/eval/log_match.hpp"
#include "firmware/eval/path_plot.hpp"
#include "firmware/eval/review.hpp"
#include "firmware/rig_file.hpp"
#include "firmware/verbs/verbs.hpp"

namespace gantry {
namespace {

struct EvalDirectorOptions {
  std::string config, plots, log;
  std::uint64_t first_seed = 1;
  int matches = 4;
  MatchOptions match;
};

void plot_into(const std::string& folder, const std::string& name, const Match& match,
               const Film& path, const PanoramaGeometry& panorama, double aspect) {
  if (folder.empty()) return;
  std::filesystem::create_directories(folder);
  plot(std::filesystem::path(folder) / (name + ".png"), match, path, panorama, aspect);
}

// What was really found, filmed again by the director as it is now.
int replay(const EvalDirectorOptions& options, const Config& config,
           const DirectorConfig& director) {
  const LoggedMatch logged = read_match(options.log, options.match.faults.latency_s);
  const PanoramaGeometry& panorama = logged.header.panorama;
  const ViewLimits limits(panorama, logged.header.view_width, logged.header.view_height);
  const auto camera = make_director(director, panorama, limits);
  const Film path = film(*camera, logged.match, config.delay_s);
  print_followed(review(logged.match, path, limits), path, stdout);
  plot_into(options.plots, std::filesystem::path(options.log).stem(), logged.match, path, panorama,
            limits.aspect());
  return 0;
}

int simulate(const EvalDirectorOptions& options, const Config& config,
             const DirectorConfig& director) {
  const PanoramaGeometry panorama = read_rig_file(config.rig_file).rig.panorama;
  const ViewLimits limits(panorama, config.view_width, config.view_height);
  MatchOptions match = options.match;
  match.mast_height_m = director.follow.camera_height;
  std::vector<Review> reviews;
  print_heading(stdout);
  for (int i = 0; i < options.matches; ++i) {
    match.seed = options.first_seed + static_cast<std::uint64_t>(i);
    const Match filmed = simulate_match(match, panorama);
    const auto camera = make_director(director, panorama, limits);
    const Film path = film(*camera, filmed, config.delay_s);
    reviews.push_back(review(filmed, path, limits));
    print(reviews.back(), stdout);
    plot_into(options.plots, fmt::format("seed-{}", match.seed), filmed, path, panorama,
              limits.aspect());
  }
  print(total(reviews, "all"), stdout);
  return 0;
}

int evaluate_director(const EvalDirectorOptions& options) {
  const Config config = read_config(options.config);
  DirectorConfig director = config.director;
  director.kind = DirectorConfig::Kind::follow;
  return options.log.empty() ? simulate(options, config, director)
                             : replay(options, config, director);
}

}  // namespace

void add_eval_director(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand(
      "eval-director",
      "films simulated or logged matches without pixels and measures the camera work");
  auto options = std::make_shared<EvalDirectorOptions>();
  verb->add_option("--config", options->config, "configuration (TOML): rig, delay, [director]")
      ->required();
  auto* matches =
      verb->add_option("--matches", options->matches, "how many, each with a seed of its own")
          ->check(CLI::Range(1, 100000));
  verb->add_option("--log", options->log,
                   "a detection log to film again, in the place of simulated matches")
      ->check(CLI::ExistingFile)
      ->excludes(matches);
  verb->add_option("--first-seed", options->first_seed, "of the first match");
  verb->add_option("--seconds", options->match.seconds, "of each match")
      ->check(CLI::Range(10.0, 7200.0));
  verb->add_option("--plots", options->plots, "folder for a picture of each path");
  DetectorFaults& f = options->match.faults;
  verb->add_option("--hertz", f.hertz, "analyses a second")->check(CLI::Range(1.0, 30.0));
  verb->add_option("--misses", f.misses, "share of the analyses that miss the ball")
      ->check(CLI::Range(0.0, 0.9));
  verb->add_option("--burst", f.burst_s, "seconds that it is missed at a stretch, on average")
      ->check(CLI::Range(0.0, 60.0));
  verb->add_option("--false-balls", f.false_balls, "per panorama")->check(CLI::Range(0.0, 3.0));
  verb->add_option("--noise", f.noise_pixels, "pixels, of the places found")
      ->check(CLI::Range(0.0, 100.0));
  verb->add_flag("--camera-lost", f.camera_lost,
                 "the right half of the panorama is blind in the last third");
  verb->callback([options, &status] { status = evaluate_director(*options); });
}

}  // namespace gantry
