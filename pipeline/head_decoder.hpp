// Turns what a detection network puts out into boxes.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/detections.hpp"

namespace gantry {

// C classes, N anchors. Boxes are centre x, centre y, width, height in network pixels unless said.
enum class Head {
  automatic,   // from the shapes of the outputs
  yolov8,      // v8, v9, v11, v12: [B, 4+C, N] or [B, N, 4+C]: box, class scores
  yolov5,      // v5, v6, v7, decoded YOLOX: [B, N, 5+C]: box, objectness, class scores
  yolox,       // [B, N, 5+C] on raw grids of stride 8, 16, 32: offset, log size, objectness, scores
  end_to_end,  // v10: [B, N, 6]: left, top, right, bottom, score, class; no merging needed
  footandball,  // maps [B, h, w, ·] at 1/16: player_bbox 4, player_conf 2; at 1/4: ball_conf 2
  // Our own (docs/network.md): two maps per class, in the order of the classes: score [B, 1, h, w]
  // and box [B, 4, h, w]: offset from the middle of the cell, logarithm of the size, both in cells.
  centre_maps,
};
// "auto", "yolov8", "yolov5", "yolox", "end_to_end", "footandball", "centre_maps". Throws std::invalid_argument.
Head parse_head(std::string_view name);
std::string_view name_of(Head head);

struct HeadTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

// "1x84x8400", for messages.
std::string shape_text(std::span<const std::int64_t> shape);

// A class of the network and what it is to us. Classes that are not mapped compete for the highest
// score, but are not reported.
struct ClassMapping {
  int network = 0;
  ObjectClass object = ObjectClass::other;
};
// From the metadata of an export, `{0: 'person', 1: 'sports ball'}`: names that end in "ball" are
// balls; person, player and goalkeeper are persons; names with "referee" are referees. No others.
std::vector<ClassMapping> classes_from_names(std::string_view names);

// Network pixels, from the input's top left edge.
struct NetworkBox {
  float x = 0, y = 0, width = 0, height = 0;  // centre and size
  float confidence = 0;
  ObjectClass object = ObjectClass::other;
  std::uint32_t anchor = 0;  // of a head of rank 3
};

// The best boxes of one tile. When it is full the weakest makes room, so that the outcome does not
// depend on the order.
class NetworkBoxes {
 public:
  static constexpr std::size_t kCapacity = 1024;
  void clear() { count_ = overflowed_ = 0; }
  void add(const NetworkBox& box) noexcept;
  std::span<const NetworkBox> view() const { return {items_.data(), count_}; }
  std::size_t overflowed() const { return overflowed_; }

 private:
  std::array<NetworkBox, kCapacity> items_;
  std::size_t count_ = 0, overflowed_ = 0;
};

class HeadDecoder {
 public:
  // Set-up. `classes` empty: COCO's person and sports ball where the network has 80 classes, ball
  // and player for footandball. `confidence`: the least that is reported, per ObjectClass, above 0.
  // Throws std::invalid_argument naming the outputs and what would be right: shapes that do not fit
  // the head or fit several, a mapped class that the network does not have.
  HeadDecoder(Head head, std::span<const HeadTensor> outputs, int network_width, int network_height,
              std::span<const ClassMapping> classes,
              const std::array<float, kObjectClasses>& confidence);

  // A class that is reported: its number in the network and the least confidence.
  struct Wanted {
    std::size_t network = 0;
    float confidence = 0;
    ObjectClass object = ObjectClass::other;
  };
  Head head() const { return head_; }
  const std::vector<Wanted>& wanted() const { return wanted_; }
  // What a wanted class of the network is.
  ObjectClass object(int network_class) const {
    return wanted_[static_cast<std::size_t>(
                       wanted_of_class_[static_cast<std::size_t>(network_class)])]
        .object;
  }
  // Which of the outputs given at set-up holds the anchors.
  std::size_t output() const { return output_; }
  int classes() const { return classes_; }
  // Bytes of all outputs of one batch element.
  std::uint64_t bytes() const;
  // `outputs`: the tensors' first values, in the order given at set-up. Adds the boxes of one batch
  // element. Values that are not finite give no box. Any thread, no allocation.
  void decode(std::span<const float* const> outputs, int batch_element,
              NetworkBoxes& boxes) const noexcept;
  // The same, but scores of classes that are not wanted may be left unread: most boxes are dropped by
  // others of the same object, and the scores of an anchor lie far apart. Whoever keeps a box asks
  // outranked() first.
  void decode_wanted(std::span<const float* const> outputs, int batch_element,
                     NetworkBoxes& boxes) const noexcept;
  // Whether a class that is not wanted is the highest of the box's anchor.
  bool outranked(std::span<const float* const> outputs, int batch_element,
                 std::uint32_t anchor) const noexcept;

