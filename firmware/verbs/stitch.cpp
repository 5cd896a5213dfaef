// gantry stitch: one picture per camera to one panorama.
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "firmware/config.hpp"
#include "firmware/media.hpp"
#include "firmware/rig_file.hpp"
#include "firmware/verbs/picture_on_device.hpp"
#include "firmware/verbs/verbs.hpp"
#include "pipeline/stitcher.hpp"

namespace gantry {
namespace {

struct StitchOptions {
  std::string rig, output;
  std::vector<std::string> pictures;
};

int stitch(const StitchOptions& options) {
  RigFile rig = read_rig_file(options.rig);
  if (options.pictures.size() != rig.rig.cameras.size())
    throw std::runtime_error(fmt::format("{}: {} cameras need as many pictures, {} were given",
                                         options.rig, rig.rig.cameras.size(),
                                         options.pictures.size()));
  gpu::Device device({}, default_program_cache());
  std::vector<std::unique_ptr<SurfacePool>> pools;
  std::vector<Nv12Layout> layouts;
  FramePair pair;
  for (std::size_t i = 0; i < options.pictures.size(); ++i) {
    const auto picture =
        media::load_picture(options.pictures[i], rig.rig.matrix, rig.rig.range, OddSize::refuse);
    layouts.push_back(picture.layout);
    fit_pictures(rig, i, picture.layout.width, picture.layout.height);
    pools.push_back(picture_on_device(device, picture));
    pair.cameras[i].surface = pools.back()->acquire();
  }
  const StitchMesh mesh = make_mesh(rig);
  const auto layout = nv12_layout(mesh.panorama_width, mesh.panorama_height);
  auto panoramas = make_surface_pool(device, layout, 1, gpu::Access::download);
  StitcherConfig config = stitcher_config(rig.rig);
  config.colour_match = false;  // one picture has no history to smooth over
  Stitcher stitcher(device, mesh, layouts, layout, config);
  PanoramaFrame panorama;
  if (stitcher.stitch(std::move(pair), panoramas->acquire(), panorama) != Status::ok)
    throw std::runtime_error(device.info().name + ": the stitch kernel failed");
  stitcher.drain();
  const Surface& surface = *panorama.surface;
  const auto queue = device.make_queue();
  gpu::download(queue, surface.memory, surface.memory.bytes, {panorama.ready()}, nullptr);
  queue.finish();
  media::save_png(options.output, layout, surface.memory.host, rig.rig.matrix, rig.rig.range);
  return 0;
}

}  // namespace

void add_stitch(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("stitch", "one picture per camera to one panorama");
  auto options = std::make_shared<StitchOptions>();
  verb->add_option("--rig", options->rig, "rig file (TOML)")->required();
  verb->add_option("pictures", options->pictures, "one picture per camera, in the order of the rig")
      ->required();
  verb->add_option("-o,--output", options->output, "the panorama (PNG)")->required();
  verb->callback([options, &status] { status = stitch(*options); });
}

}  // namespace gantry
