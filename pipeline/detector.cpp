// Tiles to tensor, tensor through the network, boxes to detections.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/detector.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

const PlanTensor& input_of(const PlanRunner& network, const std::string& name) {
  const auto& inputs = network.inputs();
  if (inputs.size() != 1 || inputs[0].shape.size() != 4 || inputs[0].shape[1] != 3 ||
      *std::ranges::min_element(inputs[0].shape) < 1)
    throw std::runtime_error(fmt::format(
        "{}: a detector has one input of shape [batch, 3, height, width]; this one has {}{}", name,
        inputs.size(),
        inputs.empty() ? "" : fmt::format(", the first {}", shape_text(inputs[0].shape))));
  return inputs[0];
}

int edge(const PlanRunner& network, const std::string& name, std::size_t dimension) {
  const std::int64_t size = input_of(network, name).shape[dimension];
  if (size > 16384)
    throw std::runtime_error(fmt::format("{}: input of {} pixels; at most 16384", name, size));
  return static_cast<int>(size);
}

std::vector<std::int64_t> dense_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

std::vector<HeadTensor> heads_of(const PlanRunner& network, std::int64_t batch,
                                 const std::string& name) {
  std::vector<HeadTensor> heads;
  for (const PlanTensor& t : network.outputs()) {
    if (t.shape.empty() || t.shape[0] != batch)
      throw std::runtime_error(
          fmt::format("{}: output {} has shape {}; its first dimension must be "
                      "the batch, {}",
                      name, t.name, shape_text(t.shape), batch));
    if (t.element != Plan::Element::f32 || t.strides != dense_strides(t.shape))
      throw std::runtime_error(fmt::format("{}: output {} is not dense fp32", name, t.name));
    heads.push_back({t.name, t.shape});
  }
  return heads;
}

// What the usual exports were trained on.
TileInput usual_input(Head head, TileLayout layout) {
  TileInput input = head == Head::yolox         ? TileInput::raw_bgr()
                    : head == Head::footandball ? TileInput::imagenet()
                                                : TileInput::unit();
  if (layout == TileLayout::reference) input.pad = 0;  // as the replaced system
  return input;
}

std::array<float, kObjectClasses> confidences(const LimitsPerClass& limits) {
  std::array<float, kObjectClasses> least{};
  for (std::size_t i = 0; i < least.size(); ++i) least[i] = limits[i].confidence;
  return least;
}

}  // namespace

Detector::Detector(gpu::Device& device, const Plan& plan, const DetectorConfig& config,
                   const PanoramaGeometry& geometry, const Nv12Layout& layout, ColourMatrix matrix,
                   ColourRange range)
    : queue_(device.make_queue()),
      network_(device, plan, queue_),
      mask_(config.mask.empty() ? FieldMask() : FieldMask(config.mask, geometry)),
      tiles_(plan_tiles(geometry, edge(network_, plan.name(), 3), edge(network_, plan.name(), 2),
                        config.tiles, mask_, config.ground)),
      batch_(static_cast<std::size_t>(network_.inputs()[0].shape[0])),
      schedule_(tiles_, geometry, config.schedule, batch_),
      all_(tiles_.tiles.size()),
      filter_(tiles_, geometry, config.limits, mask_),
      merge_(geometry.width, config.merge),
      boxes_(std::make_unique<NetworkBoxes>()),
      candidates_(tiles_.tiles.size() * NetworkBoxes::kCapacity) {
  if (layout.width != geometry.width || layout.height != geometry.height)
    throw std::invalid_argument(fmt::format("detector: panoramas of {}x{}, a surface of {}x{}",
                                            geometry.width, geometry.height, layout.width,
                                            layout.height));
  std::iota(all_.begin(), all_.end(), std::uint16_t{0});
  auto classes = config.classes;
  if (classes.empty()) classes = classes_from_names(plan.metadata("names"));
  const auto heads = heads_of(network_, static_cast<std::int64_t>(batch_), plan.name());
  decoder_.emplace(config.head, heads, tiles_.network_width, tiles_.network_height, classes,
                   confidences(config.limits));
  stage_.emplace(device, tiles_,
                 config.input ? *config.input : usual_input(head(), config.tiles.layout), layout,
                 matrix, range, network_.inputs()[0]);
  const PlanTensor& output = network_.outputs()[decoder_->output()];
  if (!device.info().host_memory && CandidateSelect::can(*decoder_, output))
    select_.emplace(device, *decoder_, output);
  for (const PlanTensor& t : network_.outputs())
    outputs_.push_back(reinterpret_cast<const float*>(t.memory.host));
}

Status Detector::analyse(const PanoramaFrame& panorama, Detections& out) noexcept {
  out.capture_ns = panorama.capture_ns;
  out.panorama = panorama.number;
  const auto tiles = schedule_.choose(panorama.capture_ns);
  const Status s = look_at(tiles, *panorama.surface, {panorama.ready()}, out);
  if (s == Status::ok) schedule_.observe(out);
  return s;
}

