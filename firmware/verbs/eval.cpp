// gantry eval: how well a network finds balls and persons in pictures whose truth is known.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "firmware/boxes_file.hpp"
#include "firmware/config.hpp"
#include "firmware/evaluation.hpp"
#include "firmware/media.hpp"
#include "firmware/verbs/verbs.hpp"
#include "pipeline/detector.hpp"

namespace gantry {
namespace {

constexpr float kLeastConfidence = 0.05f;  // of what the average precision looks at

struct DetectorEvalOptions {
  std::string plan, truth, worst;
  EvaluationLimits limits;
  double scale = 1;
};

Picture read_raw(const PictureTruth& t) {
  Picture p{nv12_layout(t.width, t.height), {}};
  p.bytes.resize(p.layout.bytes());
  std::ifstream in(t.picture, std::ios::binary);
  in.seekg(t.index * static_cast<std::int64_t>(p.layout.picture_bytes()));
  for (int y = 0; y < t.height * 3 / 2; ++y)
    in.read(
        reinterpret_cast<char*>(p.bytes.data()) + static_cast<std::ptrdiff_t>(y) * p.layout.pitch,
        t.width);
  if (!in)
    throw std::runtime_error(fmt::format("{}: no picture {} of {}x{} in it", t.picture.string(),
                                         t.index, t.width, t.height));
  return p;
}

// The worst mistakes of each kind as one picture: a row of squares cut around them, per kind two.
class WorstCases {
 public:
  void add(const Mistake& m, const Picture& picture) {
    auto& list = worst_[m.kind];
    if (list.size() == kKept && m.weight <= list.back().weight) return;
    list.push_back({m.weight, cut(m, picture)});
    std::ranges::stable_sort(list, std::greater(), &Cell::weight);
    if (list.size() > kKept) list.pop_back();
  }

  void save(const std::filesystem::path& file) const {
    const Nv12Layout layout = nv12_layout(kColumns * kSide, 6 * kSide);
    std::vector<std::byte> out(layout.bytes(), std::byte{128});
    for (const auto& [kind, list] : worst_)
      for (std::size_t i = 0; i < list.size(); ++i) {
        const auto at = static_cast<int>(i);
        const int left = at % kColumns * kSide,
                  top = (static_cast<int>(kind) * 2 + at / kColumns) * kSide;
        for (int y = 0; y < kSide * 3 / 2; ++y) {
          const int row = y < kSide ? top + y : layout.height + top / 2 + y - kSide;
          std::memcpy(&out[static_cast<std::size_t>(row) * layout.pitch + left],
                      &list[i].bytes[static_cast<std::size_t>(y) * kSide], kSide);
        }
      }
    media::save_png(file, layout, out.data(), ColourMatrix::bt709, ColourRange::limited);
  }

 private:
  static constexpr int kSide = 96, kColumns = 10;
  static constexpr std::size_t kKept = 2 * kColumns;
  struct Cell {
    double weight = 0;
    std::vector<std::byte> bytes;  // NV12, kSide wide
  };

  static std::vector<std::byte> cut(const Mistake& m, const Picture& p) {
    std::vector<std::byte> bytes(kSide * kSide * 3 / 2, std::byte{128});
    const int left = (static_cast<int>(m.x) - kSide / 2) & ~1,
              top = (static_cast<int>(m.y) - kSide / 2) & ~1;
    for (int y = 0; y < kSide * 3 / 2; ++y)
      for (int x = 0; x < kSide; ++x) {
        const int px = left + x, py = y < kSide ? top + y : top / 2 + y - kSide;
        const int rows = y < kSide ? p.layout.height : p.layout.height / 2;
        if (px < 0 || py < 0 || px >= p.layout.width || py >= rows) continue;
        const int row = y < kSide ? py : p.layout.height + py;
        bytes[static_cast<std::size_t>(y) * kSide + x] =
            p.bytes[static_cast<std::size_t>(row) * p.layout.pitch + px];
      }
    return bytes;
  }

  std::map<Mistake::Kind, std::vector<Cell>> worst_;
};

// A detector for pictures of one size.
struct Looker {
  std::unique_ptr<SurfacePool> surfaces;
  Detector detector;

  Looker(gpu::Device& device, const Plan& plan, const DetectorConfig& config,
         const Nv12Layout& layout)
      : surfaces(make_surface_pool(device, layout, 1, gpu::Access::upload)),
        detector(device, plan, config, {layout.width, layout.height, -1, 1, 0.5, -0.5}, layout,
                 ColourMatrix::bt709, ColourRange::limited) {}

  void look(const cl::CommandQueue& queue, const Picture& picture, Detections& out) {
    const Surface& surface = surfaces->slot(0);
    std::memcpy(surface.memory.host, picture.bytes.data(), picture.bytes.size());
    cl::Event ready;
    gpu::upload(queue, surface.memory, surface.memory.bytes, {}, &ready);
    queue.finish();
    if (detector.analyse(surface, ready, out) != Status::ok)
      throw std::runtime_error("the device failed while it ran the network");
  }
};

int evaluate_detector(const DetectorEvalOptions& options) {
  const auto pictures = read_boxes(options.truth);
  const Plan plan = Plan::load(options.plan);
  gpu::Device device({}, default_program_cache());
  const auto queue = device.make_queue();
  DetectorConfig config;
  config.tiles.layout = TileLayout::spread;
  config.tiles.scale = options.scale;
  config.limits = {};
  for (auto& limits : config.limits) limits.confidence = kLeastConfidence;
  Evaluation evaluation(options.limits);
  WorstCases worst;
  std::optional<Looker> looker;
  Nv12Layout size;
  const auto found = std::make_unique<Detections>();
  for (const PictureTruth& truth : pictures) {
    const Picture picture = truth.index >= 0
                                ? read_raw(truth)
                                : media::load_picture(truth.picture, ColourMatrix::bt709,
                                                      ColourRange::limited, OddSize::crop);
    const Nv12Layout& layout = picture.layout;
    if (!looker || layout.width != size.width || layout.height != size.height) {
      looker.reset();
      looker.emplace(device, plan, config, layout);
      size = layout;
    }
    looker->look(queue, picture, *found);
    for (const Mistake& m :
         evaluation.add(truth.objects, found->view(), layout.width, layout.height))
      worst.add(m, picture);
  }
  fmt::print("{}", evaluation.text());
  if (!options.worst.empty()) worst.save(options.worst);
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("eval", "how well a network finds balls and persons");
  auto options = std::make_shared<DetectorEvalOptions>();
  verb->add_option("--plan", options->plan, "the network, compiled by gantry compile")->required();
  verb->add_option("--truth", options->truth, "folder with boxes.jsonl, as gantry sim writes it")
      ->required();
  verb->add_option("--worst", options->worst,
                   "PNG of the worst: missed balls, false balls, missed persons, two rows each");
  verb->add_option("--ball-confidence", options->limits.ball_confidence, "from which a ball counts")
      ->check(CLI::Range(0.05, 1.0));
  verb->add_option("--person-confidence", options->limits.person_confidence,
                   "from which a person counts")
      ->check(CLI::Range(0.05, 1.0));
  verb->add_option("--scale", options->scale, "network pixels per picture pixel")
      ->check(CLI::Range(0.0625, 16.0));
  verb->callback([options, &status] { status = evaluate_detector(*options); });
}

}  // namespace gantry
