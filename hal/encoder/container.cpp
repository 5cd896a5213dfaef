// Muxing, and what happens when a disk or a peer fails.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/container.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "hal/encoder/output_config.hpp"
#include "hal/encoder/output_file.hpp"
#include "hal/log/log.hpp"

namespace gantry {
namespace {

constexpr double kPiece_s = 0.5;
constexpr int kNetworkTimeout_s = 10;

const char* format_of(const std::string& path) {
  if (path.starts_with("rtmp://") || path.starts_with("rtmps://")) return "flv";
  if (is_url(path)) return "mpegts";
  const std::string extension = std::filesystem::path(path).extension();
  if (extension == ".mp4" || extension == ".m4v") return "mp4";
  if (extension == ".mkv") return "matroska";
  if (extension == ".ts") return "mpegts";
  if (extension == ".flv") return "flv";
  throw std::runtime_error(fmt::format(
      "{}: the extension '{}' says no container; use .mp4, .mkv, .ts or .flv", path, extension));
}

void refuse_missing_folder(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder, error))
    throw std::runtime_error(fmt::format("{}: the folder {} does not exist; make it: mkdir -p {}",
                                         path, folder.string(), folder.string()));
  if (fs::is_directory(path, error)) throw std::runtime_error(path + ": is a folder; name a file");
}

void set_format_options(const std::string& format, av::Options& options) {
  if (format == "mp4") {
    // The header stands in front and complete; every fragment can be read without the others, and
    // ends where end_piece() says.
    options.set("movflags", "+frag_custom+empty_moov+default_base_moof");
  } else if (format == "flv") {
    options.set("flvflags", "no_duration_filesize");
  }
}

}  // namespace

Container::Container(std::string path) : path_(std::move(path)), shown_(shown_path(path_)) {
  av::silence();
  if (path_.empty()) throw std::runtime_error("an output has no path; name a file or a URL");
  const char* format = format_of(path_);
  AVFormatContext* muxer = nullptr;
  if (const int r = avformat_alloc_output_context2(&muxer, nullptr, format, path_.c_str()); r < 0)
    throw std::runtime_error(shown_ + ": no muxer for " + format + ": " + av::error_text(r));
  muxer_.reset(muxer);
  muxer->flags |= AVFMT_FLAG_FLUSH_PACKETS | AVFMT_FLAG_CUSTOM_IO;
}

Container::~Container() {
  close();
  if (!file_ && muxer_->pb) avio_closep(&muxer_->pb);
}

bool Container::wants_global_header() const {
  return (muxer_->oformat->flags & AVFMT_GLOBALHEADER) != 0;
}

void Container::require_codec(AVCodecID codec) const {
  if (avformat_query_codec(muxer_->oformat, codec, FF_COMPLIANCE_NORMAL) == 0)
    throw std::runtime_error(fmt::format("{}: {} cannot carry {}; use .mp4, .mkv or .ts", shown_,
                                         muxer_->oformat->name, avcodec_get_name(codec)));
}

int Container::add_stream(const AVCodecContext& encoder) {
  AVStream* stream = avformat_new_stream(muxer_.get(), nullptr);
  if (!stream) throw std::bad_alloc();
  avcodec_parameters_from_context(stream->codecpar, &encoder);
  stream->time_base = encoder.time_base;
  stream->avg_frame_rate = encoder.framerate;
  stream->codecpar->codec_tag = 0;
  const bool mp4 = std::string(muxer_->oformat->name) == "mp4";
  if (mp4 && encoder.codec_id == AV_CODEC_ID_HEVC)
    stream->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');  // Apple's players know no other
  time_bases_.push_back(encoder.time_base);
  return stream->index;
}

void Container::open() {
  av::forget_messages();
  open_target();
  av::Options options;
  set_format_options(muxer_->oformat->name, options);
  const int r = avformat_write_header(muxer_.get(), options.address());
  if (r >= 0) avio_flush(muxer_->pb);
  const int code = r < 0 ? r : muxer_->pb->error;
  if (code < 0) {
    failed_ = true;
    if (file_) file_->discard();
    throw std::runtime_error(shown_ + ": its header cannot be written: " + cause(code));
  }
  header_written_ = true;
  whole_bytes_ = file_ ? file_->bytes() : 0;
}

