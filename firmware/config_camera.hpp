// The tables [[camera]] of gantry.toml.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "firmware/config.hpp"
#include "firmware/toml_reader.hpp"

namespace gantry {

// One table. Throws std::runtime_error naming file, key and what would be right.
CameraConfig read_camera(TomlReader t);
// What cameras must be together; `t`: the file's own table. Throws likewise.
void check_cameras(const TomlReader& t, const Config& config);

}  // namespace gantry
