// The container of one output: muxes packets into a file or a stream that survives a sudden end.
//
// Files are written in pieces of half a second (MP4 fragments, Matroska clusters), which end where
// no picture that is shown earlier is still to come; the first piece is one picture. A piece is on
// the disk before the next one begins, so that a power cut costs no more than a killed process. When
// the disk fails the file is cut back to its last whole piece, and removed if there is none.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hal/media/av.hpp"
#include "hal/status.hpp"

namespace gantry {

class OutputFile;

// One thread. Streams are added, then open() is called, then packets are written.
class Container {
 public:
  // Set-up: chooses the format by the path's extension or the URL's scheme, and touches nothing.
  // Throws std::runtime_error on an unknown extension.
  explicit Container(std::string path);
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // Whether encoders must put their parameter sets into the header.
  bool wants_global_header() const;
  // Throws std::runtime_error where the format cannot carry the codec.
  void require_codec(AVCodecID codec) const;
  // Set-up: one more stream, as an open encoder makes it; answers its number.
  int add_stream(const AVCodecContext& encoder);
  // Set-up: creates or empties the file and writes the header. Throws std::runtime_error with path
  // and cause; no file is then left.
  void open();

  // Takes the packet, its times in the time base of the stream's encoder. The first stream is the
  // video. `lost`, with one log line, when it cannot be written; then for ever.
  Status write(AVPacket& packet, int stream) noexcept;
  // Writes what is left and the trailer; a file without a picture is removed. Idempotent.
  Status close() noexcept;

  const std::string& shown() const { return shown_; }
  std::uint64_t bytes() const;
  // What a reader of the file would find now: packets of the first stream, and where the last
  // picture ends.
  std::uint64_t packets_written() const { return written_.packets; }
  double duration_s() const { return written_.end_s; }

 private:
  struct FreeMuxer {
    void operator()(AVFormatContext* muxer) const noexcept { avformat_free_context(muxer); }
  };

  void open_target();
  Status end_piece() noexcept;
  Status fail(int code) noexcept;
  std::string cause(int code) const;

  std::string path_, shown_;
  std::unique_ptr<OutputFile> file_;  // null for URLs
  std::unique_ptr<AVFormatContext, FreeMuxer> muxer_;
  std::vector<AVRational> time_bases_;  // of the encoders
  bool header_written_ = false, closed_ = false, failed_ = false;
  std::int64_t whole_bytes_ = 0;  // a reader finds whole pieces up to here
  struct Extent {
    std::uint64_t packets = 0;
    double end_s = 0;
  };
  Extent taken_, written_;
  double piece_start_s_ = 0, last_start_s_ = 0;  // of the first stream
};

}  // namespace gantry
