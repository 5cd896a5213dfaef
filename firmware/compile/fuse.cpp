// Fusion: pattern by pattern, each one pass over the nodes in order.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/fuse.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace gantry::compile {
namespace {

template <typename Operation>
Operation* as(Node* node) {
  return node ? std::get_if<Operation>(&node->operation) : nullptr;
}

class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(graph) { index(); }

  void run() {
    for (auto& node : graph_.nodes) recognise_activation(node);
    for (auto& node : graph_.nodes) {
      if (!std::holds_alternative<Binary>(node.operation) &&
          !std::holds_alternative<Unary>(node.operation))
        continue;
      if (!fold_into_convolution(node) && !fuse_activation(node)) fuse_residual(node);
    }
    drop_unused(graph_);
  }

 private:
  void index() {
    maker_.assign(graph_.values.size(), nullptr);
    uses_.assign(graph_.values.size(), 0);
    for (auto& node : graph_.nodes) {
      for (const int v : node.outputs) maker_[static_cast<std::size_t>(v)] = &node;
      for (const int v : node.inputs)
        if (v != kAbsent) ++uses_[static_cast<std::size_t>(v)];
    }
    for (const int v : graph_.outputs) ++uses_[static_cast<std::size_t>(v)];
  }

  Value& value(int v) { return graph_.values[static_cast<std::size_t>(v)]; }
  Node* maker(int v) { return v == kAbsent ? nullptr : maker_[static_cast<std::size_t>(v)]; }
  bool used_once(int v) const { return uses_[static_cast<std::size_t>(v)] == 1; }

  // The function of x that `v` is, where v is made by one.
  Activation* function_of(int v, int x) {
    Node* node = maker(v);
    auto* unary = as<Unary>(node);
    return unary && node->inputs[0] == x ? &unary->activation : nullptr;
  }

  void become(Node& node, Activation activation, int x) {
    ++uses_[static_cast<std::size_t>(x)];
    const auto inputs = std::exchange(node.inputs, {x});
    node.operation = Unary{activation};
    // The function itself loses its reader; unread, it no longer reads x.
    for (const int v : inputs)
      if (--uses_[static_cast<std::size_t>(v)] == 0) release(v);
  }

  void release(int v) {
    Node* node = maker(v);
    if (!node) return;
    const auto inputs = std::exchange(node->inputs, {});
    node->operation = Copy{};  // nothing that a pattern matches; dropped as unread
    for (const int i : inputs)
      if (i != kAbsent && --uses_[static_cast<std::size_t>(i)] == 0) release(i);
  }

  void recognise_activation(Node& node) {
    const auto* binary = as<Binary>(&node);
    if (!binary || binary->combine != Combine::multiply) return;
    for (int side = 0; side < 2; ++side) {
      const int x = node.inputs[static_cast<std::size_t>(side)];
      const int other = node.inputs[static_cast<std::size_t>(1 - side)];
      if (const auto* f = function_of(other, x)) {
        if (f->function == Function::sigmoid) return become(node, {Function::silu, 0, 0}, x);
        if (f->function == Function::hard_sigmoid)
          return become(node, {Function::hard_swish, f->alpha, f->beta}, x);
      }
      Node* outer = maker(other);
      const auto* tanh = as<Unary>(outer);
      if (!tanh || tanh->activation.function != Function::tanh) continue;
      const auto* softplus = function_of(outer->inputs[0], x);
      if (softplus && softplus->function == Function::softplus)
        return become(node, {Function::mish, 0, 0}, x);
    }
  }

  // The convolution that makes `v` and nothing else reads.
  Node* convolution_of(int v) {
    Node* node = maker(v);
    return as<Conv>(node) && used_once(v) ? node : nullptr;
  }

  // One number per channel of an image of `channels`, where the constant broadcasts so.
  std::optional<std::vector<double>> per_channel(const Constant& c, std::int64_t channels) {
    std::vector<double> values(static_cast<std::size_t>(channels));
    if (c.count() == 1 && c.shape.size() <= 4) {
      std::fill(values.begin(), values.end(), c.at(0));
      return values;
    }
    const std::size_t rank = c.shape.size();
    if (rank < 3 || rank > 4 || c.shape[rank - 3] != channels ||
        static_cast<std::int64_t>(c.count()) != channels)
      return std::nullopt;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = c.at(i);
    return values;
  }

