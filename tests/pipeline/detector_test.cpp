// The detector stage, from a picture to detections, with a network that reads painted markers.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/detector.hpp"

#include <cmath>
#include <cstring>
#include <numbers>

#include <gtest/gtest.h>

#include "tests/pipeline/marker_network.hpp"

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;
// One degree to the pixel; four tiles of 64 at 0, 42, 84 and 126.
constexpr PanoramaGeometry kPanorama{190,          64,           -95 * kDegree,
                                     95 * kDegree, 32 * kDegree, -32 * kDegree};

struct Marker {
  int tile, anchor;
  int x, y, width, height;  // network pixels
  int score[2];             // of 255, ball and person
};

class DetectorStage : public testing::Test {
 protected:
  gpu::Device device_{{}, {}};
  Nv12Layout layout_ = nv12_layout(kPanorama.width, kPanorama.height);
  std::unique_ptr<SurfacePool> pool_ = make_surface_pool(device_, layout_, 2, gpu::Access::upload);
  cl::CommandQueue queue_ = device_.make_queue();

  static DetectorConfig config() {
    DetectorConfig c;
    c.limits = {};
    for (ClassLimits& l : c.limits) l.confidence = 0.4f;
    c.classes = {{0, ObjectClass::ball}, {1, ObjectClass::person}};
    c.input = TileInput{};
    c.input->scale = {1, 1.0 / 255, 1};
    c.input->pad = 0;
    return c;
  }

  Detector detector(const Plan& plan, const DetectorConfig& c) {
    return Detector(device_, plan, c, kPanorama, layout_, ColourMatrix::bt709, ColourRange::full);
  }

  PanoramaFrame painted(const TilePlan& plan, const std::vector<Marker>& markers) {
    PanoramaFrame frame;
    frame.surface = pool_->acquire();
    Surface& s = *frame.surface;
    std::memset(s.luma(), 0, layout_.chroma_offset());
    std::memset(s.chroma(), 128, layout_.bytes() - layout_.chroma_offset());
    for (const Marker& m : markers) {
      const Tile& t = plan.tiles.at(static_cast<std::size_t>(m.tile));
      std::uint8_t* at = s.luma() + t.y * layout_.pitch + t.x + m.anchor * MarkerNetwork::kChannels;
      const int values[] = {m.x, m.y, m.width, m.height, m.score[0], m.score[1]};
      for (const int v : values) *at++ = static_cast<std::uint8_t>(v);
    }
    EXPECT_EQ(gpu::upload(queue_, s.memory, s.memory.bytes, {}, &frame.ready), Status::ok);
    EXPECT_EQ(gpu::flush(queue_), Status::ok);
    frame.capture_ns = 123'456'789;
    frame.number = 42;
    return frame;
  }
};

void expect(const Detection& d, ObjectClass object, double x, double y, double width, double height,
            double confidence) {
  EXPECT_EQ(d.object, object);
  EXPECT_NEAR(d.x, x, 1e-3);
  EXPECT_NEAR(d.y, y, 1e-3);
  EXPECT_NEAR(d.width, width, 1e-3);
  EXPECT_NEAR(d.height, height, 1e-3);
  EXPECT_NEAR(d.confidence, confidence, 1e-3);
}

TEST_F(DetectorStage, FindsEveryObjectOnceWhateverTheBatch) {
  for (const int batch : {1, 2, 3, 4, 6}) {
    SCOPED_TRACE(testing::Message() << "batch " << batch);
    Detector stage = detector(MarkerNetwork::make(batch), config());
    EXPECT_EQ(stage.head(), Head::yolov8);
    ASSERT_EQ(stage.tiles().tiles.size(), 4u);
    const auto out = std::make_unique<Detections>();
    const PanoramaFrame frame =
        painted(stage.tiles(), {{0, 0, 53, 30, 6, 20, {0, 150}},  // one person, seen by tiles 0 …
                                {1, 6, 11, 30, 6, 20, {0, 204}},  // … and 1
                                {1, 2, 30, 20, 6, 6, {230, 0}},   // a ball
                                {2, 1, 30, 20, 6, 6, {90, 0}},    // too weak
                                {3, 3, 50, 40, 10, 30, {0, 128}}});
    ASSERT_EQ(stage.analyse(frame, *out), Status::ok);
    EXPECT_EQ(out->capture_ns, 123'456'789);
    EXPECT_EQ(out->panorama, 42u);
    EXPECT_EQ(out->overflowed, 0u);
    ASSERT_EQ(out->count, 3u);
    // A box's centre is given from the first pixel's centre, half a pixel less than from the edge.
    expect(out->items[0], ObjectClass::ball, 42 + 29.5, 19.5, 6, 6, 230 / 255.0);
    expect(out->items[1], ObjectClass::person, 52.5, 29.5, 6, 20, 204 / 255.0);
    expect(out->items[2], ObjectClass::person, 126 + 49.5, 39.5, 10, 30, 128 / 255.0);

    const PanoramaFrame empty = painted(stage.tiles(), {});
    ASSERT_EQ(stage.analyse(empty, *out), Status::ok);
    EXPECT_EQ(out->count, 0u) << "nothing is left of the panorama before";
  }
}

