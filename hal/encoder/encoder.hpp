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
// one thread of its own calls everything but report(): codecs allocate inside.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Reads the surface's host bytes before it returns or keeps a share of it. `presentation_ns`
  // grows strictly. Answers `lost` when the file or peer cannot be written any more (disk full,
  // gone); until reopen() has answered `ok`.
  virtual Status write(const SurfaceRef& surface, std::int64_t presentation_ns) noexcept = 0;
  // Whether pictures can be written: false after `lost`, and before a peer was first connected to.
  virtual bool open() const noexcept = 0;
  // While not open: one attempt to begin anew, a file under its next free number, a stream with a
  // new connection. `ok` or `lost`.
  virtual Status reopen() noexcept = 0;
  // Pictures that have reached the file or peer, since the start.
  virtual std::uint64_t frames_written() const noexcept = 0;
  // Flushes what is left and closes; the file then is complete. Idempotent.
  virtual Status finish() noexcept = 0;
  // What has been written; the encoder's thread, or any after finish().
  virtual EncoderReport report() const = 0;
};

}  // namespace gantry
