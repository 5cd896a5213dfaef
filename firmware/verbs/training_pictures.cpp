// gantry sim --training: pictures of any scene, raw, and the boxes in them.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/verbs/training_pictures.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "firmware/boxes_file.hpp"
#include "firmware/config.hpp"
#include "hal/camera/sim_renderer.hpp"
#include "hal/camera/sim_training.hpp"

namespace gantry {
namespace {

constexpr std::uint64_t kMomentsPerScene = 4;

}  // namespace

void write_training_pictures(const TrainingOptions& options) {
  const std::filesystem::path folder = options.output;
  std::filesystem::create_directories(folder);
  gpu::Device device({}, default_program_cache());
  const auto queue = device.make_queue();
  const int size = options.size;
  const auto surfaces =
      make_surface_pool(device, nv12_layout(size, size), 1, gpu::Access::download);
  const Surface& surface = surfaces->slot(0);
  RawPicturesWriter raw(folder);
  BoxesWriter boxes_file(folder);

  std::optional<SimRenderer> renderer;
  PictureTruth truth{RawPicturesWriter::kName, 0, size, size, {}};
  for (std::uint64_t n = 0; n < options.pictures; n += kMomentsPerScene) {
    const SimTrainingScene scene(options.seed * 1'000'000 + n / kMomentsPerScene, size, size);
    if (renderer)
      renderer->stage(scene.rig, scene.look, scene.mast, scene.seed);
    else
      renderer.emplace(device, scene.rig, scene.look,
                       SimRendererConfig{.seed = scene.seed, .mast = scene.mast, .samples = 3});
    SimBoxes boxes(renderer->view(), scene.look, scene.seed);
    for (std::uint64_t m = 0; m < kMomentsPerScene && n + m < options.pictures; ++m) {
      const SimMoment moment = training_moment(scene, renderer->view(), m);
      const FrameStamp stamp{0, static_cast<std::uint32_t>(n + m), 0};
      cl::Event done;
      if (renderer->render(moment.state, stamp, moment.cast, surface, &done) != Status::ok)
        throw std::runtime_error("the device failed while it drew a picture");
      const auto objects = boxes.of(moment.state, moment.cast);
      truth.objects.assign(objects.begin(), objects.end());
      cl::Event fetched;
      gpu::download(queue, surface.memory, surface.memory.bytes, {done()}, &fetched);
      gpu::wait(fetched);
      raw.add(surface.layout, surface.memory.host);
      truth.index = static_cast<std::int64_t>(n + m);
      boxes_file.add(truth);
    }
  }
  fmt::print("{}: {} pictures of {}x{}, and boxes.jsonl\n", folder.string(), options.pictures, size,
             size);
}

}  // namespace gantry
