// The real panorama of the shared footage as the world that a rig films.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "tests/paths.hpp"
#include "tests/pipeline/nv12_picture.hpp"
#include "tests/pipeline/test_rigs.hpp"

namespace gantry::test {

inline constexpr int kRealWidth = 3840, kRealHeight = 288;  // the part without black

// That part, reduced `reduction` times (1, 2, 4, 8); empty where the footage or ffmpeg is absent.
inline std::optional<Nv12Picture> read_real_panorama(int reduction) {
  const int width = kRealWidth / reduction, height = kRealHeight / reduction;
  return read_picture(GANTRY_SOURCE_DIR "/../shared/footage/soccer_panorama_4096x1080.png",
                      "crop=3840:288:160:388,scale=" + std::to_string(width) + ":" +
                          std::to_string(height) + ":flags=area",
                      width, height);
}

// The two-camera rig whose panorama has the size and the extents of that part.
inline Rig real_panorama_rig(int reduction, int camera_width, int camera_height) {
  Rig rig =
      parity_rig(kRealWidth / reduction, kRealHeight / reduction, camera_width, camera_height);
  const double pixel = 180.0 / 4096 * kDegree;
  rig.panorama.yaw_left = -0.5 * kRealWidth * pixel;
  rig.panorama.yaw_right = 0.5 * kRealWidth * pixel;
  rig.panorama.pitch_top = 3 * kDegree;
  rig.panorama.pitch_bottom = 3 * kDegree - kRealHeight * pixel;
  return rig;
}

}  // namespace gantry::test
