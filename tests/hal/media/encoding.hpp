// Pictures whose number can be read back, for tests of the encoder.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>

#include <gtest/gtest.h>

#include "hal/encoder/libav_encoder.hpp"
#include "tests/hal/media/clips.hpp"

namespace gantry::test {

inline constexpr double kRate = 30000.0 / 1001;

inline EncoderConfig config_for(const std::string& path) {
  EncoderConfig c;
  c.path = path;
  c.width = 160;
  c.height = 96;
  c.frames_per_second = kRate;
  c.encoder = "software";
  return c;
}

inline std::int64_t nth_ns(int n) {
  return 7'000'000'000 + std::llround(n * 1e9 / kRate);
}

inline Status write_picture(Encoder& encoder, HostPool& surfaces, int n) {
  SurfaceRef surface = surfaces.pool.acquire();
  paint(*surface, n);
  return encoder.write(surface, nth_ns(n));
}

inline double luma_psnr(const AVFrame& f, int n) {
  double sum = 0;
  for (int y = 0; y < f.height; ++y)
    for (int x = 0; x < f.width; ++x) {
      const double d = f.data[0][y * f.linesize[0] + x] - luma_at(n, x, y);
      sum += d * d;
    }
  return 10 * std::log10(255.0 * 255 * f.width * f.height / (sum + 1e-9));
}

// True where the picture's instant, measured from the first, is exact to the container's tick.
inline void expect_exact(const DecodedClip& clip, int frames) {
  ASSERT_EQ(clip.frames.size(), static_cast<std::size_t>(frames));
  for (int n = 0; n < frames; ++n) {
    EXPECT_EQ(clip.frames[n].number, n);
    const std::int64_t encoder_ticks =
        std::llround(static_cast<double>(nth_ns(n) - nth_ns(0)) * 90e3 / 1e9);
    EXPECT_EQ(clip.frames[n].pts - clip.frames[0].pts,
              av_rescale_q(encoder_ticks, {1, 90'000}, clip.time_base))
        << n;
  }
}

}  // namespace gantry::test
