// Any bytes as look-up tables of a small panorama: refused with a message, or a sound mesh.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <stdexcept>

#include "pipeline/lut_import.hpp"

namespace {

constexpr int kWidth = 48, kHeight = 24, kCameraWidth = 64, kCameraHeight = 36;

void require(bool promise) {
  if (!promise) std::abort();
}

void check(const gantry::StitchMesh& mesh) {
  for (std::size_t n = 0; n < mesh.cameras[0].nodes.size(); ++n) {
    double sum = 0;
    for (const gantry::CameraMesh& camera : mesh.cameras) {
      const gantry::MeshNode& node = camera.nodes[n];
      require(node.x >= 1.125f && node.x <= kCameraWidth - 2.125f);
      require(node.y >= 1.125f && node.y <= kCameraHeight - 2.125f);
      require(node.weight >= 0 && node.weight <= 1);
      sum += node.weight;
    }
    require(sum == 0 || std::abs(sum - 1) < 1e-5);
  }
}

}  // namespace

// Six tables one after another; missing bytes make short tables.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const std::size_t table = sizeof(float) * kWidth * kHeight;
  const auto cut = [&](std::size_t number, gantry::LutKind kind) {
    const std::size_t from = std::min(number * table, size);
    return gantry::decode_lut(bytes.subspan(from, std::min(table, size - from)), kWidth, kHeight,
                              kind, "table");
  };
  try {
    gantry::LookUpTables luts;
    luts.width = kWidth;
    luts.height = kHeight;
    for (std::size_t c = 0; c < 2; ++c) {
      luts.cameras[c].x = cut(3 * c, gantry::LutKind::position);
      luts.cameras[c].y = cut(3 * c + 1, gantry::LutKind::position);
      luts.cameras[c].weight = cut(3 * c + 2, gantry::LutKind::weight);
    }
    check(gantry::mesh_from_luts(luts, kCameraWidth, kCameraHeight));
  } catch (const std::runtime_error&) {
  }
  return 0;
}