TEST_F(DetectorStage, AMaskLeavesOutTilesAndFeet) {
  DetectorConfig c = config();
  // Columns 95 … 185, rows 22 … 62: nothing for the tiles at 0, and half of the others'.
  for (const auto& [yaw, pitch] : {std::pair{0, 10}, {90, 10}, {90, -30}, {0, -30}})
    c.mask.push_back({yaw * kDegree, pitch * kDegree});
  Detector stage = detector(MarkerNetwork::make(2), c);
  ASSERT_EQ(stage.tiles().tiles.size(), 2u);
  const auto out = std::make_unique<Detections>();
  const int left = stage.tiles().tiles[0].x;
  const PanoramaFrame frame =
      painted(stage.tiles(), {{0, 0, 100 - left, 14, 6, 20, {0, 200}},  // feet on row 24: in
                              {0, 1, 120 - left, 10, 6, 20, {0, 200}},  // feet on row 20: out
                              {0, 2, 110 - left, 20, 6, 6, {200, 0}},   // its centre above the mask
                              {0, 3, 130 - left, 30, 6, 6, {210, 0}}});
  ASSERT_EQ(stage.analyse(frame, *out), Status::ok);
  ASSERT_EQ(out->count, 2u);
  expect(out->items[0], ObjectClass::ball, 129.5, 29.5, 6, 6, 210 / 255.0);
  expect(out->items[1], ObjectClass::person, 99.5, 13.5, 6, 20, 200 / 255.0);
}

TEST_F(DetectorStage, ScaledTilesGiveBoxesInPanoramaPixels) {
  DetectorConfig c = config();
  c.tiles.layout = TileLayout::fit;
  Detector stage = detector(MarkerNetwork::make(1), c);
  ASSERT_EQ(stage.tiles().tiles.size(), 1u);
  // The tile's first row lies above the panorama: no marker can be there, and nothing is found.
  const auto out = std::make_unique<Detections>();
  ASSERT_EQ(stage.analyse(painted(stage.tiles(), {}), *out), Status::ok);
  EXPECT_EQ(out->count, 0u);
  EXPECT_NEAR(stage.tiles().scale, 64.0 / 190, 1e-9);
}

TEST_F(DetectorStage, LooksAtTheTilesWhoseTurnItIsAndSaysSo) {
  for (const int batch : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << "batch " << batch);
    DetectorConfig c = config();
    c.schedule = {1, 0.5};
    Detector stage = detector(MarkerNetwork::make(batch), c);
    const auto out = std::make_unique<Detections>();
    // A ball in tile 1, a person in tile 3; each of them has its own place in its tile's markers.
    const std::vector<Marker> markers{{1, 2, 32, 20, 6, 6, {230, 0}},
                                      {3, 3, 50, 40, 10, 30, {0, 128}}};
    std::array<int, 4> looks{};
    int persons = 0;
    for (int i = 0; i < 20; ++i) {
      PanoramaFrame frame = painted(stage.tiles(), markers);
      frame.capture_ns = i * 100'000'000LL;
      ASSERT_EQ(stage.analyse(frame, *out), Status::ok);
      ASSERT_GE(out->area_count, i == 0 ? 4u : static_cast<unsigned>(batch));
      EXPECT_LT(out->area_count, i == 0 ? 5u : 4u) << "fewer than all of them";
      EXPECT_EQ(stage.traffic().tiles_read, out->area_count * 64u * 64 * 3 / 2);
      const float tile_x[] = {20, 73, 115, 180};
      for (std::size_t tile = 0; tile < 4; ++tile) looks[tile] += out->looked_at(tile_x[tile], 20);
      // What is in the tiles that were looked at is found, and nothing else.
      ASSERT_TRUE(out->looked_at(73.5f, 19.5f)) << "the ball's tile, each time";
      const bool person_seen = out->looked_at(175.5f, 39.5f);
      ASSERT_EQ(out->count, person_seen ? 2u : 1u);
      expect(out->items[0], ObjectClass::ball, 42 + 31.5, 19.5, 6, 6, 230 / 255.0);
      if (person_seen)
        expect(out->items[1], ObjectClass::person, 126 + 49.5, 39.5, 10, 30, 128 / 255.0);
      persons += person_seen;
    }
    for (const int l : looks) EXPECT_GE(l, 5) << "each tile every half a second";
    EXPECT_LT(persons, 20);
  }
}

