// gantry detect: runs a network on pictures and prints what it finds.
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "firmware/config.hpp"
#include "firmware/media.hpp"
#include "firmware/verbs/picture_on_device.hpp"
#include "firmware/verbs/verbs.hpp"
#include "pipeline/detector.hpp"

namespace gantry {
namespace {

struct DetectOptions {
  std::string plan, head = "auto";
  std::vector<std::string> pictures;
  double confidence = 0.35, scale = 1;
  bool fit = false, json = false;
};

nlohmann::ordered_json to_json(const Detection& d) {
  return {{"class", name_of(d.object)}, {"confidence", d.confidence}, {"x", d.x}, {"y", d.y},
          {"width", d.width},           {"height", d.height}};
}

void print(const std::string& file, const Detections& found, bool json) {
  if (json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auto& d : found.view()) list.push_back(to_json(d));
    fmt::print("{}\n", nlohmann::ordered_json{{"file", file}, {"detections", list}}.dump());
    return;
  }
  fmt::print("{}: {} found\n", file, found.count);
  for (const auto& d : found.view())
    fmt::print("  {:<8} {:.2f}  centre {:7.1f} {:7.1f}  size {:6.1f} x {:6.1f}\n",
               name_of(d.object), d.confidence, d.x, d.y, d.width, d.height);
}

int detect(const DetectOptions& options) {
  const Plan plan = Plan::load(options.plan);
  gpu::Device device({}, default_program_cache());
  DetectorConfig config;
  config.head = parse_head(options.head);
  config.tiles.layout = options.fit ? TileLayout::fit : TileLayout::spread;
  config.tiles.scale = options.scale;
  config.limits = {};
  for (auto& limits : config.limits) limits.confidence = static_cast<float>(options.confidence);
  for (const auto& file : options.pictures) {
    const auto picture =
        media::load_picture(file, ColourMatrix::bt709, ColourRange::limited, OddSize::crop);
    const auto pool = picture_on_device(device, picture);
    print(file,
          detect_in_picture(device, plan, config, pool->slot(0), ColourMatrix::bt709,
                            ColourRange::limited),
          options.json);
  }
  return 0;
}

}  // namespace

void add_detect(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("detect", "run a network on pictures and print what it finds");
  auto options = std::make_shared<DetectOptions>();
  verb->add_option("--plan", options->plan, "the network, compiled by gantry compile")->required();
  verb->add_option("pictures", options->pictures, "any picture that FFmpeg reads")->required();
  verb->add_option("--head", options->head,
                   "auto, yolov8, yolov5, yolox, end_to_end, footandball or centre_maps");
  verb->add_option("--confidence", options->confidence, "the least that is reported")
      ->check(CLI::Range(0.001, 1.0));
  verb->add_option("--scale", options->scale, "network pixels per picture pixel")
      ->check(CLI::Range(0.0625, 16.0));
  verb->add_flag("--fit", options->fit,
                 "one tile over the whole picture instead of tiles at scale");
  verb->add_flag("--json", options->json, "one line of JSON per picture");
  verb->callback([options, &status] { status = detect(*options); });
}

}  // namespace gantry