void Container::open_target() {
  if (!is_url(path_)) {
    refuse_missing_folder(path_);
    file_ = std::make_unique<OutputFile>(path_);
    muxer_->pb = file_->io();
    return;
  }
  av::Options options;
  options.set("rw_timeout", std::to_string(kNetworkTimeout_s * 1'000'000));
  if (const int r =
          avio_open2(&muxer_->pb, path_.c_str(), AVIO_FLAG_WRITE, nullptr, options.address());
      r < 0)
    throw std::runtime_error(shown_ + ": cannot be opened: " + cause(r));
}

Status Container::write(AVPacket& packet, int stream) noexcept {
  if (failed_ || closed_) return Status::lost;
  av::forget_messages();
  const AVRational time_base = time_bases_[static_cast<std::size_t>(stream)];
  const double start_s = static_cast<double>(packet.pts) * av_q2d(time_base);
  const double end_s = static_cast<double>(packet.pts + packet.duration) * av_q2d(time_base);
  // Before a picture that is shown after all that came, no picture in between is missing.
  const bool in_order = stream == 0 && taken_.packets > 0 && start_s > last_start_s_;
  if (in_order && (written_.packets == 0 || start_s - piece_start_s_ >= kPiece_s)) {
    if (end_piece() != Status::ok) return Status::lost;
    piece_start_s_ = start_s;
  }
  last_start_s_ = std::max(last_start_s_, start_s);
  packet.stream_index = stream;
  av_packet_rescale_ts(&packet, time_base, muxer_->streams[stream]->time_base);
  int r = av_interleaved_write_frame(muxer_.get(), &packet);
  if (r >= 0) r = muxer_->pb->error;
  if (r < 0) return fail(r);
  if (stream == 0) ++taken_.packets;
  taken_.end_s = std::max(taken_.end_s, end_s);
  return Status::ok;
}

Status Container::end_piece() noexcept {
  int r = av_write_frame(muxer_.get(), nullptr);
  if (r >= 0) {
    avio_flush(muxer_->pb);
    r = muxer_->pb->error;
  }
  if (r >= 0 && file_ && file_->is_deleted()) r = AVERROR(ENOENT);
  if (r >= 0 && file_) r = file_->sync();
  if (r < 0) return fail(r);
  written_ = taken_;
  if (file_) whole_bytes_ = file_->bytes();
  return Status::ok;
}

std::string Container::cause(int code) const {
  if (file_ && file_->is_deleted()) return "the file was deleted";
  std::string text = av::error_text(code);
  for (auto at = text.find(path_); at != std::string::npos && shown_ != path_;
       at = text.find(path_))
    text.replace(at, path_.size(), "it");
  return text;
}

Status Container::fail(int code) noexcept {
  failed_ = true;
  log::error("output {}: cannot be written any more: {}; {} pictures are kept", shown_, cause(code),
             written_.packets);
  if (!file_) return Status::lost;
  file_->cut_to(whole_bytes_);
  if (written_.packets == 0) file_->discard();
  return Status::lost;
}

Status Container::close() noexcept {
  if (closed_ || !header_written_) return failed_ ? Status::lost : Status::ok;
  closed_ = true;
  if (failed_) return Status::lost;
  if (file_ && taken_.packets == 0) {
    log::warning("output {}: not one picture came; the file is removed", shown_);
    file_->discard();
    return Status::ok;
  }
  av::forget_messages();
  int r = av_write_trailer(muxer_.get());
  if (r >= 0) {
    avio_flush(muxer_->pb);
    r = muxer_->pb->error;
  }
  if (r >= 0 && file_) r = file_->close();
  if (r < 0) return fail(r);
  written_ = taken_;
  return Status::ok;
}

std::uint64_t Container::bytes() const {
  const std::int64_t n = file_ ? (failed_ ? whole_bytes_ : file_->bytes())
                               : (muxer_->pb ? muxer_->pb->bytes_written : 0);
  return static_cast<std::uint64_t>(n);
}

}  // namespace gantry