 private:
  enum class Rivals { compared, left };
  static constexpr std::size_t kTogether = 1024;  // anchors whose classes are compared at once
  struct Anchors {                                // where a rank 3 output keeps its values
    const float* data = nullptr;
    std::size_t anchor_stride = 1, channel_stride = 1;
    float at(std::size_t anchor, std::size_t channel) const {
      return data[anchor * anchor_stride + channel * channel_stride];
    }
  };

  void choose(std::span<const HeadTensor> outputs);
  void use_anchors(std::span<const HeadTensor> outputs);
  void use_maps(std::span<const HeadTensor> outputs);
  void map_classes(std::span<const ClassMapping> classes,
                   const std::array<float, kObjectClasses>& confidence);

  void use_centre_maps(std::span<const HeadTensor> outputs);
  Anchors anchors_of(std::span<const float* const> outputs, int batch_element) const noexcept;
  void decode(std::span<const float* const> outputs, int batch_element, Rivals rivals,
              NetworkBoxes& boxes) const noexcept;
  void decode_scores(const Anchors& values, Rivals rivals, NetworkBoxes& boxes) const noexcept;
  void decode_objectness(const Anchors& values, NetworkBoxes& boxes) const noexcept;
  void decode_end_to_end(const Anchors& values, NetworkBoxes& boxes) const noexcept;
  void decode_map(const float* scores, const float* offsets, int columns, int rows,
                  std::size_t mapping, NetworkBoxes& boxes) const noexcept;
  void decode_centres(std::span<const float* const> outputs, std::size_t batch_element,
                      NetworkBoxes& boxes) const noexcept;
  // Add the boxes of anchors whose best class is wanted: of at most kTogether by their scores, of one by
  // its objectness too, and of one whose best class and confidence are known. add_wanted: whatever the
  // other classes are.
  void add_wanted(const Anchors& values, std::span<const std::uint32_t> anchors,
                  NetworkBoxes& boxes) const noexcept;
  void add_best_of(const Anchors& values, std::span<const std::uint32_t> anchors,
                   NetworkBoxes& boxes) const noexcept;
  void add_best(const Anchors& values, std::size_t anchor, float objectness,
                NetworkBoxes& boxes) const noexcept;
  // `first`: the channel of class 0.
  std::size_t best_class(const Anchors& values, std::size_t anchor,
                         std::size_t first) const noexcept;
  void add_class(const Anchors& values, std::size_t anchor, std::size_t network_class,
                 float confidence, NetworkBoxes& boxes) const noexcept;
  NetworkBox ungrid(NetworkBox box, std::size_t anchor) const noexcept;

  Head head_;
  int width_, height_;
  int classes_ = 0;
  std::vector<Wanted> wanted_;
  std::vector<int> wanted_of_class_;  // index into wanted_ by network class, -1: not mapped
  float least_confidence_ = 1;
  // Rank 3 heads: which output, and its layout.
  std::size_t output_ = 0, anchors_ = 0, channels_ = 0;
  bool channels_first_ = false;
  struct CentreMap {
    int columns = 0, rows = 0;
    float cell = 0;  // network pixels
  };
  std::vector<CentreMap> centre_maps_;  // by network class; outputs 2k and 2k + 1
  // footandball: which outputs.
  std::size_t player_box_ = 0, player_score_ = 0, ball_score_ = 0;
};

}  // namespace gantry
