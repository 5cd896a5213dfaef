// Placement: backwards, so that a producer learns where its reader wants the values; then forwards
// through the views.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/layout.hpp"

#include <algorithm>
#include <utility>

#include "firmware/compile/demand.hpp"
#include "firmware/compile/family.hpp"

namespace gantry::compile {
namespace {

bool is_view(const Node& node) {
  return is_any<Reshape, Transpose, Slice, Expand>(node);
}

class LayoutPass {
 public:
  LayoutPass(Graph& graph, const Target& target) : graph_(graph), target_(target) {
    layout_.placements.resize(graph.values.size());
    maker_.assign(graph.values.size(), nullptr);
    for (auto& node : graph.nodes)
      for (const int v : node.outputs) maker_[static_cast<std::size_t>(v)] = &node;
  }

  Layout run() {
    place_inputs();
    place_outputs();
    for (std::size_t n = graph_.nodes.size(); n-- > 0;) place_backwards(graph_.nodes[n]);
    auto nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (auto& node : nodes) place_forwards(node);
    for (auto& copy : output_copies_) place_forwards(copy);
    return std::move(layout_);
  }

 private:
  const Shape& shape(int v) const { return graph_.values[static_cast<std::size_t>(v)].shape; }
  Placement& placement(int v) { return layout_.placements[static_cast<std::size_t>(v)]; }
  bool placed(int v) { return placement(v).root >= 0; }
  Node* maker(int v) { return maker_[static_cast<std::size_t>(v)]; }
  int new_root(Plan::Storage storage, std::size_t buffer, std::int64_t elements,
               Plan::Element element = Plan::Element::f32) {
    layout_.roots.push_back({storage, element, static_cast<std::uint32_t>(buffer), elements, 0});
    return static_cast<int>(layout_.roots.size()) - 1;
  }

  bool is_half(const Placement& p) const {
    return layout_.roots[static_cast<std::size_t>(p.root)].element == Plan::Element::f16;
  }

  Demand output_demand(const Node& node) const {
    return compile::output_demand(graph_, node, target_);
  }
  Demand input_demand(const Node& node, std::size_t input) const {
    return compile::input_demand(graph_, node, target_, input);
  }
  bool satisfies(Demand demand, const Node& node, const Shape& s, const Placement& p) const {
    return compile::satisfies(demand, node, s, p, is_half(p));
  }

  // A root of its own whose channels lie together: images, or heads of an attention.
  Placement image_in_new_root(const Shape& s, bool heads,
                              Plan::Storage storage = Plan::Storage::arena,
                              std::size_t buffer = 0) {
    const std::size_t c = channel_axis(s, heads);
    const std::int64_t unit = !heads && s[c] <= 4 ? 4 : 8;
    Placement p{-1, 0, Shape(s.size())};
    std::int64_t step = (s[c] + unit - 1) / unit * unit;
    p.strides[c] = 1;
    if (heads) {  // channels of all heads of a token, then tokens: what a view as an image wants
      p.strides[1] = step;
      step *= s[1];
    }
    for (std::size_t d = s.size(); d-- > 0;) {
      if (d == c || (heads && d == 1)) continue;
      p.strides[d] = step;
      step *= s[d];
    }
    p.root = new_root(storage, buffer, step, Plan::Element::f16);
    return p;
  }

  // Whether what `v` shows was made as an image.
  bool shows_image(int v) {
    for (;;) {
      const Node* node = maker(v);
      if (!node) return false;
      if (!is_any<Reshape, Slice>(*node)) return makes_image(*node);
      v = node->inputs[0];
    }
  }

  bool makes_image(const Node& node) {
    if (!target_.channels_last) return false;
    const Shape& s = shape(node.outputs[0]);
    if (const auto* concat = std::get_if<Concat>(&node.operation))
      return s.size() >= 3 && s.size() <= 4 && concat->axis > 0 && s[1] % 8 == 0 &&
             std::all_of(node.inputs.begin(), node.inputs.end(),
                         [&](int v) { return shows_image(v); });
    if (is_elementwise(node)) return s.size() == 4 && s[1] % 8 == 0;
    return runs_channels_last(graph_, node, target_);
  }

  // Where a value lies that nobody has a wish for.
  Placement own_place(const Node& node, int v) {
    if (!makes_image(node)) return dense_in_new_root(shape(v));
    return image_in_new_root(shape(v), is_any<Attention>(node));
  }

  Placement dense_in_new_root(const Shape& s, Plan::Storage storage = Plan::Storage::arena,
                              std::size_t buffer = 0) {
    return {new_root(storage, buffer, count(s)), 0, dense_strides(s)};
  }

  int new_value(const std::string& name, int like, Placement where) {
    const Value& v = graph_.values[static_cast<std::size_t>(like)];
    graph_.values.push_back({name, v.shape, v.type, nullptr});
    layout_.placements.push_back(std::move(where));
    maker_.push_back(nullptr);
    return static_cast<int>(graph_.values.size()) - 1;
  }

