// One line a tile: its six numbers, then the work.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/tile_table.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "kernels/sources.hpp"
#include "pipeline/plan/plan_format.hpp"

namespace gantry {
namespace {

std::string work_name(const Plan::Step& step, const TensorWork& w) {
  return fmt::format("{}x{}x{} {} {}{}", w.images, w.height, w.width, w.fragments, w.k_blocks,
                     own_options(step));
}

std::uint64_t hash(std::string_view s, std::uint64_t seed) {
  return plan_format::checksum(std::as_bytes(std::span(s)), seed);
}

}  // namespace

TileTable::TileTable(const gpu::Device& device) {
  if (device.program_cache().empty()) return;
  const auto& info = device.info();
  const std::uint64_t key =
      hash(kernels::source("nn_tensor"), hash(info.name + "|" + info.driver, 1));
  file_ = device.program_cache() / fmt::format("tiles-{:016x}.txt", key);
  std::ifstream in(file_);
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    TensorTile t;
    std::string name;
    if (fields >> t.across >> t.down >> t.channels >> t.warps_m >> t.warps_n >> t.prefetch &&
        fields.get() == ' ' && std::getline(fields, name))
      tiles_[name] = t;
  }
}

bool TileTable::has(const Plan::Step& step, const TensorWork& work) const {
  return tiles_.contains(work_name(step, work));
}

TensorTile TileTable::tile(const Plan::Step& step, const TensorWork& work) const {
  const auto found = tiles_.find(work_name(step, work));
  // A file may hold anything: only tiles that fit are taken.
  return found != tiles_.end() && fits(work, found->second) ? found->second : usual_tile(work);
}

void TileTable::set(const Plan::Step& step, const TensorWork& work, const TensorTile& tile) {
  tiles_[work_name(step, work)] = tile;
}

void TileTable::save() const {
  if (file_.empty()) throw std::runtime_error("no folder for compiled programs to keep tiles in");
  const std::filesystem::path partial = file_.string() + ".part";
  {
    std::ofstream out(partial);
    for (const auto& [name, t] : tiles_)
      out << fmt::format("{} {} {} {} {} {} {}\n", t.across, t.down, t.channels, t.warps_m,
                         t.warps_n, static_cast<int>(t.prefetch), name);
    if (!out.flush()) throw std::runtime_error(partial.string() + ": cannot be written");
  }
  std::filesystem::rename(partial, file_);
}

}  // namespace gantry
