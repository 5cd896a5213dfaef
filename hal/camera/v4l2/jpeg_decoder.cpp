// One decoder, one packet, one frame, used again and again.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/jpeg_decoder.hpp"

#include <cstring>
#include <stdexcept>
#include <vector>

#include "hal/media/nv12_converter.hpp"

namespace gantry::v4l2 {

struct JpegDecoder::Codec {
  Codec(ColourMatrix matrix, ColourRange range, std::size_t most_bytes)
      : bytes(most_bytes + AV_INPUT_BUFFER_PADDING_SIZE),
        packet(av::make_packet()),
        frame(av::make_frame()),
        converter(matrix, range) {
    av::silence();
    const AVCodec* mjpeg = avcodec_find_decoder(AV_CODEC_ID_MJPEG);
    context.reset(mjpeg ? avcodec_alloc_context3(mjpeg) : nullptr);
    if (!context) throw std::runtime_error("this FFmpeg has no MJPEG decoder");
    context->thread_count = 1;
    if (const int error = avcodec_open2(context.get(), mjpeg, nullptr); error < 0)
      throw std::runtime_error("the MJPEG decoder refuses: " + av::error_text(error));
  }
  std::vector<std::uint8_t> bytes;  // with the zeroes behind that the decoder reads
  av::Packet packet;
  av::Frame frame;
  av::Codec context;
  av::Nv12Converter converter;
};

JpegDecoder::JpegDecoder(ColourMatrix matrix, ColourRange range, std::size_t most_bytes)
    : codec_(std::make_unique<Codec>(matrix, range, most_bytes)) {}

JpegDecoder::~JpegDecoder() = default;

bool JpegDecoder::decode(std::span<const std::byte> picture, const Surface& surface) noexcept {
  Codec& c = *codec_;
  const std::size_t room = c.bytes.size() - AV_INPUT_BUFFER_PADDING_SIZE;
  if (picture.empty() || picture.size() > room) return false;
  std::memcpy(c.bytes.data(), picture.data(), picture.size());
  std::memset(c.bytes.data() + picture.size(), 0, AV_INPUT_BUFFER_PADDING_SIZE);
  c.packet->data = c.bytes.data();
  c.packet->size = static_cast<int>(picture.size());
  const bool decoded = avcodec_send_packet(c.context.get(), c.packet.get()) == 0 &&
                       avcodec_receive_frame(c.context.get(), c.frame.get()) == 0;
  if (!decoded) {
    avcodec_flush_buffers(c.context.get());
    return false;
  }
  const bool same_size =
      c.frame->width == surface.layout.width && c.frame->height == surface.layout.height;
  return same_size && c.converter.convert(*c.frame, surface.layout, surface.luma());
}

}  // namespace gantry::v4l2
