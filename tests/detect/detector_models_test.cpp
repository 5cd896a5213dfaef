// Real networks on real pictures, from ONNX file to detections. Expected boxes are what onnxruntime
// gives for the same tensors; skipped where the models or pictures are not there.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "firmware/compile/compile.hpp"
#include "pipeline/detector.hpp"
#include "pipeline/plan/family.hpp"
#include "tests/paths.hpp"

namespace gantry {
namespace {

const std::filesystem::path kShared = std::filesystem::path(GANTRY_SOURCE_DIR) / "../shared";

struct Expected {
  ObjectClass object;
  double confidence, x, y, width, height;
};

double iou(const Detection& d, const Expected& e) {
  const auto shared = [](double a, double b, double wa, double wb) {
    return std::max(0.0, std::min(a + wa / 2, b + wb / 2) - std::max(a - wa / 2, b - wb / 2));
  };
  const double both = shared(d.x, e.x, d.width, e.width) * shared(d.y, e.y, d.height, e.height);
  return both / (static_cast<double>(d.width) * d.height + e.width * e.height - both);
}

class Models : public testing::Test {
 protected:
  gpu::Device device_{{}, {}};

  static std::filesystem::path needed(const char* path) {
    const auto file = kShared / path;
    return std::filesystem::exists(file) ? file : std::filesystem::path();
  }

  Plan compile(const std::filesystem::path& model) {
    std::ifstream in(model, std::ios::binary);
    const std::string onnx((std::istreambuf_iterator<char>(in)), {});
    compile::Options options;
    options.target = best_target(device_.info());
    const auto bytes =
        compile::compile_bytes(std::as_bytes(std::span(onnx)), model.filename().string(), options);
    return Plan::from_bytes(bytes, model.stem().string());
  }

  // Any picture that ffmpeg reads, as BT.709 limited range.
  std::unique_ptr<SurfacePool> read(const std::filesystem::path& file, int width, int height) {
    auto pool = make_surface_pool(device_, nv12_layout(width, height), 1, gpu::Access::upload);
    Surface& s = pool->slot(0);
    const std::string command = "ffmpeg -v error -i '" + file.string() +
                                "' -vf scale=out_color_matrix=bt709:out_range=limited -pix_fmt "
                                "nv12 -frames:v 1 -f rawvideo -";
    FILE* pipe = popen(command.c_str(), "r");
    for (int row = 0; pipe && row < height * 3 / 2; ++row)
      if (std::fread(s.luma() + static_cast<std::ptrdiff_t>(row) * s.layout.pitch, 1,
                     static_cast<std::size_t>(width), pipe) != static_cast<std::size_t>(width))
        ADD_FAILURE() << file << " has no row " << row;
    if (pipe) pclose(pipe);
    const auto queue = device_.make_queue();
    cl::Event done;
    EXPECT_EQ(gpu::upload(queue, s.memory, s.memory.bytes, {}, &done), Status::ok);
    EXPECT_EQ(gpu::wait(done), Status::ok);
    return pool;
  }

