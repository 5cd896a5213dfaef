// Demands by operation: what the loops of kernels/nn_*.cl take for granted.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/compile/demand.hpp"

#include <algorithm>

#include "firmware/compile/family.hpp"

namespace gantry::compile {
namespace {

bool dense_from(std::size_t first, const Shape& shape, const Shape& strides) {
  const Shape dense = dense_strides(shape);
  for (std::size_t d = first; d < shape.size(); ++d)
    if (shape[d] != 1 && strides[d] != dense[d]) return false;
  return true;
}

// Channels together, everything else a multiple of 8 elements (4 for pictures of 4 channels at most)
// so that kernels load whole words; the rows of an image follow each other.
bool is_image(const Shape& shape, const Placement& p, bool heads) {
  if (shape.size() < 3) return false;
  const std::size_t c = channel_axis(shape, heads);
  if (p.strides[c] != 1 && shape[c] != 1) return false;
  const std::int64_t unit = !heads && shape[c] <= 4 ? 4 : 8;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (d != c && shape[d] != 1 && p.strides[d] % unit) return false;
  if (p.offset % unit) return false;
  return heads || shape.size() < 4 || shape[2] == 1 || p.strides[2] == shape[3] * p.strides[3];
}

}  // namespace

std::size_t channel_axis(const Shape& shape, bool heads) {
  return heads ? shape.size() - 2 : 1;
}

Demand output_demand(const Graph& graph, const Node& node, const Target& target) {
  if (is_any<DistanceBoxes>(node)) return Demand::dense;
  if (runs_channels_last(graph, node, target)) return Demand::image;
  if (is_elementwise(node)) return Demand::any;
  if (is_any<Conv, ConvTranspose, Pool, MaxPoolChain, Resize>(node)) return Demand::plane;
  if (is_any<MatMul>(node)) return Demand::row;
  if (is_any<Gather, GatherElements, TopK>(node)) return Demand::dense;
  return Demand::strided;
}

Demand input_demand(const Graph& graph, const Node& node, const Target& target, std::size_t input) {
  if (is_any<DistanceBoxes>(node)) return input < 2 ? Demand::image : Demand::dense;
  if (runs_channels_last(graph, node, target)) return Demand::image;
  if (is_elementwise(node)) return Demand::any;
  if (is_any<Conv>(node)) return input == 0 || input == 3 ? Demand::plane : Demand::strided;
  if (is_any<Resize>(node)) return Demand::plane;
  if (is_any<ConvTranspose, Pool, MaxPoolChain>(node))
    return input == 0 ? Demand::plane : Demand::strided;
  if (is_any<MatMul>(node)) return input == 1 ? Demand::row : Demand::strided;
  if (is_any<Gather, GatherElements, TopK>(node)) return Demand::dense;
  return Demand::strided;
}

bool satisfies(Demand demand, const Node& node, const Shape& s, const Placement& p, bool half) {
  const std::size_t rank = s.size();
  switch (demand) {
    case Demand::any:
      return true;
    case Demand::image:
      return half && is_image(s, p, is_any<Attention>(node));
    case Demand::strided:
      return !half;
    case Demand::row:
      return !half && dense_from(rank - std::min<std::size_t>(rank, 1), s, p.strides);
    case Demand::plane:
      return !half && dense_from(rank - std::min<std::size_t>(rank, 2), s, p.strides);
    case Demand::dense:
      break;
  }
  return !half && dense_from(0, s, p.strides);
}

}  // namespace gantry::compile
