// Which head a network has, from its output shapes, and which of its classes matter.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "pipeline/head_decoder.hpp"

namespace gantry {
namespace {

constexpr std::array<std::pair<std::string_view, Head>, 7> kNames{
    {{"auto", Head::automatic},
     {"yolov8", Head::yolov8},
     {"yolov5", Head::yolov5},
     {"yolox", Head::yolox},
     {"end_to_end", Head::end_to_end},
     {"footandball", Head::footandball},
     {"centre_maps", Head::centre_maps}}};

std::string describe(std::span<const HeadTensor> outputs) {
  std::string s;
  for (const HeadTensor& o : outputs)
    s += fmt::format("{}{} {}", s.empty() ? "" : ", ", o.name, shape_text(o.shape));
  return s.empty() ? "none" : s;
}

[[noreturn]] void refuse(std::span<const HeadTensor> outputs, const std::string& why) {
  throw std::invalid_argument(
      fmt::format("detector head: the network's outputs are {}: {}", describe(outputs), why));
}

// Cells of the grids of stride 8, 16 and 32.
std::int64_t grid_cells(std::int64_t width, std::int64_t height) {
  std::int64_t n = 0;
  for (const int stride : {8, 16, 32}) n += (width / stride) * (height / stride);
  return n;
}

bool is_map(const HeadTensor& t, int width, int height, int cell, int channels) {
  return t.shape.size() == 4 && t.shape[1] == height / cell && t.shape[2] == width / cell &&
         t.shape[3] == channels;
}

}  // namespace

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string s;
  for (const std::int64_t size : shape) s += (s.empty() ? "" : "x") + std::to_string(size);
  return s;
}

Head parse_head(std::string_view name) {
  for (const auto& [known, head] : kNames)
    if (known == name) return head;
  std::string all;
  for (const auto& [known, head] : kNames)
    all += fmt::format("{}{}", all.empty() ? "" : ", ", known);
  throw std::invalid_argument(fmt::format("detector head '{}' is unknown; known: {}", name, all));
}

std::string_view name_of(Head head) {
  for (const auto& [name, known] : kNames)
    if (known == head) return name;
  return "unknown";
}

