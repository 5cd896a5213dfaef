// Rig files: the cameras, their lenses and the panorama, as TOML (firmware/config/rigs/*.toml).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "hal/camera/rig.hpp"
#include "pipeline/stitch_mesh.hpp"

namespace gantry {

struct RigFile {
  Rig rig;  // its lenses have the sizes of the file; scaled_to() fits them to the pictures at hand
  Uncovered uncovered = Uncovered::refuse;
  // Folder of full-size look-up tables (pipeline/lut_import.hpp) that say where the pixels come from,
  // instead of lenses and mountings; of the lenses only the picture size is looked at then.
  std::filesystem::path luts;
};

// Set-up. Throws std::runtime_error that names the file, the line, the key and what would be right,
// for unknown, missing, mistyped, not finite and out-of-range keys.
RigFile read_rig_file(const std::filesystem::path& file);
// The same for text at hand; `name` stands for the file in messages.
RigFile parse_rig_file(std::string_view text, const std::string& name);

// Brings a camera's lens to pictures of this size. Throws std::runtime_error if their shape differs
// from the rig's, or, with look-up tables, their size.
void fit_pictures(RigFile& rig, std::size_t camera, int width, int height);
// The mesh of the rig. Throws as make_stitch_mesh() and mesh_from_luts().
StitchMesh make_mesh(const RigFile& rig);

// The text that parse_rig_file() reads back to the same rig, to ten digits.
std::string rig_file_text(const RigFile& rig);
// Writes it whole or not at all: through a file beside it that is renamed. Throws
// std::runtime_error naming the file.
void write_rig_file(const std::filesystem::path& file, const RigFile& rig);

}  // namespace gantry
