// The same stitch by OpenCV: remap of the I420 planes with precomputed maps, averaged overlap.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "hal/camera/rig.hpp"

namespace gantry {

class OpencvPeer {
 public:
  // Two cameras. `nv12`: their pictures, rows without padding; they are split into planes here, so
  // that the peer does not pay for it.
  OpencvPeer(const Rig& rig, std::span<const std::uint8_t> first,
             std::span<const std::uint8_t> second);
  ~OpencvPeer();
  // One panorama on two threads: luma and both chroma planes, with a blend over 400 columns.
  void stitch();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gantry
