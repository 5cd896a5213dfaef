// Reads scores first, boxes only where a score is high enough.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/head_decoder.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace gantry {
namespace {

constexpr std::array<std::size_t, 3> kStrides{8, 16, 32};
constexpr int kPlayerCell = 16, kBallCell = 4;         // FootAndBall: network pixels per map cell
constexpr float kUnitWidth = 1280, kUnitHeight = 720;  // FootAndBall: of the crops it learnt from
constexpr float kBallBox = 40;  // FootAndBall's ball head gives no size; its labels were 40 px wide

bool stronger(const NetworkBox& a, const NetworkBox& b) {
  return std::tuple(-a.confidence, a.x, a.y, a.width, a.height, a.object) <
         std::tuple(-b.confidence, b.x, b.y, b.width, b.height, b.object);
}

bool sound(const NetworkBox& b) {
  return std::isfinite(b.x) && std::isfinite(b.y) && std::isfinite(b.width) &&
         std::isfinite(b.height) && b.width > 0 && b.height > 0;
}

// The highest of a 3x3 neighbourhood; of equal ones the first in reading order. Scores lie `step`
// apart.
bool is_peak(const float* scores, int step, int columns, int rows, int x, int y) {
  const float v = scores[(y * columns + x) * step];
  for (int j = std::max(y - 1, 0); j <= std::min(y + 1, rows - 1); ++j)
    for (int i = std::max(x - 1, 0); i <= std::min(x + 1, columns - 1); ++i) {
      const float other = scores[(j * columns + i) * step];
      const bool earlier = j < y || (j == y && i < x);
      if (other > v || (earlier && other == v)) return false;
    }
  return true;
}

}  // namespace

void NetworkBoxes::add(const NetworkBox& box) noexcept {
  if (!sound(box)) return;
  if (count_ < kCapacity) {
    items_[count_++] = box;
    if (count_ == kCapacity) std::make_heap(items_.begin(), items_.end(), stronger);
    return;
  }
  ++overflowed_;
  if (!stronger(box, items_.front())) return;  // the heap's front is the weakest
  std::pop_heap(items_.begin(), items_.end(), stronger);
  items_.back() = box;
  std::push_heap(items_.begin(), items_.end(), stronger);
}

void HeadDecoder::decode(std::span<const float* const> outputs, int batch_element,
                         NetworkBoxes& boxes) const noexcept {
  decode(outputs, batch_element, Rivals::compared, boxes);
}

void HeadDecoder::decode_wanted(std::span<const float* const> outputs, int batch_element,
                                NetworkBoxes& boxes) const noexcept {
  decode(outputs, batch_element, Rivals::left, boxes);
}

bool HeadDecoder::outranked(std::span<const float* const> outputs, int batch_element,
                            std::uint32_t anchor) const noexcept {
  return head_ == Head::yolov8 &&
         wanted_of_class_[best_class(anchors_of(outputs, batch_element), anchor, 4)] < 0;
}

HeadDecoder::Anchors HeadDecoder::anchors_of(std::span<const float* const> outputs,
                                             int batch_element) const noexcept {
  const float* data =
      outputs[output_] + static_cast<std::size_t>(batch_element) * anchors_ * channels_;
  return channels_first_ ? Anchors{data, 1, anchors_} : Anchors{data, channels_, 1};
}

void HeadDecoder::decode(std::span<const float* const> outputs, int batch_element, Rivals rivals,
                         NetworkBoxes& boxes) const noexcept {
  const auto b = static_cast<std::size_t>(batch_element);
  if (head_ == Head::footandball) {
    const std::size_t columns = width_ / kPlayerCell, rows = height_ / kPlayerCell;
    const std::size_t fine_columns = width_ / kBallCell, fine_rows = height_ / kBallCell;
    decode_map(outputs[player_score_] + b * columns * rows * 2,
               outputs[player_box_] + b * columns * rows * 4, static_cast<int>(columns),
               static_cast<int>(rows), 1, boxes);
    decode_map(outputs[ball_score_] + b * fine_columns * fine_rows * 2, nullptr,
               static_cast<int>(fine_columns), static_cast<int>(fine_rows), 0, boxes);
    return;
  }
  if (head_ == Head::centre_maps) return decode_centres(outputs, b, boxes);
  const Anchors values = anchors_of(outputs, batch_element);
  if (head_ == Head::yolov8) decode_scores(values, rivals, boxes);
  if (head_ == Head::yolov5 || head_ == Head::yolox) decode_objectness(values, boxes);
  if (head_ == Head::end_to_end) decode_end_to_end(values, boxes);
}

