// Recognition runs backwards from the operation that ends a pattern.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/recognise.hpp"

#include <cmath>
#include <optional>
#include <utility>

#include "firmware/compile/fuse.hpp"

namespace gantry::compile {
namespace {

constexpr std::int64_t kBins = 16;          // of a distance in the head of YOLOv8
constexpr std::int64_t kLargestDepth = 32;  // of queries and keys in kernels/nn_tensor.cl
constexpr std::int64_t kHeadChannels = 64;  // of values there

class Recogniser {
 public:
  explicit Recogniser(Graph& graph) : graph_(graph) {
    maker_.assign(graph.values.size(), nullptr);
    for (auto& node : graph.nodes)
      for (const int v : node.outputs) maker_[static_cast<std::size_t>(v)] = &node;
  }

  void run() {
    for (auto& node : graph_.nodes)
      if (!attention(node)) distance_boxes(node);
    drop_unused(graph_);
  }

 private:
  const Shape& shape(int v) const { return graph_.values[static_cast<std::size_t>(v)].shape; }
  const Constant* constant(int v) const {
    return graph_.values[static_cast<std::size_t>(v)].constant.get();
  }
  Node* maker(int v) const { return v == kAbsent ? nullptr : maker_[static_cast<std::size_t>(v)]; }

  template <typename Operation>
  const Node* made_by(int v) const {
    const Node* node = maker(v);
    return node && std::holds_alternative<Operation>(node->operation) ? node : nullptr;
  }

  // What `v` is a transpose of the last two dimensions of.
  std::optional<int> turned(int v) const {
    const Node* node = made_by<Transpose>(v);
    if (!node) return std::nullopt;
    const auto& p = std::get<Transpose>(node->operation).permutation;
    if (p != std::vector<std::int64_t>{0, 1, 3, 2}) return std::nullopt;
    return node->inputs[0];
  }

  // The other operand and the number, where `v` combines something with one number.
  std::optional<std::pair<int, double>> with_number(int v, Combine combine) const {
    const Node* node = made_by<Binary>(v);
    if (!node || std::get<Binary>(node->operation).combine != combine) return std::nullopt;
    for (std::size_t side = 0; side < 2; ++side) {
      const Constant* c = constant(node->inputs[1 - side]);
      if (!c || c->count() != 1 || (side == 1 && combine == Combine::divide)) continue;
      return std::pair{node->inputs[side], c->at(0)};
    }
    return std::nullopt;
  }

  // v × softmax(scale qᵀ k)ᵀ
  bool attention(Node& node) {
    if (!std::holds_alternative<MatMul>(node.operation)) return false;
    const auto weights = turned(node.inputs[1]);
    const Node* softmax = weights ? made_by<Softmax>(*weights) : nullptr;
    if (!softmax) return false;
    const auto& op = std::get<Softmax>(softmax->operation);
    if (op.axis != 3 || op.log) return false;
    int scores = softmax->inputs[0];
    double scale = 1;
    if (const auto scaled = with_number(scores, Combine::multiply))
      scores = scaled->first, scale = scaled->second;
    const Node* product = made_by<MatMul>(scores);
    const auto q = product ? turned(product->inputs[0]) : std::nullopt;
    if (!q) return false;
    const int k = product->inputs[1], v = node.inputs[0];
    const Shape &sq = shape(*q), &sv = shape(v);
    if (sq.size() != 4 || shape(k) != sq || sv.size() != 4 || sq[0] != sv[0] || sq[1] != sv[1] ||
        sq[3] != sv[3] || sq[2] % 8 || sq[2] > kLargestDepth || sv[2] != kHeadChannels ||
        scale <= 0)
      return false;
    node.operation = Attention{static_cast<float>(scale)};
    node.inputs = {*q, k, v};
    return true;
  }

  // Consecutive parts of the second of three dimensions.
  std::optional<int> part(int v, std::int64_t start, std::int64_t size) const {
    const Node* node = made_by<Slice>(v);
    if (!node) return std::nullopt;
    const auto& s = std::get<Slice>(node->operation);
    const Shape& from = shape(node->inputs[0]);
    if (from.size() != 3 || s.start != Shape{0, start, 0} || s.step != Shape{1, 1, 1} ||
        s.size != Shape{from[0], size, from[2]})
      return std::nullopt;
    return node->inputs[0];
  }

  const Node* binary(int v, Combine combine) const {
    const Node* node = made_by<Binary>(v);
    return node && std::get<Binary>(node->operation).combine == combine ? node : nullptr;
  }

