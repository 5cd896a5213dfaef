// Opening, decoding and rewinding a file; FFmpeg's refusals in words that help.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/file_reader.hpp"

#include <exception>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr int kMostErrorsAtEnd = 64;  // a decoder that never says "end" is left alone after these
constexpr AVRational kNanoseconds{1, 1'000'000'000};

bool is_plain_file(const std::string& path) {
  return path.find("://") == std::string::npos && path.find('%') == std::string::npos;
}

// Text files: FFmpeg renders them as pictures, which nobody films.
bool is_text_art(AVCodecID id) {
  return id == AV_CODEC_ID_ANSI || id == AV_CODEC_ID_BINTEXT || id == AV_CODEC_ID_XBIN ||
         id == AV_CODEC_ID_IDF;
}

bool is_usable_rate(AVRational rate) {
  return rate.num > 0 && rate.den > 0 && av_q2d(rate) >= 0.1 && av_q2d(rate) <= 1000;
}

}  // namespace

FileReader::FileReader(std::string path, int threads, double pictures_per_second)
    : path_(std::move(path)),
      threads_(threads),
      pictures_per_second_(pictures_per_second > 0 ? pictures_per_second : 25),
      packet_(av::make_packet()),
      frame_(av::make_frame()),
      incoming_(av::make_frame()) {
  av::silence();
  refuse_missing_file();
  open();
  describe();
}

void FileReader::refuse(const std::string& cause) const {
  throw std::runtime_error(path_ + ": " + cause);
}

void FileReader::refuse_missing_file() const {
  namespace fs = std::filesystem;
  if (path_.empty()) throw std::runtime_error("no file name given; name a video or a picture");
  if (!is_plain_file(path_)) return;
  std::error_code error;
  const auto status = fs::status(path_, error);
  if (!fs::exists(status))
    refuse("no such file; check the path, which is relative to the file that names it");
  if (fs::is_directory(status))
    refuse("is a folder; name a video file, or pictures by a pattern such as " + path_ +
           "/%05d.png");
  if (fs::is_regular_file(status) && fs::file_size(path_, error) == 0)
    refuse("is empty (0 bytes); the recording was never written");
}

void FileReader::open() {
  av::forget_messages();
  open_demuxer();
  open_decoder();
  refuse_if_cut_short();
  pictures_ = 0;
  drained_ = false;
  error_ = 0;
  if (decode_next() != Status::ok)
    refuse(
        fmt::format("no picture of its {} video can be decoded: {}; the file is cut short or "
                    "damaged, take another copy",
                    avcodec_get_name(stream_->codecpar->codec_id),
                    av::error_text(error_ ? error_ : AVERROR_INVALIDDATA)));
  first_pending_ = true;
  first_stamp_ns_ = stamp_ns();
}

void FileReader::open_demuxer() {
  AVFormatContext* context = avformat_alloc_context();
  if (!context) throw std::bad_alloc();
  context->interrupt_callback.opaque = &interrupted_;
  context->interrupt_callback.callback = [](void* flag) -> int {
    return static_cast<std::atomic<bool>*>(flag)->load(std::memory_order_relaxed);
  };
  av::Options options;
  options.set("framerate", fmt::format("{}", pictures_per_second_));
  const int opened = avformat_open_input(&context, path_.c_str(), nullptr, options.address());
  if (opened < 0)  // FFmpeg has freed the context
    refuse(
        fmt::format("cannot be opened as a video or picture: {}; if it is a recording that was cut "
                    "short, take another copy, else convert it: ffmpeg -i IN -c:v libx264 OUT.mkv",
                    av::error_text(opened)));
  demuxer_.reset(context);
  const int found = avformat_find_stream_info(context, nullptr);
  if (found < 0) refuse("its streams cannot be read: " + av::error_text(found));
  const int best = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (best < 0 || (context->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC))
    refuse("has no video stream (sound or data only); name a video or a picture");
  stream_ = context->streams[best];
  if (is_text_art(stream_->codecpar->codec_id)) refuse("is a text, not a video or a picture");
  for (unsigned i = 0; i < context->nb_streams; ++i)
    if (context->streams[i] != stream_) context->streams[i]->discard = AVDISCARD_ALL;
}

void FileReader::open_decoder() {
  const AVCodec* codec = avcodec_find_decoder(stream_->codecpar->codec_id);
  const char* name = avcodec_get_name(stream_->codecpar->codec_id);
  if (!codec)
    refuse(
        fmt::format("its video is {}, which this FFmpeg cannot decode; convert it: ffmpeg -i IN "
                    "-c:v libx264 OUT.mkv",
                    name));
  decoder_.reset(avcodec_alloc_context3(codec));
  if (!decoder_) throw std::bad_alloc();
  avcodec_parameters_to_context(decoder_.get(), stream_->codecpar);
  decoder_->pkt_timebase = stream_->time_base;
  decoder_->thread_count = threads_;
  if (const int r = avcodec_open2(decoder_.get(), codec, nullptr); r < 0)
    refuse(fmt::format("the {} decoder refuses it: {}", name, av::error_text(r)));
}

