// Any bytes as a rig file: refused with a message, or a rig that a mesh can be tried on.
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "firmware/rig_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    gantry::RigFile file =
        gantry::parse_rig_file({reinterpret_cast<const char*>(data), size}, "rig.toml");
    file.rig.panorama.width = 512;  // the size decides only how long a run takes
    file.rig.panorama.height = 256;
    gantry::parse_rig_file(gantry::rig_file_text(file), "again.toml");
    gantry::make_stitch_mesh(file.rig, file.uncovered);
  } catch (const std::runtime_error&) {
  }
  return 0;
}
