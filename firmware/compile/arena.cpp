// The arena: every activation's place, from the steps that touch it first and last.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <numeric>

#include "firmware/compile/program.hpp"

namespace gantry::compile {
namespace {

constexpr std::int64_t kAlignment =
    64;  // elements: four cache lines, OpenCL's base alignment twice

struct Life {
  std::size_t first = std::numeric_limits<std::size_t>::max(), last = 0;
  bool meets(const Life& other) const { return first <= other.last && other.first <= last; }
};

std::vector<Life> lives_of(const Program& program) {
  std::vector<Life> lives(program.roots.size());
  for (std::size_t s = 0; s < program.steps.size(); ++s)
    for (const auto& a : program.steps[s].arguments) {
      if (a.kind != Plan::Argument::Kind::tensor) continue;
      Life& life = lives[static_cast<std::size_t>(program.tensors[a.tensor].root)];
      life.first = std::min(life.first, s);
      life.last = std::max(life.last, s);
    }
  return lives;
}

std::int64_t aligned(std::int64_t elements) {
  return (elements + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

// Large ones first, each at the lowest place that no living neighbour occupies.
void lay_out_arena(Program& program, bool keep_all) {
  const auto lives = lives_of(program);
  std::vector<std::size_t> order;
  for (std::size_t r = 0; r < program.roots.size(); ++r)
    if (program.roots[r].storage == Plan::Storage::arena) order.push_back(r);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return program.roots[a].elements > program.roots[b].elements;
  });
  std::vector<std::size_t> by_offset;  // those placed so far
  program.arena_elements = 0;
  for (const std::size_t r : order) {
    Root& root = program.roots[r];
    std::int64_t at = 0;
    for (const std::size_t p : by_offset) {
      const Root& other = program.roots[p];
      if (!keep_all && !lives[p].meets(lives[r])) continue;
      if (at + aligned(root.elements) <= other.offset) break;
      at = std::max(at, other.offset + aligned(other.elements));
    }
    root.offset = at;
    by_offset.insert(std::upper_bound(by_offset.begin(), by_offset.end(), at,
                                      [&](std::int64_t o, std::size_t p) {
                                        return o < program.roots[p].offset;
                                      }),
                     r);
    program.arena_elements = std::max(program.arena_elements, at + aligned(root.elements));
  }
}

}  // namespace gantry::compile