  void expect_found(const char* model, const char* picture, int width, int height,
                    const DetectorConfig& config, const std::vector<Expected>& expected) {
    const auto onnx = needed(model), file = needed(picture);
    if (onnx.empty() || file.empty())
      GTEST_SKIP() << "needs ../shared: " << model << ", " << picture;
    const auto pool = read(file, width, height);
    const Detections found = detect_in_picture(device_, compile(onnx), config, pool->slot(0),
                                               ColourMatrix::bt709, ColourRange::limited);
    for (const Detection& d : found.view())
      std::printf("  class %d %.3f at %.1f, %.1f size %.1fx%.1f\n", static_cast<int>(d.object),
                  d.confidence, d.x, d.y, d.width, d.height);
    EXPECT_EQ(found.count, expected.size());
    for (const Expected& e : expected) {
      const auto match = std::ranges::find_if(found.view(), [&](const Detection& d) {
        return d.object == e.object && iou(d, e) >= 0.95;
      });
      ASSERT_NE(match, found.view().end()) << "nothing at " << e.x << ", " << e.y;
      EXPECT_NEAR(match->confidence, e.confidence, 0.02);
    }
  }
};

DetectorConfig coco(TileLayout layout, float confidence) {
  DetectorConfig c;
  c.tiles.layout = layout;
  c.limits = {};
  for (ClassLimits& l : c.limits) l.confidence = confidence;
  c.classes = {{0, ObjectClass::person}, {5, ObjectClass::other}, {32, ObjectClass::ball}};
  return c;
}

TEST_F(Models, Yolov8FindsTheBusAndFourPersons) {
  expect_found("models/yolov8n_coco_640.onnx", "footage/bus.jpg", 810, 1080,
               coco(TileLayout::fit, 0.25f),
               {{ObjectClass::person, 0.907, 739.6, 631.1, 139.8, 494.9},
                {ObjectClass::person, 0.884, 281.7, 632.0, 122.4, 448.3},
                {ObjectClass::person, 0.867, 146.2, 651.2, 192.0, 506.4},
                {ObjectClass::other, 0.841, 415.4, 500.4, 765.3, 540.7},
                {ObjectClass::person, 0.398, 29.8, 708.7, 59.2, 318.0}});
}

TEST_F(Models, YoloxFindsTheBusAndThreePersons) {
  DetectorConfig config = coco(TileLayout::fit, 0.3f);
  config.head = Head::yolox;
  expect_found("models/yolox_nano_coco_416.onnx", "footage/bus.jpg", 810, 1080, config,
               {{ObjectClass::person, 0.875, 128.7, 647.7, 163.1, 501.4},
                {ObjectClass::other, 0.873, 412.7, 479.6, 771.1, 499.9},
                {ObjectClass::person, 0.772, 282.7, 635.4, 136.3, 450.6},
                {ObjectClass::person, 0.767, 743.4, 663.1, 132.3, 419.2}});
}

TEST_F(Models, Yolo11FindsPersonsInTheSoccerPanorama) {
  if (!std::getenv("GANTRY_LONG")) GTEST_SKIP() << "ten tiles of 1024: set GANTRY_LONG=1";
  expect_found("models/yolo11n_coco_1024.onnx", "footage/soccer_panorama_4096x1080.png", 4096, 1080,
               coco(TileLayout::spread, 0.35f),
               {{ObjectClass::person, 0.731, 2485.7, 551.4, 29.6, 44.8},
                {ObjectClass::person, 0.427, 1978.6, 460.0, 12.9, 37.4},
                {ObjectClass::person, 0.416, 2216.6, 467.5, 12.8, 27.9},
                {ObjectClass::person, 0.391, 2331.0, 427.0, 13.1, 22.4},
                {ObjectClass::person, 0.380, 1969.1, 514.3, 12.7, 34.3},
                {ObjectClass::person, 0.352, 1883.6, 471.8, 12.7, 31.4}});
}

TEST_F(Models, FootAndBallFindsPlayersInTheSoccerPanorama) {
  if (!std::getenv("GANTRY_LONG")) GTEST_SKIP() << "ten tiles of 1024: set GANTRY_LONG=1";
  DetectorConfig config = coco(TileLayout::spread, 0.98f);
  config.classes.clear();
  expect_found("models/footandball_1024x1024.onnx", "footage/soccer_panorama_4096x1080.png", 4096,
               1080, config,
               {{ObjectClass::person, 0.999, 1867.7, 456.7, 23.7, 50.0},
                {ObjectClass::person, 0.999, 1878.5, 474.4, 20.3, 44.6},
                {ObjectClass::person, 0.998, 1801.4, 408.4, 25.2, 52.3},
                {ObjectClass::person, 0.996, 1747.7, 433.5, 22.1, 46.0},
                {ObjectClass::person, 0.992, 1971.1, 432.5, 35.7, 74.7},
                {ObjectClass::person, 0.986, 1970.0, 517.4, 25.7, 57.3},
                {ObjectClass::person, 0.985, 1608.4, 485.4, 19.2, 42.5}});
}

}  // namespace
}  // namespace gantry