std::vector<ClassMapping> classes_from_names(std::string_view names) {
  std::vector<ClassMapping> classes;
  std::size_t at = 0;
  while ((at = names.find_first_of("0123456789", at)) != std::string_view::npos) {
    int index = 0;
    for (; at < names.size() && names[at] >= '0' && names[at] <= '9' && index < 100'000; ++at)
      index = index * 10 + (names[at] - '0');
    const std::size_t open = names.find_first_of("'\"", at);
    if (open == std::string_view::npos) break;
    const std::size_t close = names.find(names[open], open + 1);
    if (close == std::string_view::npos) break;
    const std::string_view name = names.substr(open + 1, close - open - 1);
    if (name.ends_with("ball"))
      classes.push_back({index, ObjectClass::ball});
    else if (name == "person" || name == "player" || name == "goalkeeper")
      classes.push_back({index, ObjectClass::person});
    else if (name.find("referee") != std::string_view::npos)
      classes.push_back({index, ObjectClass::referee});
    at = close + 1;
  }
  return classes;
}

HeadDecoder::HeadDecoder(Head head, std::span<const HeadTensor> outputs, int network_width,
                         int network_height, std::span<const ClassMapping> classes,
                         const std::array<float, kObjectClasses>& confidence)
    : head_(head), width_(network_width), height_(network_height) {
  if (head_ == Head::automatic) choose(outputs);
  if (head_ == Head::footandball)
    use_maps(outputs);
  else if (head_ == Head::centre_maps)
    use_centre_maps(outputs);
  else
    use_anchors(outputs);
  map_classes(classes, confidence);
}

void HeadDecoder::choose(std::span<const HeadTensor> outputs) {
  if (outputs.size() == 3 &&
      std::ranges::all_of(outputs, [](const HeadTensor& t) { return t.shape.size() == 4; })) {
    head_ = Head::footandball;
    return;
  }
  if (outputs.size() >= 2 && outputs.size() % 2 == 0 && outputs[0].shape.size() == 4) {
    head_ = Head::centre_maps;
    return;
  }
  const auto fits = [](const HeadTensor& t) { return t.shape.size() == 3; };
  if (std::ranges::count_if(outputs, fits) != 1)
    refuse(outputs,
           "one of shape [batch, channels, anchors] or [batch, anchors, channels] is wanted");
  const HeadTensor& t = *std::ranges::find_if(outputs, fits);
  const std::int64_t cells = grid_cells(width_, height_);
  if (t.shape[1] < t.shape[2])
    head_ = Head::yolov8;
  else if (t.shape[1] == 3 * cells)
    head_ = Head::yolov5;
  else if (t.shape[1] == cells)
    refuse(
        outputs,
        "they fit \"yolox\" (raw grids), \"yolov5\" (decoded boxes with objectness) and \"yolov8\" "
        "(transposed): say which by the key head");
  else if (t.shape[2] == 6)
    head_ = Head::end_to_end;
  else
    refuse(outputs, "they fit no known head; set the key head if you know better");
}

void HeadDecoder::use_anchors(std::span<const HeadTensor> outputs) {
  const auto found =
      std::ranges::find_if(outputs, [](const HeadTensor& t) { return t.shape.size() == 3; });
  if (found == outputs.end())
    refuse(outputs, fmt::format("head \"{}\" needs one of rank 3", name_of(head_)));
  output_ = static_cast<std::size_t>(found - outputs.begin());
  channels_first_ = head_ == Head::yolov8 && found->shape[1] < found->shape[2];
  anchors_ = static_cast<std::size_t>(found->shape[channels_first_ ? 2 : 1]);
  channels_ = static_cast<std::size_t>(found->shape[channels_first_ ? 1 : 2]);
  const std::size_t others = head_ == Head::yolov8 ? 4 : 5;
  if (channels_ <= others || (head_ == Head::end_to_end && channels_ != 6))
    refuse(outputs,
           fmt::format("head \"{}\" needs {} channels, not {}", name_of(head_),
                       head_ == Head::end_to_end ? "6" : fmt::format("more than {}", others),
                       channels_));
  if (head_ == Head::yolox && static_cast<std::int64_t>(anchors_) != grid_cells(width_, height_))
    refuse(outputs, fmt::format("head \"yolox\" on {}x{} has {} anchors, not {}", width_, height_,
                                grid_cells(width_, height_), anchors_));
  // An end-to-end head names its class by number: how many there are is not in the shape.
  classes_ = head_ == Head::end_to_end ? 0 : static_cast<int>(channels_ - others);
}

void HeadDecoder::use_maps(std::span<const HeadTensor> outputs) {
  const auto find = [&](int cell, int channels) {
    const auto at = std::ranges::find_if(
        outputs, [&](const HeadTensor& t) { return is_map(t, width_, height_, cell, channels); });
    if (at == outputs.end())
      refuse(outputs, fmt::format("head \"footandball\" on {}x{} needs one of Bx{}x{}x{}", width_,
                                  height_, height_ / cell, width_ / cell, channels));
    return static_cast<std::size_t>(at - outputs.begin());
  };
  player_box_ = find(16, 4);
  player_score_ = find(16, 2);
  ball_score_ = find(4, 2);
  classes_ = 2;
}

void HeadDecoder::use_centre_maps(std::span<const HeadTensor> outputs) {
  const auto fits = [](const HeadTensor& score, const HeadTensor& box) {
    return score.shape.size() == 4 && box.shape.size() == 4 && score.shape[1] == 1 &&
           box.shape[1] == 4 && score.shape[2] > 0 && score.shape[3] > 0 &&
           score.shape[2] == box.shape[2] && score.shape[3] == box.shape[3];
  };
  for (std::size_t i = 0; i + 1 < outputs.size(); i += 2) {
    const auto& shape = outputs[i].shape;
    if (!fits(outputs[i], outputs[i + 1]) || width_ % shape[3] != 0 ||
        width_ / shape[3] * shape[2] != height_)
      refuse(outputs,
             fmt::format("head \"centre_maps\" on {}x{} needs pairs of Bx1xhxw and Bx4xhxw, "
                         "whose cells are squares of whole pixels",
                         width_, height_));
    centre_maps_.push_back({static_cast<int>(shape[3]), static_cast<int>(shape[2]),
                            static_cast<float>(width_ / shape[3])});
  }
  if (centre_maps_.empty() || outputs.size() % 2 != 0)
    refuse(outputs, "head \"centre_maps\" needs two outputs per class");
  classes_ = static_cast<int>(centre_maps_.size());
}

void HeadDecoder::map_classes(std::span<const ClassMapping> classes,
                              const std::array<float, kObjectClasses>& confidence) {
  std::vector<ClassMapping> map(classes.begin(), classes.end());
  if (map.empty() && head_ == Head::footandball)
    map = {{0, ObjectClass::ball}, {1, ObjectClass::person}};
  if (map.empty() && (classes_ == 80 || head_ == Head::end_to_end))
    map = {{0, ObjectClass::person}, {32, ObjectClass::ball}};
  if (map.empty())
    throw std::invalid_argument(
        fmt::format("detector classes: the network has {} and does not name them; say by the key "
                    "classes which is "
                    "the ball, which a person",
                    classes_));
  int most = classes_;
  if (head_ == Head::end_to_end)
    for (const ClassMapping& m : map) most = std::max(most, m.network + 1);
  if (most > 100'000) throw std::invalid_argument("detector classes: a class above 99999");
  wanted_of_class_.assign(static_cast<std::size_t>(most), -1);
  for (const ClassMapping& m : map) {
    if (m.network < 0 || m.network >= most)
      throw std::invalid_argument(fmt::format(
          "detector classes: class {} is mapped; the network has 0 to {}", m.network, most - 1));
    int& slot = wanted_of_class_[static_cast<std::size_t>(m.network)];
    if (slot >= 0)
      throw std::invalid_argument(
          fmt::format("detector classes: class {} is mapped twice", m.network));
    slot = static_cast<int>(wanted_.size());
    const float least = confidence[static_cast<std::size_t>(m.object)];
    if (!(least > 0 && least <= 1))
      throw std::invalid_argument(
          fmt::format("detector confidence is {}; it must be above 0 and at most 1", least));
    wanted_.push_back({static_cast<std::size_t>(m.network), least, m.object});
    least_confidence_ = std::min(least_confidence_, least);
  }
}

std::uint64_t HeadDecoder::bytes() const {
  if (head_ == Head::footandball)
    return sizeof(float) * (static_cast<std::uint64_t>(width_ / 16) * (height_ / 16) * 6 +
                            static_cast<std::uint64_t>(width_ / 4) * (height_ / 4) * 2);
  if (head_ == Head::centre_maps) {
    std::uint64_t cells = 0;
    for (const CentreMap& m : centre_maps_) cells += static_cast<std::uint64_t>(m.columns) * m.rows;
    return sizeof(float) * cells * 5;
  }
  return sizeof(float) * anchors_ * channels_;
}

}  // namespace gantry
