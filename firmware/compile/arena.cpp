// The arena: every activation's place, from the steps that touch it first and last.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <numeric>

#include "firmware/compile/program.hpp"

namespace gantry::compile {
namespace {

constexpr std::int64_t kAlignment = 256;  // bytes: four cache lines, OpenCL's base alignment twice

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

std::int64_t bytes_of(const Root& root) {
  const std::int64_t bytes = root.elements * size_of(root.element);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

// Large ones first, each at the lowest place that no living neighbour occupies.
void lay_out_arena(Program& program, bool keep_all) {
  const auto lives = lives_of(program);
  std::vector<std::size_t> order;
  for (std::size_t r = 0; r < program.roots.size(); ++r)
    if (program.roots[r].storage == Plan::Storage::arena) order.push_back(r);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return bytes_of(program.roots[a]) > bytes_of(program.roots[b]);
  });
  struct Placed {
    std::int64_t at = 0;  // bytes
    std::size_t root = 0;
  };
  std::vector<Placed> placed;  // by place
  program.arena_bytes = 0;
  for (const std::size_t r : order) {
    const std::int64_t bytes = bytes_of(program.roots[r]);
    std::int64_t at = 0;
    for (const Placed& p : placed) {
      if (!keep_all && !lives[p.root].meets(lives[r])) continue;
      if (at + bytes <= p.at) break;
      at = std::max(at, p.at + bytes_of(program.roots[p.root]));
    }
    program.roots[r].offset = at / size_of(program.roots[r].element);
    const Placed here{at, r};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), here,
                                   [](const Placed& a, const Placed& b) { return a.at < b.at; }),
                  here);
    program.arena_bytes = std::max(program.arena_bytes, at + bytes);
  }
}

}  // namespace gantry::compile
