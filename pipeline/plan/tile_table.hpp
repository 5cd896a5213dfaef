// Tiles that `gantry tune` found to be the fastest on a device: a small text file beside its compiled
// programs, keyed by device, driver and kernel source.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "hal/gpu/gpu.hpp"
#include "pipeline/plan/tensor_tiles.hpp"

namespace gantry {

class TileTable {
 public:
  // What is stored for the device; empty where nothing is, where the file is damaged, or where the
  // device keeps no programs. Set-up.
  explicit TileTable(const gpu::Device& device);

  // The tile for a step's work; the usual one where none was found.
  TensorTile tile(const Plan::Step& step, const TensorWork& work) const;
  void set(const Plan::Step& step, const TensorWork& work, const TensorTile& tile);
  bool has(const Plan::Step& step, const TensorWork& work) const;
  // Throws std::runtime_error naming the file.
  void save() const;
  const std::filesystem::path& file() const { return file_; }

 private:
  std::filesystem::path file_;
  std::map<std::string, TensorTile> tiles_;
};

}  // namespace gantry