// A file whose index stands in front knows what is missing behind. Recordings that are written in
// fragments may lack the end of the last one; that is no reason to refuse them.
void FileReader::refuse_if_cut_short() const {
  const int count = avformat_index_get_entries_count(stream_);
  const std::int64_t size = demuxer_->pb ? avio_size(demuxer_->pb) : -1;
  if (count == 0 || size <= 0) return;
  int missing = 0;
  while (missing < count) {
    const AVIndexEntry* entry = avformat_index_get_entry(stream_, count - 1 - missing);
    if (entry->pos + entry->size <= size) break;
    ++missing;
  }
  if (missing * 20 <= count) return;
  const auto time_of = [&](int i) { return avformat_index_get_entry(stream_, i)->timestamp; };
  const auto ticks = time_of(count - 1) - time_of(count - missing);
  if (static_cast<double>(ticks) * av_q2d(stream_->time_base) < 2) return;
  refuse(
      fmt::format("is cut short: its index promises {} pictures, the last {} are missing; take "
                  "another copy, or keep what is there: ffmpeg -i IN -c copy OUT.mkv",
                  count, missing));
}

void FileReader::describe() {
  const AVFrame& first = *frame_;
  info_.format.width = first.width;
  info_.format.height = first.height;
  double rate = pictures_per_second_;
  for (const AVRational r : {stream_->avg_frame_rate, stream_->r_frame_rate,
                             av_guess_frame_rate(demuxer_.get(), stream_, frame_.get())})
    if (is_usable_rate(r)) {
      rate = av_q2d(r);
      break;
    }
  info_.format.frames_per_second = rate;
  if (stream_->duration > 0)
    info_.duration_s = static_cast<double>(stream_->duration) * av_q2d(stream_->time_base);
  else if (demuxer_->duration > 0 &&
           demuxer_->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE)
    info_.duration_s = static_cast<double>(demuxer_->duration) / AV_TIME_BASE;
  info_.container = demuxer_->iformat->name;
  info_.codec = avcodec_get_name(stream_->codecpar->codec_id);
  const char* pixels = av_get_pix_fmt_name(static_cast<AVPixelFormat>(first.format));
  info_.pixel_format = pixels ? pixels : "";
  info_.matrix = av::matrix_of(first);
  info_.range = av::range_of(first);
}

std::int64_t FileReader::stamp_ns() const noexcept {
  const std::int64_t stamp = frame_->best_effort_timestamp;
  if (stamp == AV_NOPTS_VALUE) return FileTimeline::kNoStamp;
  return av_rescale_q(stamp, stream_->time_base, kNanoseconds);
}

Status FileReader::next() noexcept {
  if (first_pending_) {
    first_pending_ = false;
    return Status::ok;
  }
  return decode_next();
}

Status FileReader::decode_next() noexcept {
  for (int errors_at_end = 0; errors_at_end < kMostErrorsAtEnd;) {
    const int received = avcodec_receive_frame(decoder_.get(), incoming_.get());
    if (received == 0) {
      frame_.swap(incoming_);
      ++pictures_;
      return Status::ok;
    }
    if (received == AVERROR_EOF) return Status::end;
    if (received != AVERROR(EAGAIN)) ++damaged_;
    if (drained_)
      ++errors_at_end;
    else
      feed();
  }
  return Status::end;
}

// Gives the decoder its next packet, or tells it that there is none.
void FileReader::feed() noexcept {
  int r;
  do {
    av_packet_unref(packet_.get());
    r = av_read_frame(demuxer_.get(), packet_.get());
  } while (r >= 0 && packet_->stream_index != stream_->index);
  if (r < 0) {
    drained_ = true;
    const int device = demuxer_->pb ? demuxer_->pb->error : 0;  // a read error may pass for an end
    error_ = r != AVERROR_EOF ? r : device != AVERROR_EOF ? device : 0;
    avcodec_send_packet(decoder_.get(), nullptr);
    return;
  }
  const int sent = avcodec_send_packet(decoder_.get(), packet_.get());
  if (sent < 0 && sent != AVERROR(EAGAIN)) ++damaged_;
}

Status FileReader::rewind() noexcept try {
  if (pictures_ == 1 || seek_to_start()) {
    first_pending_ = true;  // a still picture stays decoded
    return Status::ok;
  }
  open();
  return Status::ok;
} catch (const std::exception&) {
  error_ = error_ ? error_ : AVERROR_INVALIDDATA;
  return Status::lost;
}

// True if the first picture was found again. Raw streams cannot seek; they are opened anew.
bool FileReader::seek_to_start() noexcept {
  if (first_stamp_ns_ == FileTimeline::kNoStamp) return false;
  const std::int64_t start = stream_->start_time == AV_NOPTS_VALUE ? 0 : stream_->start_time;
  if (avformat_seek_file(demuxer_.get(), stream_->index, INT64_MIN, start, start, 0) < 0)
    return false;
  avcodec_flush_buffers(decoder_.get());
  pictures_ = 0;
  drained_ = false;
  error_ = 0;
  return decode_next() == Status::ok && stamp_ns() == first_stamp_ns_;
}

}  // namespace gantry
