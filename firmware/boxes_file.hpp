// boxes.jsonl: which balls and persons each picture of a folder shows; written by `gantry sim`, read
// by `gantry eval` and by training.
//
// One line of JSON per picture:
//   {"picture": "left-000000.png", "objects": [{"class": "ball", "box": [left, top, right, bottom],
//    "visible": 0.8, "diameter": 7.5}, ...]}
// Boxes in pixel edges (pixel centres are whole numbers), whole, also where they reach beyond the
// picture. "visible": share of it that the picture shows. "diameter": of a ball at rest, in pixels.
// A picture may also be one of many in a raw NV12 file (BT.709, limited range, rows without padding):
// then "index", "width" and "height" are given.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hal/camera/sim_boxes.hpp"
#include "hal/memory/surface.hpp"

namespace gantry {

struct PictureTruth {
  std::filesystem::path picture;
  std::int64_t index = -1;    // in a raw file; -1: a picture file of its own
  int width = 0, height = 0;  // of a raw picture
  std::vector<SimObject> objects;
};

class BoxesWriter {
 public:
  // Throws std::runtime_error where the folder cannot be written to; so do the calls.
  explicit BoxesWriter(const std::filesystem::path& folder);
  void add(const PictureTruth& truth);

 private:
  std::filesystem::path file_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out_;
};

// The raw file that lines of boxes.jsonl point into.
class RawPicturesWriter {
 public:
  static constexpr const char* kName = "pictures.nv12";

  // Throws std::runtime_error where the folder cannot be written to; so do the calls.
  explicit RawPicturesWriter(const std::filesystem::path& folder);
  // Rows without their padding: first luma, then chroma.
  void add(const Nv12Layout& layout, const std::byte* picture);

 private:
  std::filesystem::path file_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out_;
};

// Throws std::runtime_error naming the file and line, and what would be right.
std::vector<PictureTruth> read_boxes(const std::filesystem::path& folder);

}  // namespace gantry
