// An encoder output: takes NV12 pictures in order of time and leaves a file or a stream.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "hal/memory/surface.hpp"

namespace gantry {

struct EncoderReport {
  std::string path, codec;   // codec: the encoder that runs, for example "libx264"
  std::uint64_t frames = 0;  // pictures that reached the container
  double duration_s = 0;
  std::uint64_t bytes = 0;
};

// Set-up (construction) throws std::runtime_error naming the path, codec or device. After seal()
// one thread of its own calls write() and finish(): codecs allocate inside.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Reads the surface's host bytes before it returns or keeps a share of it. `presentation_ns`
  // grows strictly. Answers `lost` when the file or peer cannot be written any more (disk full,
  // gone).
  virtual Status write(const SurfaceRef& surface, std::int64_t presentation_ns) noexcept = 0;
  // Flushes what is left and closes; the file then is complete. Idempotent.
  virtual Status finish() noexcept = 0;
  // What has been written; the encoder's thread, or any after finish().
  virtual EncoderReport report() const = 0;
};

}  // namespace gantry