  // conv ∘ (x k), (x + k), (x - k), (k - x), (x / k): new weights and bias.
  bool fold_into_convolution(Node& node) {
    const auto* binary = as<Binary>(&node);
    if (!binary) return false;
    const int side = value(node.inputs[0]).constant ? 1 : 0;
    const auto& c = value(node.inputs[static_cast<std::size_t>(1 - side)]).constant;
    Node* conv = convolution_of(node.inputs[static_cast<std::size_t>(side)]);
    if (!c || !conv) return false;
    const auto* op = as<Conv>(conv);
    if (op->activation.function != Function::identity || conv->inputs[3] != kAbsent) return false;
    const auto values = per_channel(*c, value(conv->outputs[0]).shape[1]);
    if (!values || value(node.outputs[0]).shape != value(conv->outputs[0]).shape) return false;
    std::vector<double> scale(values->size(), 1), shift(values->size(), 0);
    for (std::size_t i = 0; i < values->size(); ++i) {
      const double k = (*values)[i];
      switch (binary->combine) {
        case Combine::multiply:
          scale[i] = k;
          break;
        case Combine::add:
          shift[i] = k;
          break;
        case Combine::divide:
          if (side == 1) return false;
          scale[i] = 1 / k;
          break;
        case Combine::subtract:
          scale[i] = side == 1 ? -1 : 1;
          shift[i] = side == 1 ? k : -k;
          break;
        default:
          return false;
      }
      if (!std::isfinite(scale[i]) || !std::isfinite(shift[i])) return false;
    }
    rescale(*conv, scale, shift);
    replace(node, *conv);
    return true;
  }

  void rescale(Node& conv, const std::vector<double>& scale, const std::vector<double>& shift) {
    Constant weights = *value(conv.inputs[1]).constant;
    const std::size_t each = weights.reals.size() / scale.size();
    for (std::size_t i = 0; i < weights.reals.size(); ++i)
      weights.reals[i] = static_cast<float>(weights.reals[i] * scale[i / each]);
    Constant bias{{static_cast<std::int64_t>(scale.size())}, Type::real, {}, {}};
    for (std::size_t i = 0; i < scale.size(); ++i) {
      const double old = conv.inputs[2] == kAbsent ? 0 : value(conv.inputs[2]).constant->at(i);
      bias.reals.push_back(static_cast<float>(old * scale[i] + shift[i]));
    }
    conv.inputs[1] = add_constant(std::move(weights));
    conv.inputs[2] = add_constant(std::move(bias));
  }

  int add_constant(Constant c) {
    Value v{"", c.shape, c.type, nullptr};
    v.constant = std::make_shared<const Constant>(std::move(c));
    graph_.values.push_back(std::move(v));
    maker_.push_back(nullptr);
    uses_.push_back(1);
    return static_cast<int>(graph_.values.size()) - 1;
  }

  // `node` takes over what `conv` computes; conv's old result is no longer made.
  void replace(Node& node, Node& conv) {
    const auto outputs = node.outputs;
    const auto old = conv.outputs[0];
    node.operation = conv.operation;
    node.inputs = conv.inputs;
    node.layer = conv.layer;
    uses_[static_cast<std::size_t>(old)] = 0;
    maker_[static_cast<std::size_t>(old)] = nullptr;
    conv.inputs.clear();  // dropped with its unread result
  }

  bool fuse_activation(Node& node) {
    const auto* unary = as<Unary>(&node);
    if (!unary) return false;
    Node* conv = convolution_of(node.inputs[0]);
    auto* op = as<Conv>(conv);
    if (!op || op->activation.function != Function::identity) return false;
    op->activation = unary->activation;
    op->residual_first = conv->inputs[3] != kAbsent;
    replace(node, *conv);
    return true;
  }

  bool fuse_residual(Node& node) {
    const auto* binary = as<Binary>(&node);
    if (!binary || binary->combine != Combine::add) return false;
    if (value(node.inputs[0]).shape != value(node.inputs[1]).shape ||
        node.inputs[0] == node.inputs[1])
      return false;
    for (std::size_t side = 2; side-- > 0;) {
      Node* conv = convolution_of(node.inputs[side]);
      if (!conv || conv->inputs[3] != kAbsent) continue;
      const int residual = node.inputs[1 - side];
      replace(node, *conv);
      node.inputs[3] = residual;
      return true;
    }
    return false;
  }

  Graph& graph_;
  std::vector<Node*> maker_;  // nodes keep their places while this runs
  std::vector<int> uses_;
};

}  // namespace

void drop_unused(Graph& graph) {
  std::vector<bool> needed(graph.values.size());
  for (const int v : graph.outputs) needed[static_cast<std::size_t>(v)] = true;
  std::vector<Node> kept;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    if (std::none_of(node.outputs.begin(), node.outputs.end(),
                     [&](int v) { return needed[static_cast<std::size_t>(v)]; }))
      continue;
    for (const int v : node.inputs)
      if (v != kAbsent) needed[static_cast<std::size_t>(v)] = true;
    kept.push_back(std::move(node));
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
}

void fuse(Graph& graph) {
  Fuser(graph).run();
}

}  // namespace gantry::compile