TEST_F(DetectorStage, CountsWhatItMoves) {
  Detector stage = detector(MarkerNetwork::make(2), config());
  const auto out = std::make_unique<Detections>();
  ASSERT_EQ(stage.analyse(painted(stage.tiles(), {}), *out), Status::ok);
  const DetectorTraffic t = stage.traffic();
  EXPECT_EQ(t.tiles_read, 4u * 64 * 64 * 3 / 2);
  EXPECT_EQ(t.tensor_written, 4u * 3 * 64 * 64 * 4);
  // A GPU with memory of its own sends lists of candidates instead.
  if (device_.info().host_memory) {
    EXPECT_EQ(t.outputs_read, 4u * 6 * 7 * 4);
  }
}

TEST_F(DetectorStage, ClassesComeFromThePlansNames) {
  DetectorConfig c = config();
  c.classes.clear();
  EXPECT_THROW(detector(MarkerNetwork::make(1), c), std::invalid_argument);
  Detector stage = detector(MarkerNetwork::make(1, 3, 0, "{0: 'player', 1: 'ball'}"), c);
  const auto out = std::make_unique<Detections>();
  const PanoramaFrame frame = painted(stage.tiles(), {{0, 0, 20, 30, 6, 20, {200, 0}}});
  ASSERT_EQ(stage.analyse(frame, *out), Status::ok);
  ASSERT_EQ(out->count, 1u);
  EXPECT_EQ(out->items[0].object, ObjectClass::person);
}

TEST_F(DetectorStage, RefusesNetworksThatAreNotDetectors) {
  const auto refusal = [&](const Plan& plan) -> std::string {
    try {
      detector(plan, config());
    } catch (const std::exception& e) {
      return e.what();
    }
    return "accepted";
  };
  const std::string planes = refusal(MarkerNetwork::make(1, 4));
  EXPECT_NE(planes.find("markers.plan"), std::string::npos) << planes;
  EXPECT_NE(planes.find("1x4x64x64"), std::string::npos) << planes;
  const std::string batch = refusal(MarkerNetwork::make(2, 3, 3));
  EXPECT_NE(batch.find("output0 has shape 3x6x7"), std::string::npos) << batch;
  EXPECT_THROW(Detector(device_, MarkerNetwork::make(1), config(), kPanorama, nv12_layout(200, 64),
                        ColourMatrix::bt709, ColourRange::full),
               std::invalid_argument);
}

TEST_F(DetectorStage, OnePictureForTheCommandLine) {
  const Plan plan = MarkerNetwork::make(2);
  const TilePlan tiles = detector(plan, config()).tiles();
  const PanoramaFrame frame = painted(tiles, {{2, 0, 20, 30, 6, 20, {0, 200}}});
  ASSERT_EQ(gpu::wait(frame.ready), Status::ok);
  DetectorConfig c = config();
  c.mask = {{0, 0}};  // a lone picture has no angles: the mask is not looked at
  c.tiles.overlap = 16;
  const Detections found =
      detect_in_picture(device_, plan, c, *frame.surface, ColourMatrix::bt709, ColourRange::full);
  ASSERT_EQ(found.count, 1u);
  expect(found.items[0], ObjectClass::person, 84 + 19.5, 29.5, 6, 20, 200 / 255.0);
}

}  // namespace
}  // namespace gantry
