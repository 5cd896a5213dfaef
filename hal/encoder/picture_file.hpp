// Single pictures from and to files: still images for the command line, the run's panorama.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <filesystem>
#include <vector>

#include "hal/camera/rig.hpp"
#include "hal/memory/surface.hpp"

namespace gantry {

// An NV12 picture in host memory of its own.
struct Picture {
  Nv12Layout layout;
  std::vector<std::byte> bytes;  // layout.bytes()
};

enum class OddSize {
  refuse,  // where pixels have a meaning, as in a rig
  crop,    // leaves out the last column or row
};

// Loads the first picture of any file that FFmpeg reads, in the given matrix and range. Throws
// std::runtime_error naming the file, what is wrong and what would be right.
Picture load_picture(const std::filesystem::path& path, ColourMatrix matrix, ColourRange range,
                     OddSize odd_size = OddSize::refuse);
// The same into a surface's host bytes; also throws if its size differs from the surface's.
void load_picture(const std::filesystem::path& path, ColourMatrix matrix, ColourRange range,
                  Surface& surface);

// Saves an NV12 picture (`host` is layout.bytes() long) as an RGB PNG: first under a name of its
// own beside `path`, then renamed, so that `path` never holds half a picture. Throws
// std::runtime_error. Takes about a second for ten megapixels; not for frame threads.
void save_png(const std::filesystem::path& path, const Nv12Layout& layout, const std::byte* host,
              ColourMatrix matrix, ColourRange range);

}  // namespace gantry
