// The encoder of the product: libavcodec into a file or a stream by libavformat.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>

#include "hal/encoder/encoder.hpp"
#include "hal/encoder/output_config.hpp"

namespace gantry {

// Pictures reach the encoder without a copy of ours where it reads NV12 from host memory; the
// surface is shared until the encoder has let go of it (libx264 and the hardware encoders: before
// write() returns). The surface's host bytes must be valid when write() is called.
//
// Times: the pictures keep their distance from the first, rounded to 1/90000 s (Matroska and FLV:
// 1/1000 s). The first is at 0 in Matroska; elsewhere at what the encoder's reordering needs, at
// most a few pictures, which is the same for all streams of the file. A file holds at any moment
// all but the last second at most, whatever ends the process.
class LibavEncoder final : public Encoder {
 public:
  // Set-up. Throws std::invalid_argument on a bad setting and std::runtime_error on a path, codec
  // or device; the file is created last, so that nothing is left behind. With open_later only
  // settings are refused.
  explicit LibavEncoder(const EncoderConfig& config);
  // Finishes.
  ~LibavEncoder() override;

  // Answers `dropped` to a picture whose instant does not grow, `lost` (with one log line) once the
  // file or peer cannot be written any more.
  Status write(const SurfaceRef& surface, std::int64_t presentation_ns) noexcept override;
  bool open() const noexcept override { return media_ && !failed_ && !finished_; }
  // Takes up to the connection's time-out where the peer does not answer. A cause is logged once.
  Status reopen() noexcept override;
  std::uint64_t frames_written() const noexcept override;
  Status finish() noexcept override;
  // Of all files or connections together; the path is the one configured.
  EncoderReport report() const override;

 private:
  struct Media;  // FFmpeg's part
  void begin();
  void end_part() noexcept;
  Status write_packets() noexcept;
  Status fail(const char* what, int code) noexcept;

  EncoderConfig config_;
  std::string shown_, codec_;
  std::unique_ptr<Media> media_;  // of the current file or connection
  EncoderReport former_;          // of those before
  std::string cause_;             // why the last reopen() failed
  std::optional<std::int64_t> first_ns_;
  std::int64_t last_pts_ = -1;
  bool failed_ = false, finished_ = false;
};

}  // namespace gantry
