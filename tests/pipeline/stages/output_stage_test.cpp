// OutputStage: pictures reach the encoder, fetched to the host first where they have to be.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stages/output_stage.hpp"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace gantry {
namespace {

// Keeps what it is given, as hardware encoders do.
class KeepingEncoder final : public Encoder {
 public:
  Status write(const SurfaceRef& surface, std::int64_t) noexcept override {
    kept.push_back(surface.share());
    return Status::ok;
  }
  bool open() const noexcept override { return true; }
  Status reopen() noexcept override { return Status::ok; }
  std::uint64_t frames_written() const noexcept override { return kept.size(); }
  Status finish() noexcept override { return Status::ok; }
  EncoderReport report() const override { return {}; }
  std::vector<SurfaceRef> kept;
};

class OutputStageTest : public testing::Test {
 protected:
  PanoramaFrame panorama(std::uint8_t value) {
    PanoramaFrame frame;
    frame.surface = panoramas_->acquire();
    std::memset(frame.surface->luma(), value, layout_.bytes());
    frame.capture_ns = value;
    return frame;
  }

  const Nv12Layout layout_ = nv12_layout(64, 32);
  gpu::Device device_{{}, {}};
  std::unique_ptr<SurfacePool> panoramas_ =
      make_surface_pool(device_, layout_, 4, gpu::Access::download);
  std::unique_ptr<SurfacePool> fetched_ =
      make_surface_pool(device_, layout_, 2, gpu::Access::download);
  Latency busy_;
};

TEST_F(OutputStageTest, HandsOnThePanoramaItselfWhereTheHostSeesIt) {
  PanoramaOutputLink link(WhenFull::drop_oldest);
  KeepingEncoder encoder;
  OutputStage stage(link, encoder, &PanoramaFrame::capture_ns, nullptr, busy_);
  link.push(panorama(7));
  ASSERT_TRUE(stage.step());
  ASSERT_EQ(encoder.kept.size(), 1u);
  EXPECT_EQ(panoramas_->available(), 3u);
  EXPECT_EQ(encoder.kept[0]->luma()[0], 7);
}

TEST_F(OutputStageTest, FetchesIntoItsOwnSurfacesAndCountsWhatFindsNone) {
  PanoramaOutputLink link(WhenFull::drop_oldest);
  KeepingEncoder encoder;
  const HostFetch fetch{device_.make_queue(), *fetched_};
  OutputStage stage(link, encoder, &PanoramaFrame::capture_ns, &fetch, busy_);
  for (std::uint8_t i = 1; i <= 3; ++i) {
    link.push(panorama(i));
    ASSERT_TRUE(stage.step());
  }
  EXPECT_EQ(panoramas_->available(), 4u);  // none is held while it is encoded
  ASSERT_EQ(encoder.kept.size(), 2u);
  EXPECT_EQ(stage.undelivered(), 1u);
  for (std::uint8_t i = 0; i < 2; ++i) {
    EXPECT_EQ(encoder.kept[i]->luma()[0], i + 1);
    EXPECT_EQ(encoder.kept[i]->luma()[layout_.bytes() - 1], i + 1);
  }
}

}  // namespace
}  // namespace gantry