  void place_inputs() {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
      const Shape& s = shape(graph_.inputs[i]);
      const bool image = target_.channels_last && s.size() == 4 && (s[1] <= 4 || s[1] % 8 == 0);
      placement(graph_.inputs[i]) = image ? image_in_new_root(s, false, Plan::Storage::input, i)
                                          : dense_in_new_root(s, Plan::Storage::input, i);
    }
  }

  void place_outputs() {
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      const int v = graph_.outputs[i];
      const Placement where = dense_in_new_root(shape(v), Plan::Storage::output, i);
      if (claim(v, where)) continue;
      const int copy = new_value(graph_.output_names[i], v, where);
      output_copies_.push_back({"output " + graph_.output_names[i], Copy{}, {v}, {copy}});
      graph_.outputs[i] = copy;
    }
  }

  // Has `v` written where its reader wants it, if its maker can and nobody was first. Through views
  // the wish goes on to what they show.
  bool claim(int v, Placement where) {
    std::vector<std::pair<int, Placement>> chain;
    for (;;) {
      const Node* node = maker(v);
      if (placed(v) || !node) return false;
      chain.emplace_back(v, where);
      if (!is_view(*node)) {
        if (!satisfies(output_demand(*node), *node, shape(v), where)) return false;
        break;
      }
      auto inverse = inverse_view(*node, where);
      if (!inverse) return false;
      where = std::move(*inverse);
      v = node->inputs[0];
    }
    for (auto& [value, place] : chain) placement(value) = std::move(place);
    return true;
  }

  // Where a view's input must lie for the view to lie at `where`.
  std::optional<Placement> inverse_view(const Node& node, const Placement& where) {
    const Shape& from = shape(node.inputs[0]);
    if (std::holds_alternative<Reshape>(node.operation)) {
      const auto strides = reshaped_strides(shape(node.outputs[0]), where.strides, from);
      if (!strides) return std::nullopt;
      return Placement{where.root, where.offset, *strides};
    }
    if (const auto* t = std::get_if<Transpose>(&node.operation)) {
      Placement p{where.root, where.offset, Shape(from.size())};
      for (std::size_t d = 0; d < from.size(); ++d)
        p.strides[static_cast<std::size_t>(t->permutation[d])] = where.strides[d];
      return p;
    }
    return std::nullopt;  // a slice or an expansion shows less or more than its input
  }

  void place_backwards(Node& node) {
    if (is_view(node)) return;
    for (const int v : node.outputs)
      if (!placed(v)) placement(v) = own_place(node, v);
    if (const auto* concat = std::get_if<Concat>(&node.operation))
      claim_parts(node, static_cast<std::size_t>(concat->axis));
    claim_transposed(node);
  }

