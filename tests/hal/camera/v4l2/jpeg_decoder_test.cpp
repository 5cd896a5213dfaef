// Motion JPEG as cameras send it: right colours, and damage that harms nobody.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/jpeg_decoder.hpp"

#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "hal/media/av.hpp"

namespace gantry::v4l2 {
namespace {

// A 4:2:2 picture of one colour, compressed by the library's own encoder.
std::vector<std::byte> jpeg(int width, int height, int y, int cb, int cr) {
  av::Codec codec(avcodec_alloc_context3(avcodec_find_encoder(AV_CODEC_ID_MJPEG)));
  codec->width = width, codec->height = height;
  codec->pix_fmt = AV_PIX_FMT_YUVJ422P;
  codec->time_base = {1, 30};
  codec->flags |= AV_CODEC_FLAG_QSCALE;
  codec->global_quality = FF_QP2LAMBDA;
  if (avcodec_open2(codec.get(), nullptr, nullptr) != 0) return {};
  av::Frame frame = av::make_frame();
  frame->width = width, frame->height = height;
  frame->format = AV_PIX_FMT_YUVJ422P;
  frame->quality = FF_QP2LAMBDA;
  av_frame_get_buffer(frame.get(), 0);
  const int values[] = {y, cb, cr};
  for (int p = 0; p < 3; ++p)
    std::memset(frame->data[p], values[p], static_cast<std::size_t>(frame->linesize[p] * height));
  avcodec_send_frame(codec.get(), frame.get());
  av::Packet packet = av::make_packet();
  if (avcodec_receive_packet(codec.get(), packet.get()) != 0) return {};
  const auto* bytes = reinterpret_cast<const std::byte*>(packet->data);
  return {bytes, bytes + packet->size};
}

struct Picture {
  Picture(int width, int height) : layout(nv12_layout(width, height)), bytes(layout.bytes()) {
    surface.layout = layout;
    surface.memory.host = bytes.data();
    surface.memory.bytes = bytes.size();
  }
  Nv12Layout layout;
  std::vector<std::byte> bytes;
  Surface surface;
};

TEST(JpegDecoder, FullRangeBt601BecomesWhatTheRigHas) {
  JpegDecoder decoder(ColourMatrix::bt709, ColourRange::limited, 1 << 20);
  Picture p(160, 96);
  // Pure green of BT.601, full range: Y 150, Cb 44, Cr 21. In BT.709, limited: 173, 42, 26.
  ASSERT_TRUE(decoder.decode(jpeg(160, 96, 150, 44, 21), p.surface));
  EXPECT_NEAR(p.surface.luma()[5 * p.layout.pitch + 7], 173, 2);
  EXPECT_NEAR(p.surface.chroma()[10], 42, 2);
  EXPECT_NEAR(p.surface.chroma()[11], 26, 2);
}

TEST(JpegDecoder, DamageAndOtherSizesAreRefusedAndTheNextPictureIsWhole) {
  JpegDecoder decoder(ColourMatrix::bt709, ColourRange::limited, 1 << 20);
  Picture p(160, 96);
  const auto good = jpeg(160, 96, 128, 128, 128);
  ASSERT_FALSE(good.empty());
  EXPECT_FALSE(decoder.decode({}, p.surface));
  EXPECT_FALSE(decoder.decode(jpeg(80, 96, 128, 128, 128), p.surface));
  std::mt19937 random(3);
  for (int n = 0; n < 200; ++n) {
    auto bad = good;
    bad.resize(1 + random() % bad.size());
    for (int k = 0; k < 5; ++k) bad[random() % bad.size()] = static_cast<std::byte>(random());
    decoder.decode(bad, p.surface);  // whatever it makes of it
  }
  EXPECT_TRUE(decoder.decode(good, p.surface));
  EXPECT_NEAR(p.surface.chroma()[0], 128, 1);
}

TEST(JpegDecoder, MoreThanTheDeviceAnnouncedIsRefused) {
  JpegDecoder decoder(ColourMatrix::bt709, ColourRange::limited, 64);
  Picture p(160, 96);
  EXPECT_FALSE(decoder.decode(jpeg(160, 96, 128, 128, 128), p.surface));
}

}  // namespace
}  // namespace gantry::v4l2