void HeadDecoder::decode_scores(const Anchors& values, Rivals rivals,
                                NetworkBoxes& boxes) const noexcept {
  // Only the wanted classes' rows are read, in blocks that compilers turn into vector compares;
  // the other classes are looked at where one of them is high.
  constexpr std::size_t kBlock = 64;
  std::array<std::uint32_t, kTogether> found;
  std::size_t found_count = 0;
  for (std::size_t begin = 0; begin < anchors_; begin += kBlock) {
    const std::size_t count = std::min(kBlock, anchors_ - begin);
    std::array<std::uint32_t, kBlock> hit{};
    std::uint32_t any = 0;
    for (const Wanted& w : wanted_) {
      const float* row =
          &values.data[begin * values.anchor_stride + (4 + w.network) * values.channel_stride];
      const float least = w.confidence;
      if (values.anchor_stride == 1)
        for (std::size_t i = 0; i < count; ++i) any |= hit[i] |= row[i] >= least;
      else
        for (std::size_t i = 0; i < count; ++i)
          any |= hit[i] |= row[i * values.anchor_stride] >= least;
    }
    if (!any) continue;
    if (found_count + count > kTogether) {
      // So many that what is outranked could drive out what is not.
      rivals = Rivals::compared;
      add_best_of(values, std::span(found).first(found_count), boxes);
      found_count = 0;
    }
    for (std::size_t i = 0; i < count; ++i) {  // no branch: hits follow no pattern
      found[found_count] = static_cast<std::uint32_t>(begin + i);
      found_count += hit[i];
    }
  }
  const auto rest = std::span(found).first(found_count);
  if (rivals == Rivals::left)
    add_wanted(values, rest, boxes);
  else
    add_best_of(values, rest, boxes);
}

void HeadDecoder::add_wanted(const Anchors& values, std::span<const std::uint32_t> anchors,
                             NetworkBoxes& boxes) const noexcept {
  for (const std::uint32_t anchor : anchors) {
    std::size_t best = wanted_[0].network;
    float score = values.at(anchor, 4 + best);
    for (const Wanted& w : wanted_)
      if (const float v = values.at(anchor, 4 + w.network);
          v > score || (v == score && w.network < best))
        score = v, best = w.network;
    add_class(values, anchor, best, score, boxes);
  }
}

// Class by class: anchors that are neighbours lie in one cache line, the classes of an anchor in
// pages far apart, which is why later rows are asked for ahead.
void HeadDecoder::add_best_of(const Anchors& values, std::span<const std::uint32_t> anchors,
                              NetworkBoxes& boxes) const noexcept {
  constexpr std::uint32_t kAhead = 8;
  std::array<float, kTogether> score;
  std::array<std::uint32_t, kTogether> best{};
  const auto classes = static_cast<std::uint32_t>(classes_);
  for (std::size_t i = 0; i < anchors.size(); ++i) score[i] = values.at(anchors[i], 4);
  for (std::uint32_t c = 1; c < classes; ++c) {
    const float* row = values.data + (4 + c) * values.channel_stride;
    const float* later =
        values.data + (4 + std::min(c + kAhead, classes - 1)) * values.channel_stride;
    for (std::size_t i = 0; i < anchors.size(); ++i) {
      const std::size_t at = anchors[i] * values.anchor_stride;
      __builtin_prefetch(later + at);
      if (row[at] > score[i]) score[i] = row[at], best[i] = c;
    }
  }
  for (std::size_t i = 0; i < anchors.size(); ++i)
    add_class(values, anchors[i], best[i], score[i], boxes);
}

void HeadDecoder::decode_objectness(const Anchors& values, NetworkBoxes& boxes) const noexcept {
  for (std::size_t a = 0; a < anchors_; ++a)
    if (const float objectness = values.at(a, 4); objectness >= least_confidence_)
      add_best(values, a, objectness, boxes);
}

void HeadDecoder::add_best(const Anchors& values, std::size_t anchor, float objectness,
                           NetworkBoxes& boxes) const noexcept {
  const std::size_t best = best_class(values, anchor, 5);
  add_class(values, anchor, best, objectness * values.at(anchor, 5 + best), boxes);
}

std::size_t HeadDecoder::best_class(const Anchors& values, std::size_t anchor,
                                    std::size_t first) const noexcept {
  std::size_t best = 0;
  for (std::size_t c = 1; c < static_cast<std::size_t>(classes_); ++c)
    if (values.at(anchor, first + c) > values.at(anchor, first + best)) best = c;
  return best;
}

void HeadDecoder::add_class(const Anchors& values, std::size_t anchor, std::size_t network_class,
                            float confidence, NetworkBoxes& boxes) const noexcept {
  if (wanted_of_class_[network_class] < 0) return;
  const Wanted& w = wanted_[static_cast<std::size_t>(wanted_of_class_[network_class])];
  if (!(confidence >= w.confidence)) return;
  const NetworkBox box{values.at(anchor, 0),
                       values.at(anchor, 1),
                       values.at(anchor, 2),
                       values.at(anchor, 3),
                       std::min(confidence, 1.0f),
                       w.object,
                       static_cast<std::uint32_t>(anchor)};
  boxes.add(head_ == Head::yolox ? ungrid(box, anchor) : box);
}