  // What a kernel wants in planes and sees transposed is best written so.
  void claim_transposed(const Node& node) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const int v = node.inputs[i];
      if (v == kAbsent || placed(v) || !maker(v) || !is_any<Transpose>(*maker(v)) ||
          is_any<Concat>(node) || input_demand(node, i) != Demand::plane)
        continue;
      if (!claim(v, dense_in_new_root(shape(v)))) layout_.roots.pop_back();
    }
  }

  void claim_parts(const Node& node, std::size_t axis) {
    const Placement whole = placement(node.outputs[0]);
    std::int64_t start = 0;
    for (std::size_t i = 0; i < node.inputs.size();) {
      const Placement here{whole.root, whole.offset + start * whole.strides[axis], whole.strides};
      std::size_t parts = slices_of_one(node, i, axis);
      if (parts > 0) {
        claim(maker(node.inputs[i])->inputs[0], here);
      } else {
        parts = 1;
        claim(node.inputs[i], here);
      }
      for (std::size_t p = 0; p < parts; ++p) start += shape(node.inputs[i++])[axis];
    }
  }

  // How many inputs from the i-th on are the consecutive slices of one whole tensor; 0: none.
  std::size_t slices_of_one(const Node& concat, std::size_t first, std::size_t axis) {
    int base = kAbsent;
    std::int64_t next = 0;
    for (std::size_t i = first; i < concat.inputs.size(); ++i) {
      const Node* part = maker(concat.inputs[i]);
      const auto* slice = part ? std::get_if<Slice>(&part->operation) : nullptr;
      if (!slice || (base != kAbsent && part->inputs[0] != base)) return 0;
      base = part->inputs[0];
      const Shape& whole = shape(base);
      for (std::size_t d = 0; d < whole.size(); ++d)
        if (slice->step[d] != 1 || slice->start[d] != (d == axis ? next : 0) ||
            (d != axis && slice->size[d] != whole[d]))
          return 0;
      next += slice->size[axis];
      if (next == whole[axis]) return i - first + 1;
    }
    return 0;
  }

  void place_forwards(Node& node) {
    if (is_view(node)) return place_view(node);
    if (const auto* concat = std::get_if<Concat>(&node.operation))
      return join(node, static_cast<std::size_t>(concat->axis));
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      int& v = node.inputs[i];
      if (v == kAbsent || packs_weights(node, i)) continue;
      place_constant(v);
      const Demand demand = input_demand(node, i);
      if (satisfies(demand, node, shape(v), placement(v))) continue;
      v = copied(v, node.layer,
                 demand == Demand::image ? image_in_new_root(shape(v), is_any<Attention>(node))
                                         : dense_in_new_root(shape(v)));
    }
    graph_.nodes.push_back(std::move(node));
  }

  static bool packs_weights(const Node& node, std::size_t input) {
    return is_any<Conv, ConvTranspose>(node) && (input == 1 || input == 2);
  }

  void place_constant(int v) {
    if (!placed(v)) placement(v) = dense_in_new_root(shape(v), Plan::Storage::weights);
  }

  // A copy of v, made just before it is needed.
  int copied(int v, const std::string& layer, Placement where) {
    const int copy = new_value("", v, std::move(where));
    graph_.nodes.push_back({layer, Copy{}, {v}, {copy}});
    return copy;
  }

  void place_view(const Node& node) {
    const int out = node.outputs[0], in = node.inputs[0];
    if (placed(out)) return;
    place_constant(in);
    auto where = view(node, in);
    if (!where) where = view(node, copied(in, node.layer, viewable_place(node, in)));
    placement(out) = *where;
  }

  // Where a copy of `in` lies so that the view of it is possible: heads as an image has its channels,
  // if the view can be one, else dense.
  Placement viewable_place(const Node& node, int in) {
    const Shape& s = shape(in);
    const auto* reshape = std::get_if<Reshape>(&node.operation);
    if (is_half(placement(in)) && reshape && s.size() == 4 && s[2] % 8 == 0) {
      Placement heads = image_in_new_root(s, true);
      if (reshaped_strides(s, heads.strides, reshape->shape)) return heads;
    }
    return dense_in_new_root(s);
  }

  std::optional<Placement> view(const Node& node, int in) {
    const Placement& from = placement(in);
    const Shape& s = shape(in);
    Placement to = from;
    if (const auto* r = std::get_if<Reshape>(&node.operation)) {
      const auto strides = reshaped_strides(s, from.strides, r->shape);
      if (!strides) return std::nullopt;
      to.strides = *strides;
    } else if (const auto* t = std::get_if<Transpose>(&node.operation)) {
      for (std::size_t d = 0; d < s.size(); ++d)
        to.strides[d] = from.strides[static_cast<std::size_t>(t->permutation[d])];
    } else if (const auto* slice = std::get_if<Slice>(&node.operation)) {
      for (std::size_t d = 0; d < s.size(); ++d) {
        to.offset += slice->start[d] * from.strides[d];
        to.strides[d] = from.strides[d] * slice->step[d];
      }
    } else if (const auto* e = std::get_if<Expand>(&node.operation)) {
      to.strides.assign(e->shape.size(), 0);
      const std::size_t missing = e->shape.size() - s.size();
      for (std::size_t d = 0; d < s.size(); ++d)
        if (s[d] != 1) to.strides[d + missing] = from.strides[d];
    }
    return to;
  }

  void join(const Node& node, std::size_t axis) {
    const Placement whole = placement(node.outputs[0]);
    std::int64_t start = 0;
    for (const int v : node.inputs) {
      Placement here{whole.root, whole.offset + start * whole.strides[axis], whole.strides};
      start += shape(v)[axis];
      place_constant(v);
      const Placement& there = placement(v);
      if (there.root == here.root && there.offset == here.offset &&
          same_strides(shape(v), there.strides, here.strides))
        continue;
      const int part = new_value("", v, std::move(here));
      graph_.nodes.push_back({node.layer, Copy{}, {v}, {part}});
    }
  }

  static bool same_strides(const Shape& s, const Shape& a, const Shape& b) {
    for (std::size_t d = 0; d < s.size(); ++d)
      if (s[d] != 1 && a[d] != b[d]) return false;
    return true;
  }

  Graph& graph_;
  const Target& target_;
  Layout layout_;
  std::vector<Node*> maker_;
  std::vector<Node> output_copies_;
};

}  // namespace

std::optional<Shape> reshaped_strides(const Shape& shape, const Shape& strides, const Shape& to) {
  Shape from_size, from_stride;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    from_size.push_back(shape[d]);
    from_stride.push_back(strides[d]);
  }
  Shape result(to.size(), 1);
  // Groups of old and new dimensions with the same product, from the last on.
  std::size_t old = from_size.size(), now = to.size();
  while (now > 0) {
    if (to[now - 1] == 1) {
      --now;
      continue;
    }
    if (old == 0) return std::nullopt;
    std::int64_t old_product = from_size[--old], new_product = to[--now];
    std::int64_t stride = from_stride[old];
    result[now] = stride;
    stride *= new_product;
    std::int64_t group_end = from_stride[old] * from_size[old];
    while (old_product != new_product) {
      if (new_product < old_product) {
        if (now == 0) return std::nullopt;
        result[--now] = stride;
        new_product *= to[now];
        stride *= to[now];
      } else {
        if (old == 0 || from_stride[old - 1] != group_end) return std::nullopt;
        --old;
        old_product *= from_size[old];
        group_end *= from_size[old];
      }
    }
  }
  return result;
}

Layout lay_out(Graph& graph, const Target& target) {
  return LayoutPass(graph, target).run();
}

}  // namespace gantry::compile
