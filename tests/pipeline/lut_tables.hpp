// The look-up tables that a generator of earlier systems would have written for a rig.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <vector>

#include "pipeline/lut_import.hpp"
#include "tests/pipeline/test_rigs.hpp"

namespace gantry::test {

// Exact positions, weights that cross over linearly within 3° of the middle, all turned by 180°.
inline LookUpTables tables_of(const Rig& rig) {
  LookUpTables luts;
  luts.width = rig.panorama.width;
  luts.height = rig.panorama.height;
  const std::size_t count = static_cast<std::size_t>(luts.width) * luts.height;
  for (std::size_t c = 0; c < 2; ++c) {
    LookUpTables::Camera& out = luts.cameras[c];
    out.x.assign(count, 0);
    out.y.assign(count, 0);
    out.weight.assign(count, 0);
    const Rotation rotation = camera_from_panorama(rig.cameras[c].mounting);
    const LensProjection lens(rig.cameras[c].lens);
    for (int y = 0; y < luts.height; ++y)
      for (int x = 0; x < luts.width; ++x) {
        const double yaw = rig.panorama.yaw_of(x), pitch = rig.panorama.pitch_of(y);
        const auto pixel = lens.project(apply(rotation, direction_of(yaw, pitch)));
        if (!pixel || std::abs(pixel->x) > 9000 || std::abs(pixel->y) > 9000) continue;
        const std::size_t n = count - 1 - (static_cast<std::size_t>(y) * luts.width + x);
        out.x[n] = static_cast<float>(pixel->x);
        out.y[n] = static_cast<float>(pixel->y);
        const double side = (c ? 1 : -1) * yaw / (3 * kDegree);
        const bool inside = pixel->x >= 0 && pixel->y >= 0 &&
                            pixel->x < rig.cameras[c].lens.width &&
                            pixel->y < rig.cameras[c].lens.height;
        if (inside) out.weight[n] = static_cast<float>(std::clamp(0.5 + 0.5 * side, 0.0, 1.0));
      }
  }
  return luts;
}

inline void write_floats(const std::filesystem::path& file, const std::vector<float>& values) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
}

// The six files of such a folder.
inline void write_lut_folder(const std::filesystem::path& folder, const LookUpTables& luts) {
  const char* names[] = {"left", "right"};
  for (std::size_t c = 0; c < 2; ++c) {
    const std::string name = names[c];
    write_floats(folder / ("lut_" + name + "_x.bin"), luts.cameras[c].x);
    write_floats(folder / ("lut_" + name + "_y.bin"), luts.cameras[c].y);
    write_floats(folder / ("weight_" + name + ".bin"), luts.cameras[c].weight);
  }
}

}  // namespace gantry::test