Status Detector::analyse(const Surface& surface, const cl::Event& ready, Detections& out) noexcept {
  return look_at(all_, surface, {ready()}, out);
}

Status Detector::rehearse(const PanoramaFrame& panorama) {
  const auto found = std::make_unique<Detections>();
  const auto first = std::span(all_).first(std::min<std::size_t>(1, all_.size()));
  return look_at(first, *panorama.surface, {panorama.ready()}, *found);
}

Status Detector::look_at(std::span<const std::uint16_t> tiles, const Surface& surface,
                         const gpu::Wait& ready, Detections& out) noexcept {
  out.count = out.overflowed = out.area_count = 0;
  count_ = overflowed_ = 0;
  looked_at_ = tiles;
  if (Status s = stage_->choose(queue_, tiles); s != Status::ok) return s;
  for (std::size_t first = 0; first < tiles.size(); first += batch_) {
    // The outputs of a chunk are overwritten by the next one, so they are read before it starts.
    if (Status s = run_chunk(surface, first, ready); s != Status::ok) return s;
    if (Status s = decode_chunk(first); s != Status::ok) return s;
  }
  finish(out);
  for (const auto tile : tiles) out.areas[out.area_count++] = schedule_.share(tile);
  return Status::ok;
}

Status Detector::run_chunk(const Surface& surface, std::size_t first,
                           const gpu::Wait& ready) noexcept {
  const auto count = static_cast<int>(std::min(batch_, looked_at_.size() - first));
  cl::Event cut, done;
  Status s =
      stage_->cut(queue_, surface.memory.buffer, static_cast<int>(first), count, ready, &cut);
  if (s == Status::ok) s = network_.compute({cut()}, nullptr);
  if (s == Status::ok) s = select_ ? select_->select(queue_, {}, &done) : network_.fetch({}, &done);
  if (s == Status::ok) s = gpu::flush(queue_);
  if (s == Status::ok) s = gpu::wait(done);
  return s;
}

Status Detector::wait_for_outputs() noexcept {
  cl::Event done;
  Status s = network_.fetch({}, &done);
  if (s == Status::ok) s = gpu::flush(queue_);
  if (s == Status::ok) s = gpu::wait(done);
  return s;
}

Status Detector::decode_chunk(std::size_t first) noexcept {
  const std::size_t end = std::min(first + batch_, looked_at_.size());
  for (std::size_t i = first; i < end; ++i) {
    boxes_->clear();
    const auto element = static_cast<int>(i - first);
    const bool selected = select_ && !select_->overflowed(element);
    if (selected) {
      select_->decode(element, *boxes_);
    } else {
      if (select_)
        if (Status s = wait_for_outputs(); s != Status::ok) return s;
      decoder_->decode_wanted(outputs_, element, *boxes_);
    }
    overflowed_ += boxes_->overflowed();
    const std::size_t before = count_;
    for (const NetworkBox& box : boxes_->view())
      if (filter_.candidate(box, looked_at_[i], candidates_[count_])) ++count_;
    if (!selected)
      count_ = before + merge_.thin({candidates_.data() + before, count_ - before},
                                    [this, element](const Candidate& c) {
                                      return !decoder_->outranked(outputs_, element, c.anchor);
                                    });
  }
  return Status::ok;
}

void Detector::finish(Detections& out) noexcept {
  const auto merged = merge_.merge({candidates_.data(), count_});
  out.overflowed = static_cast<std::uint32_t>(overflowed_) + merged.overflowed;
  Detection d;
  for (const Candidate& c : merged.kept)
    if (filter_.detection(c, d)) out.add(d);
}

DetectorTraffic Detector::traffic() const {
  DetectorTraffic t;
  for (const auto tile : looked_at_) t.tiles_read += stage_->bytes_read(tile);
  t.tensor_written = stage_->bytes_written() * looked_at_.size();
  const std::size_t chunks = (looked_at_.size() + batch_ - 1) / batch_;
  t.outputs_read = select_ ? select_->bytes() * chunks : decoder_->bytes() * looked_at_.size();
  return t;
}

Detections detect_in_picture(gpu::Device& device, const Plan& plan, const DetectorConfig& config,
                             const Surface& picture, ColourMatrix matrix, ColourRange range) {
  const PanoramaGeometry geometry{picture.layout.width, picture.layout.height, -1, 1, 0.5, -0.5};
  DetectorConfig unmasked = config;
  unmasked.mask.clear();
  Detector detector(device, plan, unmasked, geometry, picture.layout, matrix, range);
  auto out = std::make_unique<Detections>();
  if (detector.analyse(picture, {}, *out) != Status::ok)
    throw std::runtime_error(
        fmt::format("{}: {} failed while it ran the network", plan.name(), device.info().name));
  return *out;
}

}  // namespace gantry
