// Still pictures by FFmpeg's decoders and its PNG encoder.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/picture_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <system_error>

#include <unistd.h>

extern "C" {
#include <libswscale/swscale.h>
}
#include <fmt/format.h>

#include "hal/camera/file_reader.hpp"
#include "hal/media/nv12_converter.hpp"

namespace gantry {
namespace {

void convert(const FileReader& reader, const std::filesystem::path& path, ColourMatrix matrix,
             ColourRange range, const Nv12Layout& layout, void* host) {
  av::Nv12Converter converter(matrix, range);
  if (!converter.convert(reader.frame(), layout, static_cast<std::uint8_t*>(host)))
    throw std::runtime_error(path.string() + ": its pixels (" + reader.info().pixel_format +
                             ") cannot be converted to NV12");
}

Nv12Layout layout_for(const std::filesystem::path& path, const CameraFormat& f, OddSize odd_size) {
  const int width = f.width & ~1, height = f.height & ~1;
  const bool fits = width > 0 && height > 0 && width <= 32768 && height <= 32768;
  if (!fits || (odd_size == OddSize::refuse && (width != f.width || height != f.height)))
    throw std::runtime_error(
        fmt::format("{}: {}x{} pixels; width and height must be even and from 2 to 32768. Crop it: "
                    "ffmpeg -i IN "
                    "-vf crop={}:{}:0:0 OUT.png",
                    path.string(), f.width, f.height, std::max(width, 2), std::max(height, 2)));
  return nv12_layout(width, height);
}

av::Frame rgb_of(const Nv12Layout& layout, const std::byte* host, ColourMatrix matrix,
                 ColourRange range) {
  av::silence();
  av::Frame rgb = av::make_frame();
  rgb->format = AV_PIX_FMT_RGB24;
  rgb->width = layout.width;
  rgb->height = layout.height;
  if (av_frame_get_buffer(rgb.get(), 0) < 0) throw std::bad_alloc();
  const std::unique_ptr<SwsContext, decltype(&sws_freeContext)> scaler(
      sws_getContext(layout.width, layout.height, AV_PIX_FMT_NV12, layout.width, layout.height,
                     AV_PIX_FMT_RGB24, SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, nullptr,
                     nullptr, nullptr),
      sws_freeContext);
  if (!scaler) throw std::bad_alloc();
  sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(av::space_of(matrix)),
                           range == ColourRange::full, sws_getCoefficients(SWS_CS_DEFAULT), 1, 0,
                           1 << 16, 1 << 16);
  const auto* luma = reinterpret_cast<const std::uint8_t*>(host);
  const std::uint8_t* const planes[4] = {luma, luma + layout.chroma_offset(), nullptr, nullptr};
  const int pitches[4] = {layout.pitch, layout.pitch, 0, 0};
  sws_scale(scaler.get(), planes, pitches, 0, layout.height, rgb->data, rgb->linesize);
  return rgb;
}

av::Packet png_of(const std::filesystem::path& path, const AVFrame& rgb) {
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_PNG);
  av::Codec encoder(codec ? avcodec_alloc_context3(codec) : nullptr);
  if (!encoder) throw std::runtime_error(path.string() + ": this FFmpeg has no PNG encoder");
  encoder->width = rgb.width;
  encoder->height = rgb.height;
  encoder->pix_fmt = AV_PIX_FMT_RGB24;
  encoder->time_base = {1, 1};
  encoder->compression_level = 3;  // quicker than the default and, on panoramas, smaller
  av::Options options;
  options.set("pred", "up");
  av::Packet packet = av::make_packet();
  int r = avcodec_open2(encoder.get(), codec, options.address());
  if (r >= 0) r = avcodec_send_frame(encoder.get(), &rgb);
  if (r >= 0) r = avcodec_receive_packet(encoder.get(), packet.get());
  if (r < 0) throw std::runtime_error(path.string() + ": PNG: " + av::error_text(r));
  return packet;
}

void write_whole(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  const std::string part = path.string() + ".part";
  std::FILE* file = std::fopen(part.c_str(), "wbe");
  if (!file) throw std::runtime_error(part + ": cannot be written: " + std::strerror(errno));
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  int cause = written ? 0 : errno;
  if (std::fclose(file) != 0 && cause == 0) cause = errno;
  if (cause == 0 && std::rename(part.c_str(), path.c_str()) != 0) cause = errno;
  if (cause == 0) return;
  unlink(part.c_str());
  throw std::runtime_error(path.string() + ": cannot be written: " + std::strerror(cause));
}

}  // namespace

Picture load_picture(const std::filesystem::path& path, ColourMatrix matrix, ColourRange range,
                     OddSize odd_size) {
  const FileReader reader(path.string(), 1, 0);
  Picture picture;
  picture.layout = layout_for(path, reader.info().format, odd_size);
  picture.bytes.resize(picture.layout.bytes());
  convert(reader, path, matrix, range, picture.layout, picture.bytes.data());
  return picture;
}

void load_picture(const std::filesystem::path& path, ColourMatrix matrix, ColourRange range,
                  Surface& surface) {
  const FileReader reader(path.string(), 1, 0);
  const CameraFormat& f = reader.info().format;
  if (f.width != surface.layout.width || f.height != surface.layout.height)
    throw std::runtime_error(fmt::format("{}: {}x{} pixels, but {}x{} are wanted", path.string(),
                                         f.width, f.height, surface.layout.width,
                                         surface.layout.height));
  convert(reader, path, matrix, range, surface.layout, surface.memory.host);
}

void save_png(const std::filesystem::path& path, const Nv12Layout& layout, const std::byte* host,
              ColourMatrix matrix, ColourRange range) {
  const av::Frame rgb = rgb_of(layout, host, matrix, range);
  const av::Packet png = png_of(path, *rgb);
  write_whole(path, {png->data, static_cast<std::size_t>(png->size)});
}

}  // namespace gantry
