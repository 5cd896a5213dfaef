// gantry sim: pictures of a simulated match, and the truth about them.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "firmware/boxes_file.hpp"
#include "firmware/config.hpp"
#include "firmware/media.hpp"
#include "firmware/verbs/training_pictures.hpp"
#include "firmware/verbs/verbs.hpp"
#include "hal/camera/sim_truth.hpp"

namespace gantry {
namespace {

struct SimOptions {
  std::string rig, output;
  std::uint64_t seed = 1, frames = 1;
  double start_s = 0, every_s = 1.0 / 30;
  bool random_look = false, raw = false;
  std::uint64_t training = 0;
  int size = 640;
};

struct Source {
  std::unique_ptr<SimCamera> camera;
  std::unique_ptr<SurfacePool> surfaces;
};

Source open(gpu::Device& device, const Rig& rig, const SimOptions& options, std::size_t index) {
  SimCameraConfig config;
  config.name = rig.cameras[index].name;
  config.camera = index;
  config.seed = options.seed;
  config.random_look = options.random_look;
  config.frames_per_second = 1 / options.every_s;
  config.match_start_s = options.start_s;
  config.real_time = false;
  auto camera = std::make_unique<SimCamera>(device, rig, config);
  const auto layout = nv12_layout(camera->format().width, camera->format().height);
  return {std::move(camera), make_surface_pool(device, layout, 2, gpu::Access::download)};
}

std::string picture_name(const Source& source, std::uint64_t number) {
  return fmt::format("{}-{:06}.png", source.camera->name(), number);
}

// The next picture of a camera, as left-000012.png or in the raw file.
std::int64_t save_next(Source& source, const cl::CommandQueue& queue, const Rig& rig,
                       const std::filesystem::path& folder, std::uint64_t number,
                       RawPicturesWriter* raw) {
  CameraFrame frame;
  if (source.camera->capture(*source.surfaces, frame) != Status::ok)
    throw std::runtime_error("camera " + source.camera->name() + ": no picture");
  cl::Event done;
  const auto& memory = frame.surface->memory;
  gpu::download(queue, memory, memory.bytes, {frame.ready()}, &done);
  gpu::wait(done);
  if (raw)
    raw->add(frame.surface->layout, memory.host);
  else
    media::save_png(folder / picture_name(source, number), frame.surface->layout, memory.host,
                    rig.matrix, rig.range);
  return frame.capture_ns;
}

int simulate(const SimOptions& options) {
  if (options.training > 0) {
    write_training_pictures({options.output, options.seed, options.training, options.size});
    return 0;
  }
  if (options.rig.empty()) throw std::runtime_error("sim: --rig or --training is needed");
  const Rig rig = read_rig_file(options.rig).rig;
  const std::filesystem::path folder = options.output;
  std::filesystem::create_directories(folder);
  gpu::Device device({}, default_program_cache());
  const auto queue = device.make_queue();
  std::vector<Source> sources;
  for (std::size_t i = 0; i < rig.cameras.size(); ++i)
    sources.push_back(open(device, rig, options, i));

  const auto closer = [](std::FILE* f) { std::fclose(f); };
  const auto truth_file = folder / "truth.jsonl";
  std::unique_ptr<std::FILE, decltype(closer)> out(std::fopen(truth_file.c_str(), "w"), closer);
  if (!out) throw std::runtime_error(truth_file.string() + ": cannot be written");
  SimCameraConfig shared;
  shared.seed = options.seed;
  shared.random_look = options.random_look;
  SimTruth truth(rig, look_of(shared), shared.mast_height_m);
  BoxesWriter boxes_file(folder);
  std::optional<RawPicturesWriter> raw;
  if (options.raw) raw.emplace(folder);
  std::vector<SimBoxes> boxes;
  boxes.reserve(sources.size());
  for (const auto& source : sources)
    boxes.emplace_back(source.camera->view(), look_of(shared), options.seed);
  SimWorld world(options.seed);
  SimState state;
  SimTruthFrame row;
  for (std::uint64_t n = 0; n < options.frames; ++n) {
    std::int64_t capture_ns = 0;
    for (auto& source : sources)
      capture_ns = save_next(source, queue, rig, folder, n, raw ? &*raw : nullptr);
    world.at(options.start_s + static_cast<double>(n) * options.every_s, state);
    truth.of(state, n, capture_ns, row);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const auto objects = boxes[i].of(state);
      const auto format = sources[i].camera->format();
      PictureTruth picture{picture_name(sources[i], n), -1, 0, 0, {objects.begin(), objects.end()}};
      if (raw)
        picture = {RawPicturesWriter::kName, static_cast<std::int64_t>(n * sources.size() + i),
                   format.width, format.height, picture.objects};
      boxes_file.add(picture);
    }
    if (!write_json_line(row, out.get()))
      throw std::runtime_error(truth_file.string() + ": cannot be written");
  }
  fmt::print("{}: {} pictures of each of {} cameras, truth.jsonl and boxes.jsonl\n",
             folder.string(), options.frames, sources.size());
  return 0;
}

}  // namespace

void add_sim(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("sim", "pictures of a simulated match, and the truth about them");
  auto options = std::make_shared<SimOptions>();
  verb->add_option("--rig", options->rig, "rig file (TOML)");
  verb->add_option("-o,--output", options->output, "folder for the pictures and truth.jsonl")
      ->required();
  verb->add_option("--seed", options->seed, "of the match: the same seed is the same match");
  verb->add_option("--frames", options->frames, "pictures of each camera")
      ->check(CLI::Range(1, 10'000'000));
  verb->add_option("--start", options->start_s, "seconds into the match")
      ->check(CLI::Range(0.0, 7200.0));
  verb->add_option("--every", options->every_s, "seconds from picture to picture")
      ->check(CLI::Range(1.0 / 240, 1.0));
  verb->add_flag("--random-look", options->random_look, "light, weather and kits from the seed");
  verb->add_flag(
      "--raw", options->raw,
      "pictures.nv12 instead of PNG files; of cameras of one size, BT.709, limited range");
  verb->add_option(
          "--training", options->training,
          "instead: so many pictures of any scene, raw, for training and testing detectors")
      ->check(CLI::Range(1, 10'000'000));
  verb->add_option("--size", options->size, "of training pictures, pixels, a multiple of 16")
      ->check(CLI::Range(64, 4096));
  verb->callback([options, &status] { status = simulate(*options); });
}

}  // namespace gantry
