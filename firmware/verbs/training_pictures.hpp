// What gantry sim writes for training a detector.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

namespace gantry {

struct TrainingOptions {
  std::string output;
  std::uint64_t seed = 1, pictures = 1;
  int size = 640;  // pixels, of both sides
};

// The folder's pictures.nv12 and boxes.jsonl (firmware/boxes_file.hpp). Throws std::runtime_error.
void write_training_pictures(const TrainingOptions& options);

}  // namespace gantry