  // The expected distances that `v` is made of: 1x1 convolution with 0 … 15 of a softmax.
  std::optional<int> bins_of(int v) const {
    const Node* node = made_by<Reshape>(v);
    const Node* conv = node ? made_by<Conv>(node->inputs[0]) : nullptr;
    if (!conv || conv->inputs[2] != kAbsent || conv->inputs[3] != kAbsent) return std::nullopt;
    const Constant* w = constant(conv->inputs[1]);
    if (!w || w->shape != Shape{1, kBins, 1, 1}) return std::nullopt;
    for (std::size_t i = 0; i < kBins; ++i)
      if (w->at(i) != static_cast<double>(i)) return std::nullopt;
    // A softmax over the bins with transposes before and after: which dimension each came from.
    const Node* at = maker(conv->inputs[0]);
    Shape from{0, 1, 2, 3};
    bool soft = false;
    while (at) {
      if (const auto* s = std::get_if<Softmax>(&at->operation)) {
        if (soft || s->log || s->axis != from[1]) return std::nullopt;
        soft = true;
      } else if (const auto* t = std::get_if<Transpose>(&at->operation)) {
        if (t->permutation.size() != 4) return std::nullopt;
        for (auto& d : from) d = t->permutation[static_cast<std::size_t>(d)];
      } else {
        break;
      }
      at = maker(at->inputs[0]);
    }
    if (!at || !soft || from != Shape{0, 2, 1, 3} ||
        !std::holds_alternative<Reshape>(at->operation))
      return std::nullopt;
    const int raw = at->inputs[0];
    const Shape &s = shape(raw), &r = shape(at->outputs[0]);
    if (s.size() != 3 || s[1] != 4 * kBins || r != Shape{s[0], 4, kBins, s[2]}) return std::nullopt;
    return raw;
  }

  // anchors ∓ distances: the anchors' value and the distances.
  std::optional<std::pair<int, int>> corner(int v, Combine combine) const {
    const Node* node = binary(v, combine);
    if (!node) return std::nullopt;
    if (constant(node->inputs[0])) return std::pair{node->inputs[0], node->inputs[1]};
    if (combine == Combine::add && constant(node->inputs[1]))
      return std::pair{node->inputs[1], node->inputs[0]};
    return std::nullopt;
  }

  bool distance_boxes(Node& node) {
    const auto* concat = std::get_if<Concat>(&node.operation);
    if (!concat || concat->axis != 1 || node.inputs.size() != 2) return false;
    const Node* sigmoid = made_by<Unary>(node.inputs[1]);
    const Node* scaled = binary(node.inputs[0], Combine::multiply);
    if (!sigmoid || !scaled) return false;
    if (std::get<Unary>(sigmoid->operation).activation.function != Function::sigmoid) return false;
    const std::size_t side = constant(scaled->inputs[0]) ? 0 : 1;
    const int steps = scaled->inputs[side];
    const Node* joined = made_by<Concat>(scaled->inputs[1 - side]);
    if (!constant(steps) || !joined || joined->inputs.size() != 2) return false;
    const Node* size = binary(joined->inputs[1], Combine::subtract);
    auto half = with_number(joined->inputs[0], Combine::divide);
    if (half && half->second != 2) return false;
    if (!half) half = with_number(joined->inputs[0], Combine::multiply);
    if (!half || !size || (half->second != 2 && half->second != 0.5)) return false;
    const Node* sum = binary(half->first, Combine::add);
    if (!sum) return false;
    const int second = size->inputs[0], first = size->inputs[1];
    if (!(sum->inputs == std::vector<int>{first, second}) &&
        !(sum->inputs == std::vector<int>{second, first}))
      return false;
    const auto near = corner(first, Combine::subtract), far = corner(second, Combine::add);
    if (!near || !far) return false;
    const auto left_top = part(near->second, 0, 2), right_bottom = part(far->second, 2, 2);
    if (!left_top || left_top != right_bottom) return false;
    const auto bins = bins_of(*left_top);
    if (!bins) return false;
    const int scores = sigmoid->inputs[0];
    const Shape& s = shape(*bins);
    const Constant *a = constant(near->first), *b = constant(far->first), *c = constant(steps);
    if (shape(scores).size() != 3 || shape(scores)[2] != s[2] ||
        static_cast<std::int64_t>(a->count()) != 2 * s[2] ||
        static_cast<std::int64_t>(c->count()) != s[2] || a->reals != b->reals)
      return false;
    node.operation = DistanceBoxes{};
    node.inputs = {*bins, scores, near->first, steps};
    return true;
  }

  Graph& graph_;
  std::vector<Node*> maker_;
};

}  // namespace

void recognise(Graph& graph) {
  Recogniser(graph).run();
}

}  // namespace gantry::compile