// Grids follow each other by stride, row by row.
NetworkBox HeadDecoder::ungrid(NetworkBox box, std::size_t anchor) const noexcept {
  for (const std::size_t stride : kStrides) {
    const std::size_t columns = width_ / stride, cells = columns * (height_ / stride);
    if (anchor >= cells) {
      anchor -= cells;
      continue;
    }
    const auto s = static_cast<float>(stride);
    const std::size_t column = anchor % columns, row = anchor / columns;
    box.x = (box.x + static_cast<float>(column)) * s;
    box.y = (box.y + static_cast<float>(row)) * s;
    box.width = std::exp(box.width) * s;
    box.height = std::exp(box.height) * s;
    break;
  }
  return box;
}

void HeadDecoder::decode_end_to_end(const Anchors& values, NetworkBoxes& boxes) const noexcept {
  for (std::size_t a = 0; a < anchors_; ++a) {
    const float confidence = values.at(a, 4), index = values.at(a, 5);
    if (!(confidence >= least_confidence_) || !(index >= 0) ||
        !(index < static_cast<float>(wanted_of_class_.size())))
      continue;
    const int mapping = wanted_of_class_[static_cast<std::size_t>(index)];
    if (mapping < 0 || confidence < wanted_[static_cast<std::size_t>(mapping)].confidence) continue;
    const float left = values.at(a, 0), top = values.at(a, 1);
    const float right = values.at(a, 2), bottom = values.at(a, 3);
    boxes.add({(left + right) / 2, (top + bottom) / 2, right - left, bottom - top,
               std::min(confidence, 1.0f), wanted_[static_cast<std::size_t>(mapping)].object});
  }
}

// FootAndBall (Komorowski et al., 2020): a peak's box is its cell's centre plus an offset. Offsets
// and sizes are shares of the picture that it was trained on: a convolution does not know how large
// the one before it is.
void HeadDecoder::decode_map(const float* scores, const float* offsets, int columns, int rows,
                             std::size_t mapping, NetworkBoxes& boxes) const noexcept {
  if (wanted_of_class_[mapping] < 0) return;
  const Wanted& w = wanted_[static_cast<std::size_t>(wanted_of_class_[mapping])];
  const float cell = static_cast<float>(width_) / static_cast<float>(columns);
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < columns; ++x) {
      const int i = y * columns + x;
      const float score = scores[i * 2 + 1];
      if (!(score >= w.confidence) || !is_peak(scores + 1, 2, columns, rows, x, y)) continue;
      NetworkBox box{(static_cast<float>(x) + 0.5f) * cell,
                     (static_cast<float>(y) + 0.5f) * cell,
                     kBallBox,
                     kBallBox,
                     std::min(score, 1.0f),
                     w.object};
      if (offsets) {
        const float* o = offsets + static_cast<std::ptrdiff_t>(i) * 4;
        box.x += o[0] * kUnitWidth;
        box.y += o[1] * kUnitHeight;
        box.width = o[2] * kUnitWidth;
        box.height = o[3] * kUnitHeight;
      }
      boxes.add(box);
    }
}

// Cells are looked at in rows: few are high enough, and whether any is is a vector compare.
void HeadDecoder::decode_centres(std::span<const float* const> outputs, std::size_t b,
                                 NetworkBoxes& boxes) const noexcept {
  for (const Wanted& w : wanted_) {
    const CentreMap& m = centre_maps_[w.network];
    const std::size_t cells = static_cast<std::size_t>(m.columns) * m.rows;
    const float* scores = outputs[2 * w.network] + b * cells;
    const float* box = outputs[2 * w.network + 1] + b * cells * 4;
    for (int y = 0; y < m.rows; ++y) {
      const float* row = scores + static_cast<std::ptrdiff_t>(y) * m.columns;
      unsigned any = 0;
      for (int x = 0; x < m.columns; ++x) any |= row[x] >= w.confidence;
      for (int x = 0; any && x < m.columns; ++x) {
        if (!(row[x] >= w.confidence) || !is_peak(scores, 1, m.columns, m.rows, x, y)) continue;
        const float* at = box + static_cast<std::ptrdiff_t>(y) * m.columns + x;
        boxes.add({(static_cast<float>(x) + 0.5f + at[0]) * m.cell,
                   (static_cast<float>(y) + 0.5f + at[cells]) * m.cell,
                   std::exp(at[2 * cells]) * m.cell, std::exp(at[3 * cells]) * m.cell,
                   std::min(row[x], 1.0f), w.object});
      }
    }
  }
}

}  // namespace gantry
